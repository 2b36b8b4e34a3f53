"""A call as PyTorch's autograd sees it: one function, whose gradients are made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, is_grad_enabled

from rnnfast.calls.prepared import INFERENCE, RECORDED, TRAINING
from rnnfast.integrations.torch.calls import NOT_RAGGED, Ragged, Results, Runner, Wanted
from rnnfast.integrations.torch.cut import CutCall
from rnnfast.integrations.torch.packed import Packing

_is_kept = torch._C._autograd._get_current_graph_task_keep_graph
"""Whether the backward in progress is one with retain_graph=True."""
_is_mapped, _is_batched = torch._C._functorch.is_batchedtensor, torch._C._functorch.is_legacy_batchedtensor
_new = tuple.__new__
NO_TRANSFORMS = (
    "rnnfast runs this layer, which torch.func's transforms (vmap, grad, jvp), forward-mode differentiation and "
    "batched gradients (is_grads_batched, vectorize) cannot see into: call "
    "rnnfast.integrations.torch.restore(model) before them"
)


FROZEN = (
    "rnnfast.integrations.torch.freeze made this layer one for inference, without gradients and dropout: call it under "
    "torch.inference_mode() and after model.eval(), or undo it by restore(model)"
)


class Way(NamedTuple):
    """How a call runs."""

    runner: Runner | CutCall
    how: int
    seed: int
    ragged: Ragged
    packing: Packing | None
    """Where the rows of packed data, which x and y then are, stand in a batch."""
    addresses: Sequence[int] | None
    """Of the parameters, where they are known."""


def recur(
    runner: Runner,
    x: Tensor,
    state: Sequence[Tensor],
    parameters: Sequence[Tensor],
    addresses: Sequence[int] | None = None,
    drops_out: bool = False,
    ragged: tuple[Any, Any, Any] | None = None,
    packing: Packing | None = None,
    cut: tuple[Any, Any] | None = None,
) -> tuple[Tensor, ...]:
    """Return y and the final states of a call, tensors that autograd follows where one given needs a gradient.

    Arguments as `Runner.forward` takes them, `ragged`: lengths, mask and resets as a caller passes them, `cut`: memory
    and truncate where steps are cut. Raises RuntimeError where a frozen net is to do more than inference.
    """
    recorded = is_grad_enabled() and (x.requires_grad or _need_gradients(parameters) or _need_gradients(state))
    how = TRAINING if drops_out else RECORDED if recorded else INFERENCE
    seed = int(drawn_seed()) if drops_out else 0
    given = NOT_RAGGED if ragged is None else runner.ragged(how, x.shape, *ragged)
    if packing is not None:
        given = Ragged(packing.lengths, None, None)
    if how != INFERENCE and runner.is_frozen:
        raise RuntimeError(FROZEN)
    chosen: Any = runner
    if recorded and cut is not None:
        chosen = CutCall(runner, *cut, ragged if packing is None else given)
    way = _new(Way, (chosen, how, seed, given, packing, addresses))
    if recorded:
        h, c = (*state, None, None)[:2] if state else (None, None)
        return _recurrence(way, x, h, c, *parameters)
    y, final, _ = _run(way, x if packing is None else packing.laid_out(plain(x)), state, parameters)
    return y, *final


class Recurrence(torch.autograd.Function):
    """y and the final states of a net's call from x, the states before it, None for zeros, and the parameters."""

    @staticmethod
    def forward(ctx: Any, way: Way, x: Tensor, h: Tensor | None, c: Tensor | None, *parameters: Tensor) -> Any:
        """Run, and keep what `backward` needs; autograd does not look inside."""
        seen = x if way.packing is None else way.packing.laid_out(plain(x))
        y, final, reserve = _run(way, seen, _given(h, c), parameters)
        ctx.way = way
        ctx.save_for_backward(reserve, seen, h, c, *parameters)
        ctx.set_materialize_grads(False)
        return y, *final

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        """Return the gradients of what needs them, from those of y and of the final states, None for none."""
        reserve, *inputs = ctx.saved_tensors
        if not is_grad_enabled():
            return _gradients(ctx, reserve, inputs, gradients)
        with torch.no_grad():
            found = _gradients(ctx, reserve, inputs, gradients)
        return _once(len(found), *found, *gradients, *inputs)

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
        raise RuntimeError(
            "rnnfast runs this layer, whose gradients cannot be differentiated again: call "
            "rnnfast.integrations.torch.restore(model) where second derivatives are needed"
        )


# Without the look for torch.func's transforms that `apply` begins with and `served` had: a tenth of what a call costs.
_recurrence: Callable[..., tuple[Tensor, ...]] = super(torch.autograd.Function, Recurrence).apply
_once: Callable[..., tuple[Tensor, ...]] = Once.apply


def _run(way: Way, x: Tensor, state: Sequence[Tensor], parameters: Sequence[Tensor]) -> Results:
    """Run on x (T, B, I) or what the net's layout has of it."""
    runner, how, seed, ragged, packing, addresses = way
    results = runner.forward(x, state, parameters, how, seed, ragged, addresses)
    return results if packing is None else results._replace(y=packing.packed(results.y))


def _gradients(
    ctx: Any, reserve: Tensor, inputs: Sequence[Any], gradients: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Return the gradients of all arguments of `Recurrence.forward`."""
    runner, how, seed, ragged, packing, addresses = ctx.way
    x, h, c, *parameters = inputs
    _, for_x, for_h, for_c, *for_parameters = ctx.needs_input_grad
    wanted = _new(Wanted, (for_x, for_h or for_c, True in for_parameters))
    refuse_batches_of(gradients)
    state, (dy, *d_state) = _given(h, c), [None if g is None else dense(g) for g in gradients]
    if packing is not None and dy is not None:
        dy = packing.laid_out(dy)
    arguments = x, state, parameters, dy, d_state, how, seed, ragged, wanted, _is_kept(), addresses
    dx, d_start, d_parameters = runner.backward(reserve, *arguments)
    if packing is not None and dx is not None:
        dx = packing.packed(dx)
    dh, dc = (*d_start, None, None)[:2]
    return None, dx, dh, dc, *(d_parameters or [None] * len(parameters))


def refuse_batches_of(gradients: Sequence[Tensor | None]) -> None:
    """Raise RuntimeError where vmap, or its predecessor that autograd still uses, calls for many gradients at once."""
    for gradient in gradients:
        if gradient is not None and (_is_mapped(gradient) or _is_batched(gradient)):
            raise RuntimeError(NO_TRANSFORMS)


def _need_gradients(tensors: Sequence[Tensor]) -> bool:
    return any(tensor.requires_grad for tensor in tensors)


def _given(h: Tensor | None, c: Tensor | None) -> tuple[Tensor, ...]:
    """Return the states that there are."""
    return tuple([part for part in (h, c) if part is not None])


def plain(tensor: Tensor) -> Tensor:
    """Return a tensor as one that needs no gradient."""
    return tensor.detach() if tensor.requires_grad else tensor


def dense(tensor: Tensor) -> Tensor:
    """Return a tensor whose memory holds its numbers without gaps, as they are and not to be negated by who reads."""
    return tensor.resolve_neg().contiguous()


def drawn_seed() -> Tensor:
    """Return the seed of a call's dropout masks, () int64, from PyTorch's generator in a way that can be traced."""
    return torch.randint(2**63 - 1, (), device="cpu")
