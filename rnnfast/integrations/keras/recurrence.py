"""A layer's call as PyTorch's autograd sees it: one function of Keras's own weights, arranged within."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, is_grad_enabled

from rnnfast.integrations.torch.call import Call
from rnnfast.integrations.torch.function import Once, Recurrence


class OfKeras(torch.autograd.Function):
    """y and the final states from x, the states before it, and a cell's kernel, recurrent kernel and, if any, bias."""

    @staticmethod
    def forward(ctx: Any, how: tuple[Call, str], x: Tensor, *tensors: Tensor) -> Any:
        """Run, and keep what `backward` needs. `how`: the call, and its cell as in `CELLS`."""
        (call, ctx.cell), states = how, how[0].states
        ctx.weights = tensors[states:]
        return Recurrence.forward(ctx, call, x, *tensors[:states], *parameters(ctx.cell, ctx.weights))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Return the gradients of what needs them, from those of y and of the final states, None for none."""
        if is_grad_enabled():
            with torch.no_grad():
                found = OfKeras.backward(ctx, *gradients)
            return _once(len(found), *found, *gradients, *ctx.saved_tensors, *ctx.weights)
        end, weights = len(ctx.needs_input_grad) - len(ctx.weights), ctx.weights
        found = Recurrence.backward(ctx, *gradients)
        made = _gradients(ctx.cell, found[end:], weights) if found[end] is not None else found[end : end + len(weights)]
        return *found[:end], *made

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse."""
        Recurrence.jvp(ctx, *tangents)


# Without the look for torch.func's transforms that `apply` begins with, which `takes` has had.
recurrence: Callable[..., tuple[Tensor, ...]] = super(torch.autograd.Function, OfKeras).apply
OfKeras._backward_cls.apply = OfKeras.backward  # type: ignore[attr-defined]  # without a look for a `vjp`
_once: Callable[..., tuple[Tensor, ...]] = Once.apply  # type: ignore[assignment]


def parameters(cell: str, weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the parameters of a net of ours, made of Keras's kernel, recurrent kernel and, if there is one, bias."""
    kernel, recurrent, *biases = weights
    made = [_rows(cell, kernel.t()), _rows(cell, recurrent.t())]
    for bias in biases:
        parts = bias if bias.dim() == 2 else (bias, torch.zeros_like(bias))
        made += [_rows(cell, part) for part in parts]
    return made


def _gradients(cell: str, made: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of Keras's weights, made of those of `parameters`."""
    kernel, recurrent, *biases = [_rows(cell, gradient) for gradient in made]
    found = [kernel.t(), recurrent.t()]
    for bias in weights[2:]:
        found.append(torch.stack(biases) if bias.dim() == 2 else biases[0])
    return found


def _rows(cell: str, array: Tensor) -> Tensor:
    """Return an array (G·H, ...) dense and by gates in the other's order: Keras's GRU has z r h."""
    if not cell.startswith("gru"):
        return array.contiguous()
    z, r, h = array.chunk(3)
    return torch.cat((r, z, h))
