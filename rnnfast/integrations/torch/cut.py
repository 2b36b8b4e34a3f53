"""One recorded call whose steps are cut, to save memory or to end the gradient's flow, over a net's own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, from_numpy

from rnnfast.backends.choose import select
from rnnfast.calls.backward import backward
from rnnfast.calls.forward import record
from rnnfast.calls.prepared import TRAINING, Engine
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.memory import sameness
from rnnfast.integrations.torch.records import NOT_RAGGED, Made, Results, Same, Saved, Wanted
from rnnfast.integrations.torch.team import team
from rnnfast.net.parameters import Parameters


class CutCall:
    """Runner of one call, with the methods of `Form` that a call has; its reserve is rnnfast's own recording.

    `cut`: memory and truncate as `rnnfast.LSTM.record` takes them, `ragged`: lengths, mask and resets.
    """

    def __init__(self, runner: Runner, how: int, cut: tuple[Any, Any], ragged: tuple[Any, Any, Any] | None) -> None:
        self.net, self.how, self._threads = runner.net, how, runner.num_threads
        (self._memory, self._truncate), self._ragged = cut, ragged or (None, None, None)

    def forward(self, x: Tensor, state: Any, parameters: Any, seed: int = 0, ragged: Any = NOT_RAGGED) -> Results:
        """Run and record. Raises as `rnnfast.LSTM.record` where memory or truncate is out of range."""
        named = Parameters(dict(zip(self.net.shapes, map(_array, parameters), strict=True)), self.net)
        engine = Engine(self.net, named, select("c"), num_threads=self._threads, team=team())
        given = _array(x), _joined(state), *self._ragged
        y, final, call = record(engine, given, self.how == TRAINING, seed, self._memory, self._truncate)
        states = final if isinstance(final, tuple) else (final,)
        return from_numpy(y), [*map(from_numpy, states)], (engine, call)

    def backward(self, saved: Saved, gradients: Any, wanted: Wanted, keep: bool) -> Made:
        """Return the gradients as `Form.backward`, of the inputs as they were recorded."""
        engine, call = saved.reserve
        dy, d_final = _array(gradients[0]), _joined(gradients[1:])
        grads = backward(engine, call, lambda: call.reserve, dy, d_final, wanted[0], None, False, False, keep)
        dx = None if grads.x is None else from_numpy(grads.x)
        d_start = [*map(from_numpy, grads.states)] if wanted[1] else []
        return dx, d_start, [*map(from_numpy, grads.params.values())] if wanted[2] else None

    def misfit(self, saved: Saved) -> None:
        """Say nothing against inputs, as the recording has its own."""

    def sameness(self, tensors: Sequence[Tensor], states: int) -> Same:
        """Return as `Form.sameness`."""
        return sameness(tensors)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().numpy()


def _joined(parts: Sequence[Any]) -> Any:
    """Return states, or their gradients, as callers of nets pass them."""
    arrays = [*map(_array, parts)]
    return None if not arrays else arrays[0] if len(arrays) == 1 else tuple(arrays)
