"""A call as PyTorch's autograd sees it: one function, whose gradients are made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, is_grad_enabled

from rnnfast.backends.c.memory import Reserve
from rnnfast.integrations.torch.around import NO_TRANSFORMS, is_saving_seen
from rnnfast.integrations.torch.call import NOT_TWICE, Call, plain
from rnnfast.integrations.torch.memory import reserve_of, tensor_of

_is_kept = torch._C._autograd._get_current_graph_task_keep_graph
"""Whether the backward in progress is one with retain_graph=True."""


class Recurrence(torch.autograd.Function):
    """y and the final states of a net's call from x, the states before it that are given, and the parameters."""

    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, *tensors: Tensor) -> Any:
        """Run, and keep what `backward` needs; autograd does not look inside."""
        if call.packing is not None:
            x = call.packing.laid_out(plain(x))
        y, final, reserve = call.run(x, tensors)
        if not is_saving_seen() or type(reserve) is not Reserve:
            ctx.kept = call, reserve
            ctx.save_for_backward(x, *tensors)
        else:  # whoever asks for what is saved gets all of it
            ctx.kept = call, None
            ctx.save_for_backward(x, *tensors, tensor_of(reserve))
        ctx.set_materialize_grads(False)
        return y, *final

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Return the gradients of what needs them, from those of y and of the final states, None for none."""
        some = [gradient for gradient in gradients if gradient is not None]
        if not some:
            return (None,) * len(ctx.needs_input_grad)
        if is_grad_enabled():
            with torch.no_grad():
                found = Recurrence.backward(ctx, *gradients)
            return _once(len(found), *found, *gradients, *ctx.saved_tensors)
        tensors: Any = ctx.saved_tensors
        (call, reserve), keep, needed = ctx.kept, _is_kept(), ctx.needs_input_grad
        if reserve is None:
            *tensors, kept = tensors
            reserve, _kept = reserve_of(kept, call.seed, call.ragged)
        check, packing, end = call.checks.get(len(some)), call.packing, 1 + call.states
        if check is None or not check(*tensors, *some):
            gradients = call.checked(reserve, tensors, gradients)
        if len(some) == 1 and gradients[0] is not None:
            gradients = gradients[:1]
        if packing is not None and gradients[0] is not None:
            gradients = packing.laid_out(gradients[0]), *gradients[1:]
        wanted = needed[1], True in needed[2 : 1 + end], True in needed[1 + end :]
        saved = call.saved(reserve, tensors)
        dx, d_start, d_parameters = call.form.backward(saved, gradients, wanted, keep)
        if packing is not None and dx is not None:
            dx = packing.packed(dx)
        if not keep and ctx.kept[1] is not None:
            ctx.kept = None
        return None, dx, *(d_start or call.states * [None]), *(d_parameters or len(saved.parameters) * [None])

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse."""
        raise RuntimeError(NO_TRANSFORMS)


class Once(torch.autograd.Function):
    """Gradients that have no gradients themselves: they lead to the error that says so."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor | None) -> Any:
        """Return the first `count` tensors, which come from all those behind them."""
        return tensors[:count]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Refuse."""
        raise RuntimeError(NOT_TWICE)


# Without the look for torch.func's transforms that `apply` begins with and `served` had: a tenth of what a call costs.
recurrence: Callable[..., tuple[Tensor, ...]] = super(torch.autograd.Function, Recurrence).apply
Recurrence._backward_cls.apply = Recurrence.backward  # type: ignore[attr-defined]  # without a look for a `vjp`
_once: Callable[..., tuple[Tensor, ...]] = Once.apply
