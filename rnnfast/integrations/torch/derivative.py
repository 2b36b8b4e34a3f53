"""The derivative of the operator `forward`, for eager code as for what traces it, and refusals of other transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from rnnfast.integrations.torch.around import NO_TRANSFORMS, refuse_transforms
from rnnfast.integrations.torch.call import refuse_gradient
from rnnfast.integrations.torch.function import Once
from rnnfast.integrations.torch.schemas import Inputs, Options, library, taken_apart

BEFORE = len(Inputs._fields)
"""Arguments of `Recorded` before the parameters: the options, and all other inputs."""


class Recorded(torch.autograd.Function):
    """`forward` with a way back: `record`, and then `backward`."""

    @staticmethod
    def forward(ctx: Any, options: Options, *tensors: Any) -> Any:
        """Run on x, h0, c0, lengths, mask, resets, seed and the parameters, and keep them."""
        x, h0, c0, lengths, mask, resets, seed, *parameters = tensors
        inputs = x, parameters, h0, c0, lengths, mask, resets, seed
        *results, reserve = torch.ops.rnnfast.record.default(*inputs, *options)
        ctx.options = options
        ctx.save_for_backward(reserve, *tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[result for result in results if result.dim() == 1])  # a c_n that is none
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Return the gradients of what needs them; one parameter's need has those of all computed.

        None of all where the results have none.
        """
        for gradient in gradients:
            refuse_gradient(gradient)
        if all(gradient is None for gradient in gradients):
            return (None,) * len(ctx.needs_input_grad)
        reserve, x, h0, c0, lengths, mask, resets, seed, *parameters = ctx.saved_tensors
        for_inputs, for_parameters = ctx.needs_input_grad[1:4], ctx.needs_input_grad[BEFORE:]
        inputs = x, parameters, h0, c0, lengths, mask, resets, seed
        needed = [*for_inputs, any(for_parameters)]
        found = torch.ops.rnnfast.backward.default(*gradients, reserve, needed, *inputs, *ctx.options)
        if torch.is_grad_enabled():
            found = _once(len(found), *found, *gradients, x, h0, c0, *parameters)
        left = iter(found)
        first = [next(left) if need else None for need in for_inputs]
        rest = [gradient if need else None for gradient, need in zip(left, for_parameters, strict=False)]
        return None, *first, None, None, None, None, *(rest or [None] * len(parameters))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse."""
        raise RuntimeError(NO_TRANSFORMS)


# Their types are not known to PyTorch.
_recorded: Callable[..., tuple[Tensor, ...]] = Recorded.apply  # type: ignore[assignment]
_once: Callable[..., tuple[Tensor, ...]] = Once.apply  # type: ignore[assignment]


def differentiable(*arguments: Any) -> tuple[Tensor, ...]:
    """Run `record` where a derivative may be asked for, else `infer`. Raises RuntimeError under torch.func."""
    refuse_transforms()
    (x, parameters, *rest), options = taken_apart(arguments)
    tensors = x, *rest, *parameters
    recorded = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
    if recorded or forward_ad._current_level >= 0:
        return _recorded(options, *tensors)
    results: tuple[Tensor, ...] = torch.ops.rnnfast.infer.default(*arguments)
    return results


def mapped(info: Any, in_dims: Any, *arguments: Any) -> Any:
    """Refuse."""
    raise RuntimeError(NO_TRANSFORMS)


library.impl("forward", differentiable, "Autograd")
torch.library.register_vmap("rnnfast::forward", mapped, lib=library)
torch.library.register_autocast("rnnfast::forward", "cpu", torch.float32, lib=library)
