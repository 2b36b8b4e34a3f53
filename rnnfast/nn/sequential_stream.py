"""A model of several parts run one step at a time, its states kept inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.host import as_flags, check_output
from rnnfast.modules.stream import Stream
from rnnfast.nn import part_states
from rnnfast.problem import Array


class SequentialStream:
    """A model's parts, the recurrent ones as streams of sequences that advance together; for one thread at a time.

    A call that is refused leaves all states as they were. Copies and pickles go on from the same states.

    >>> import numpy as np, rnnfast
    >>> from rnnfast import nn
    >>> stream = nn.Sequential(net=rnnfast.GRU(3, 8, seed=0), head=nn.Linear(8, 1, seed=1)).stream()
    >>> stream.step(np.ones(3, np.float32)).shape
    (1,)
    """

    def __init__(
        self,
        parts: Mapping[str, Any],
        batch: int,
        output_size: int,
        initial: Mapping[str, part_states.Learned],
    ) -> None:
        self._parts, self._batch, self._output_size, self._initial = dict(parts), batch, output_size, dict(initial)
        if initial:
            self.reset()

    def step(self, x: Any, out: Array | None = None) -> Array:
        """The output for one step's x, (batch, I) or, where batch is 1, (I,); the states advance. `out` takes it."""
        return self._through(x, out, "step")

    def run(self, chunk: Any, out: Array | None = None) -> Array:
        """Make many steps at once: the outputs for a chunk of a sequence."""
        return self._through(chunk, out, "run")

    def _through(self, x: Any, out: Array | None, how: str) -> Array:
        unseen = out is not None
        for part in self._parts.values():
            if not isinstance(part, Stream):
                x = part(x)
                continue
            if unseen:  # before a state moves
                shape = (*part.output_shape(x, steps=how == "run")[:-1], self._output_size)
                check_output("out", out, shape, part.dtype, "model", dense=False)
                unseen = False
            x = getattr(part, how)(x)
        y = np.asarray(x)
        if out is None:
            return y
        check_output("out", out, y.shape, y.dtype, "model", dense=False)[...] = y
        return out

    @property
    def states(self) -> list[Any]:
        """Copies of the states of the recurrent parts. Assign some to go on from them; None: as after `reset`."""
        return [stream.state for stream in self._streams().values()]

    @states.setter
    def states(self, values: Sequence[Any]) -> None:
        streams = self._streams()
        given = part_states.listed(values, streams)
        for n, (name, stream) in enumerate(streams.items()):
            given[n] = self._first(name) if given[n] is None else given[n]
            stream.check_state(f"states[{n}]", given[n])
        for stream, value in zip(streams.values(), given, strict=True):
            stream.state = value

    def reset(self, mask: Any = None) -> None:
        """Start again from zero states, or those that were learned: every row, or where `mask` (batch,) is not zero."""
        rows = np.ones(self._batch, bool) if mask is None else as_flags("mask", mask, (self._batch,)).astype(bool)
        for name, stream in self._streams().items():
            if name in self._initial:
                stream.state = part_states.begun_again(stream.state, self._initial[name], rows)
            else:
                stream.reset(mask)

    def copy(self) -> SequentialStream:
        """Another stream of the same parts that goes on from this one's states."""
        twin = object.__new__(type(self))
        parts = {name: part.copy() if isinstance(part, Stream) else part for name, part in self._parts.items()}
        twin.__dict__ |= self.__dict__ | {"_parts": parts}
        return twin

    __copy__ = copy

    def _first(self, name: str) -> Any:
        """Return the state that a part begins with, None for zeros."""
        state = self._streams()[name].state
        arrays = [state] if isinstance(state, np.ndarray) else state
        return part_states.repeated(self._initial.get(name), tuple([array.shape for array in arrays]))

    def _streams(self) -> dict[str, Stream[Any]]:
        return {name: part for name, part in self._parts.items() if isinstance(part, Stream)}
