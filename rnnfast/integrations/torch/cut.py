"""One recorded call whose steps are cut, to save memory or to end the gradient's flow, over a net's own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, from_numpy

from rnnfast.backends.choose import select
from rnnfast.calls.backward import backward
from rnnfast.calls.forward import Call, record
from rnnfast.calls.prepared import TRAINING, Engine
from rnnfast.integrations.torch.calls import ALL, NOT_RAGGED, Ragged, Results, Runner, Wanted
from rnnfast.integrations.torch.team import team
from rnnfast.net.parameters import Parameters


class CutCall:
    """What runs one call, with the methods of `Runner` that a call has, and keeps what backward needs by itself.

    `memory` and `truncate` as `rnnfast.LSTM.record` takes them; `ragged`: lengths, mask and resets as its caller does.
    """

    def __init__(self, runner: Runner, memory: Any, truncate: Any, ragged: tuple[Any, Any, Any] | None) -> None:
        self.net, self._threads = runner.net, runner.num_threads
        self._memory, self._truncate, self._ragged = memory, truncate, ragged or (None, None, None)
        self._recorded: list[tuple[Engine, Call]] = []

    def forward(
        self,
        x: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        how: int,
        seed: int = 0,
        ragged: Ragged = NOT_RAGGED,
        addresses: Sequence[int] | None = None,
    ) -> Results:
        """Run and record. Raises as `rnnfast.LSTM.record` where memory or truncate is out of range."""
        arrays = [parameter.detach().numpy() for parameter in parameters]
        named = Parameters(dict(zip(self.net.shapes, arrays, strict=True)), self.net)
        engine = Engine(self.net, named, select("c"), num_threads=self._threads, team=team())
        inputs = x.detach().numpy(), _joined([part.detach().numpy() for part in state]), *self._ragged
        y, final, call = record(engine, inputs, how == TRAINING, seed, self._memory, self._truncate)
        self._recorded = [(engine, call)]
        states = final if isinstance(final, tuple) else (final,)
        return Results(from_numpy(y), (*map(from_numpy, states),), torch.empty(0, dtype=torch.uint8, device="cpu"))

    def backward(
        self,
        reserve: Tensor,
        x: Tensor,
        state: Sequence[Tensor],
        parameters: Sequence[Tensor],
        dy: Tensor | None,
        d_state: Sequence[Tensor | None],
        how: int,
        seed: int = 0,
        ragged: Ragged = NOT_RAGGED,
        wanted: Wanted = ALL,
        keep: bool = False,
        addresses: Sequence[int] | None = None,
    ) -> tuple[Tensor | None, list[Tensor], list[Tensor] | None]:
        """Return the gradients as `Runner.backward`."""
        engine, call = self._recorded[0]
        if not keep:
            self._recorded = []
        d_final = _joined([None if part is None else part.detach().numpy() for part in d_state])
        dy_array = None if dy is None else dy.detach().numpy()
        grads = backward(engine, call, lambda: call.reserve, dy_array, d_final, wanted.x, None, False, False, keep)
        dx = None if grads.x is None else from_numpy(grads.x)
        d_start = [*map(from_numpy, grads.states)] if wanted.state else []
        return dx, d_start, [*map(from_numpy, grads.params.values())] if wanted.parameters else None


def _joined(parts: list[Any]) -> Any:
    """Return states as callers of nets pass them."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else tuple(parts)
