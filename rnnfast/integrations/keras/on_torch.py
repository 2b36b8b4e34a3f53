"""A layer's steps on Keras's PyTorch backend: one call, as PyTorch's own layers are served by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rnnfast.calls.prepared import INFERENCE, RECORDED
from rnnfast.integrations.keras.recurrence import parameters, recurrence
from rnnfast.integrations.torch import operators, traced
from rnnfast.integrations.torch.call import Call, dense
from rnnfast.integrations.torch.calls import runner_of
from rnnfast.integrations.torch.forms import DTYPES
from rnnfast.integrations.torch.records import NOT_RAGGED
from rnnfast.integrations.torch.schemas import Options
from rnnfast.net.description import Net

Results = tuple[Tensor, Tensor, list[Tensor]]
"""The last output (B, H), all of them (B, T, H), the states, each (B, H)."""


class Run:
    """Calls of one layer. Gradients flow to x, the states and Keras's weights.

    >>> from types import SimpleNamespace as Some
    >>> w, u = (Some(value=torch.ones(rows, 4), shape=(rows, 4)) for rows in (3, 4))
    >>> x, cell = torch.ones(2, 5, 3), Some(kernel=w, recurrent_kernel=u, use_bias=False)
    >>> Run().takes(cell, x, [torch.zeros(2, 4)], None), Run().takes(cell, x.half(), [torch.zeros(2, 4)], None)
    (True, False)
    """

    def takes(self, cell: Any, x: Any, states: Sequence[Any], mask: Any) -> bool:
        """Return whether these are tensors of one dtype on the CPU, of a step at least, and a mask (B, T).

        Weights, too: methods of PyTorch's modules, which Keras's layers are, change them behind Keras's back.
        """
        variables = _variables(cell)
        tensors = x, *states, *[variable.value for variable in variables]
        if not all(isinstance(part, Tensor) and part.is_cpu and part.dtype == x.dtype for part in tensors):
            return False
        if any(variable.value.shape != variable.shape for variable in variables):
            return False
        if mask is not None and not (isinstance(mask, Tensor) and mask.is_cpu and mask.shape == x.shape[:2]):
            return False
        return x.dtype in DTYPES and x.dim() == 3 and x.shape[1] > 0 and not torch._C._are_functorch_transforms_active()

    def __call__(self, net: Net, cell: Any, x: Tensor, states: Sequence[Tensor], mask: Any, backwards: bool) -> Results:
        """Run all steps of x (B, T, I); `backwards`: the last first, outputs in the order in which they are made."""
        if backwards:
            x, mask = x.flip(1), None if mask is None else mask.flip(1)
        flags = None if mask is None else mask.to(torch.bool)
        state = [part.unsqueeze(0) for part in states]
        weights = [variable.value for variable in _variables(cell)]
        y, *final = _call(net, x, state, weights, flags)
        after = [part.squeeze(0) for part in final]
        # Without a mask the last output is h, whose gradient needs no zeros for all other steps.
        return after[0] if flags is None else y[:, -1], y, after


def _variables(cell: Any) -> list[Any]:
    """Return Keras's kernel, recurrent kernel and, if there is one, bias."""
    return [cell.kernel, cell.recurrent_kernel, *([cell.bias] if cell.use_bias else ())]


def _call(
    net: Net, x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor], mask: Tensor | None
) -> Sequence[Tensor]:
    """Return y and the final states, by the operator where a compiler or a mode is to see it, else by a shorter way."""
    if torch.compiler.is_compiling() or traced.is_seen():
        options = Options(net.cell, net.hidden_size, 1, net.bias, False, net.masked_output, 0.0, 0.0, 0.0, 0)
        made = parameters(net.cell, weights)
        y, final = operators.call(options, x, state, made, (None, mask, None), batch_first=True)
        return [y, *final]
    x, tensors = dense(x), [*map(dense, state)]
    recorded = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *tensors, *weights))
    form = runner_of(net, torch.get_num_threads()).form(RECORDED if recorded else INFERENCE, x.shape)
    ragged = NOT_RAGGED if mask is None else form.ragged(None, mask, None)
    call = Call(form, recorded, len(state), ragged)
    if recorded:
        return recurrence((call, net.cell), x, *tensors, *weights)
    y, states, _ = call.run(x, [*tensors, *parameters(net.cell, weights)])
    return [y, *states]
