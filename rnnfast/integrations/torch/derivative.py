"""The derivative of the operator `forward`, for eager code as for what traces it, and refusals of other transforms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from rnnfast.integrations.torch.schemas import Inputs, Options, library, taken_apart

ADVICE = "or call rnnfast.integrations.torch.restore(model)"
TWICE = f"rnnfast's recurrent layers have no second derivatives: leave out create_graph=True, {ADVICE}"
FORWARD_MODE = f"rnnfast's recurrent layers have no forward-mode derivatives: use backward, {ADVICE}"
VMAP = f"rnnfast's recurrent layers cannot be mapped by torch.vmap: give them what it maps over as a batch, {ADVICE}"
FUNC = f"rnnfast's operators have no torch.func transforms: use torch.autograd.grad, {ADVICE}"
BEFORE = len(Inputs._fields)
"""Arguments of `Recorded` before the parameters: options, and all other inputs."""


class Recorded(torch.autograd.Function):
    """`forward` with a way back: `record` there, `backward` back."""

    @staticmethod
    def forward(ctx: Any, options: Options, *tensors: Any) -> tuple[Tensor, ...]:
        """Run `record` on x, h0, c0, lengths, mask, resets, seed and the parameters, and keep them."""
        x, h0, c0, lengths, mask, resets, seed, *parameters = tensors
        outputs = torch.ops.rnnfast.record(x, parameters, h0, c0, lengths, mask, resets, seed, *options)
        *results, reserve = outputs
        ctx.options = options
        ctx.save_for_backward(reserve, *tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[result for result in results if result.dim() == 1])  # a c_n that is none
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Run `backward` for the gradients that are needed; a parameter's make those of all."""
        reserve, x, h0, c0, lengths, mask, resets, seed, *parameters = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        needed = [*wanted[1:4], any(wanted[BEFORE:])]
        inputs = x, parameters, h0, c0, lengths, mask, resets, seed
        found = torch.ops.rnnfast.backward(*gradients, reserve, needed, *inputs, *ctx.options)
        if torch.is_grad_enabled():
            found = Last.apply(len(found), *found, *(g for g in gradients if g is not None), x, h0, c0, *parameters)
        left = iter(found)
        first = [next(left) if need else None for need in needed[:3]]
        rest = [*left] or [None] * len(parameters)
        return None, *first, None, None, None, None, *[g if need else None for g, need in zip(rest, wanted[BEFORE:], strict=True)]

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Raise NotImplementedError."""
        raise NotImplementedError(FORWARD_MODE)


class Last(torch.autograd.Function):
    """Gradients as they are, and a refusal of theirs: unless asked for they would count as zeros."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        """Return the first `count` tensors; on the others they depend."""
        return tuple([tensor.view_as(tensor) for tensor in tensors[:count] if tensor is not None])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Raise RuntimeError."""
        raise RuntimeError(TWICE)


def differentiable(*arguments: Any) -> tuple[Tensor, ...]:
    """Run `forward`, or `record` where derivatives may be asked for."""
    if torch._C._are_functorch_transforms_active():
        raise NotImplementedError(FUNC)
    (x, parameters, *rest), options = taken_apart(arguments)
    tensors = x, *rest, *parameters
    wanted = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
    if wanted or forward_ad._current_level >= 0:
        results: tuple[Tensor, ...] = Recorded.apply(options, *tensors)
        return results
    with torch._C._AutoDispatchBelowAutograd():
        results = torch.ops.rnnfast.forward(*arguments)
    return results


def mapped(info: Any, in_dims: Any, *arguments: Any) -> Any:
    """Raise NotImplementedError."""
    raise NotImplementedError(VMAP)


library.impl("forward", differentiable, "Autograd")
torch.library.register_vmap("rnnfast::forward", mapped, lib=library)
torch.library.register_autocast("rnnfast::forward", "cpu", torch.float32, lib=library)
