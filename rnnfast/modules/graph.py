"""Graphs: a call of a frozen net on a CUDA device for fixed arrays, which the device starts as a whole."""

from __future__ import annotations

from typing import Any, Generic, NoReturn

from rnnfast.calls.fixed import capture
from rnnfast.calls.gradients import StateT
from rnnfast.calls.prepared import Engine
from rnnfast.problem import Array


class Graph(Generic[StateT]):
    """A call whose arrays are fixed: `x` and `start` are read, `y` and `state` written, anew by every replay.

    `start` is the state before the first step, None: zeros. To begin with `y` and `state` are those of x as it was
    given. Replays of one graph run one after another, whatever streams they are started on, and any number of graphs
    may be used in turn; several threads may call one, but share its arrays.
    """

    def __init__(self, engine: Engine, x: Any, state: Any = None) -> None:
        """Raises as `Frozen.graph`."""
        name = engine.net.name
        if engine.on_host:
            raise TypeError(
                f"this {name}'s parameters are in host memory, and a graph is of a CUDA device: move the module there "
                'with .to("cuda") before .freeze(), or call the frozen net'
            )
        self.x, self.start, self._engine = x, state, engine
        self._replay, y, final = capture(engine, x, state)
        self.y: Array = y
        self.state: StateT = final

    def __call__(self) -> tuple[Array, StateT]:
        """Replay on the current stream of the library that x comes from; `y` and `state`, which the next overwrites.

        Raises TimeoutError where a kernel of an earlier replay has given up, so that what that wrote is wrong.
        """
        self._replay()
        return self.y, self.state

    def __reduce__(self) -> NoReturn:
        raise TypeError("a graph can be neither copied nor pickled: it is of these arrays on this device")
