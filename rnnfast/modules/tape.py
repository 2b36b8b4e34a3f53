"""The tape of a recorded call: gates and cell states of every step, and back-propagation through time."""

from __future__ import annotations

from typing import Any, Generic, NoReturn

from rnnfast.backends.common.layers import live_steps
from rnnfast.calls.backward import backward
from rnnfast.calls.forward import Call
from rnnfast.calls.gradients import Gradients, StateT
from rnnfast.calls.prepared import Engine
from rnnfast.checks.values import truth
from rnnfast.problem import Array


class Tape(Generic[StateT]):
    """The recording of one call. It refers to x and the parameters: leave them unchanged until after `backward`.

    Serves one `backward`, which frees its memory, unless recorded with `keep=True`.

    >>> import numpy as np, rnnfast
    >>> y, h, tape = rnnfast.GRU(3, 4, seed=0).record(np.ones((5, 2, 3), np.float32))
    >>> tape.backward(np.ones_like(y)).params["bias_hh_l0"].shape
    (12,)
    """

    def __init__(self, engine: Engine, call: Call, dropout_seed: int, keep: bool) -> None:
        self._engine, self._keep, self.dropout_seed = engine, keep, dropout_seed
        self._prepared, self._way = call.prepared, ""
        self._held = [call]
        """The call, until its reserve is used up: of several threads one alone can take it out."""

    def backward(
        self,
        dy: Any = None,
        d_state: Any = None,
        *,
        need_x: bool = True,
        out: Gradients[StateT] | dict[str, Array] | None = None,
        accumulate: bool = False,
        monitor: bool = False,
    ) -> Gradients[StateT]:
        """Gradients of a loss L from dy = dL/dy and d_state = dL/d(final state), shaped like y and the state.

        None means zeros; either part of an LSTM's d_state may be None too. `need_x=False` saves the work for dx.
        `out` takes the results: earlier gradients, or arrays by parameter name (C-contiguous). With `accumulate` the
        parameters' gradients are added to what `out` holds; those of x and of the state are always overwritten.
        `monitor` adds `state_norms`, the norm of the state's gradient at every step: see `Gradients` and
        `rnnfast.diagnostics`.

        Raises RuntimeError on a second call without `keep`, ValueError and TypeError for arrays that do not fit;
        after those the tape is as it was.
        """
        call = self._recorded()
        if need_x is not True:
            need_x = truth("need_x", need_x)
        if monitor is not False:
            monitor = truth("monitor", monitor)
        if accumulate is not False and (accumulate := truth("accumulate", accumulate)) and out is None:
            raise ValueError("accumulate=True adds to the gradients in out: pass out")
        return backward(self._engine, call, self._spend, dy, d_state, need_x, out, accumulate, monitor, self._keep)

    @property
    def ran_on(self) -> str:
        """The backend, and where it has several ways which it took and why; also after `backward`."""
        held = self._held[:]
        way = self._prepared.bound.ran(held[0].reserve) if held else self._way
        return f"{self._engine.choice.full_name}: {way}" if way else self._engine.choice.full_name

    @property
    def nbytes(self) -> int:
        """Bytes that the tape keeps for `backward`, at most, where every step is live; 0 after it.

        Of one that recomputes: the states between segments and all that one segment needs. Arguments and results are
        not counted, nor is memory that a call needs while it runs, such as gradients on their way between layers.
        """
        return self._prepared.bound.reserve_bytes() if self._held else 0

    @property
    def cell_states(self) -> Array:
        """c of every step of an LSTM, (L·D, T, B, H), unbatched (L·D, T, H), of a step cell (B, H) or (H,).

        Time-major whatever the layout of x, in host memory wherever x is; zero at steps that are not live. Raises
        RuntimeError after `backward`.
        """
        if "c" not in self._engine.net.states:
            raise AttributeError(f"a {self._engine.net.name} has no cell states")
        return self._activations()["c"]

    def gates(self) -> dict[str, Array]:
        """Every gate after its activation, by name: i f g o, r z n, or an RNN's h; as `cell_states`."""
        values = self._activations()
        return {name: values[name] for name in self._engine.net.gates}

    @property
    def live(self) -> Array:
        """Steps that are live, (T, B) bool, time-major whatever the layout of x; an axis that x lacks counts 1.

        Raises RuntimeError after `backward`.
        """
        call = self._recorded()
        return live_steps(self._prepared.steps, self._prepared.batch, call.lengths, call.mask)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a tape can be neither copied nor pickled: it refers to the live parameters and to x")

    def _activations(self) -> dict[str, Array]:
        call, layout = self._recorded(), self._prepared.layout
        found = self._prepared.bound.activations(call.reserve)
        return {name: layout.activations(values) for name, values in found.items()}

    def _recorded(self) -> Call:
        try:
            return self._held[0]
        except IndexError:
            self._refuse()

    def _spend(self) -> Any:
        """Return the reserve, which with `keep` serves again, else is to be used up."""
        if self._keep:
            return self._recorded().reserve
        try:
            reserve = self._held.pop().reserve
        except IndexError:
            self._refuse()
        self._way = self._prepared.bound.ran(reserve)
        return reserve

    @staticmethod
    def _refuse() -> NoReturn:
        raise RuntimeError("this tape has served its backward: record again, or record with keep=True") from None
