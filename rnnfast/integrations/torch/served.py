"""A module's call on tensors as its user makes it: read, run here, and given back as its class gives results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence

from rnnfast.calls.prepared import INFERENCE, RECORDED, TRAINING
from rnnfast.integrations.torch.around import NO_TRANSFORMS
from rnnfast.integrations.torch.call import Call, dense, plain
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.cut import CutCall
from rnnfast.integrations.torch.forms import PLAIN
from rnnfast.integrations.torch.function import recurrence
from rnnfast.integrations.torch.layers import Module
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.packed import Packing
from rnnfast.integrations.torch.records import NOT_RAGGED, Ragged

_transforms_are_active = torch._C._are_functorch_transforms_active
_unpacked: Any = forward_ad.unpack_dual
FROZEN = (
    "rnnfast.integrations.torch.freeze made this layer one for inference, without gradients and dropout: call it under "
    "torch.inference_mode() and after model.eval(), or undo it by restore(model)"
)
_HALVES = torch.bfloat16, torch.float16


def served(
    layer: Layer,
    module: Module,
    input: Any,
    hx: Any,
    ragged: tuple[Any, Any, Any] | None = None,
    cut: tuple[Any, Any] | None = None,
) -> Any:
    """Return what the module's class would, or NotImplemented where its own code must run, to serve or to refuse.

    `ragged`: lengths, mask and resets, None where there is none of them; `cut`: memory and truncate where steps are
    cut. Raises RuntimeError under torch.func's transforms and in forward-mode differentiation.
    """
    alone = ragged is None and cut is None
    if alone and (found := layer.again(module, input, hx)) is not None:
        return found
    runner, parameters = layer.read(module)
    if runner is None:
        return NotImplemented
    x, packing = input, None
    if type(x) not in PLAIN or not runner.takes(x):
        runner, packing, x = _second_look(runner, x, 1 if ragged is None else 0)
        if x is None:
            return NotImplemented
    state: Any = ()
    if hx is not None:
        state = _state(runner, hx, x.shape if packing is None else (packing.steps, packing.batch, x.shape[-1]))
        if state is None:
            return NotImplemented
        state = state if packing is None else packing.from_caller(state)
    if _transforms_are_active() or (forward_ad._current_level >= 0 and _is_dual(x, *state, *parameters)):
        raise RuntimeError(NO_TRANSFORMS)
    if x.stride(-1) != 1 or x.is_neg():
        x = dense(x)
    tensors = *state, *parameters
    recorded = torch.is_grad_enabled() and (x.requires_grad or any(tensor.requires_grad for tensor in tensors))
    how = TRAINING if runner.drops_out and module.training else RECORDED if recorded else INFERENCE
    if how != INFERENCE and runner.is_frozen:
        raise RuntimeError(FROZEN)
    if runner.declines(how, cut=cut is not None) is not None:
        return NotImplemented
    call = _call(runner, how, recorded, x, len(state), ragged, packing, cut)
    if alone and packing is None and x is input:
        layer.remember(module, x, hx, (x, *tensors), call)
        if (found := layer.again(module, input, hx)) is not None:
            return found
    if recorded:
        y, *final = recurrence(call, x, *tensors)
    else:
        y, final, _ = call.run(x if packing is None else packing.laid_out(plain(x)), tensors)
    return runner.as_given((y, *final) if packing is None else (packing.sequence(y), *packing.to_caller(final)))


def _call(
    runner: Runner, how: int, recorded: bool, x: Tensor, states: int, ragged: Any, packing: Packing | None, cut: Any
) -> Call:
    """Return how tensors that were looked at are run."""
    shape = x.shape if packing is None else torch.Size((packing.steps, packing.batch, x.shape[-1]))
    form = runner.form(how, shape)
    given = NOT_RAGGED if ragged is None else form.ragged(*ragged)
    if packing is not None:
        given = Ragged(packing.lengths, None, None)
    if recorded and cut is not None:
        return Call(CutCall(runner, how, cut, ragged if packing is None else given), True, states, given, packing)
    return Call(form, recorded, states, given, packing)


def _second_look(runner: Runner, x: Any, least: int) -> tuple[Runner, Packing | None, Any]:
    """Return what runs an input that is no plain x of the net, how its rows are packed, and x; None: nothing does.

    `least`: the fewest steps of one that is not packed.
    """
    if type(x) is PackedSequence:
        runner = runner.time_major()
        packing = _packing(runner, x)
        return runner, packing, None if packing is None else x.data
    x = cast(runner, x)
    return runner, None, x if type(x) in PLAIN and runner.takes(x, least) else None


def cast(runner: Runner, tensor: Any) -> Any:
    """Return a tensor as autocast wants it for float32 layers, itself where that has no say."""
    if isinstance(tensor, Tensor) and tensor.dtype in _HALVES and tensor.is_cpu and torch.is_autocast_enabled("cpu"):
        return tensor.to(runner.dtype) if runner.dtype is torch.float32 else tensor
    return tensor


def _packing(runner: Runner, packed: PackedSequence) -> Packing | None:
    """Return how a packed sequence is laid out, None where its data are none for this net."""
    data, sizes = packed.data, packed.batch_sizes
    if (
        type(data) not in PLAIN
        or data.dim() != 2
        or not runner.takes(data[:, None])
        or sizes.numel() == 0
        or data.shape[0] != int(sizes.sum())
    ):
        return None
    return Packing(packed)


def _state(runner: Runner, hx: Any, shape: tuple[int, ...]) -> Sequence[Tensor] | None:
    """Return the states of a caller, dense, for x of this shape; None where they are none for this net."""
    if not runner.two_states:
        hx = (hx,)
    elif type(hx) is not tuple and type(hx) is not list:
        return None
    shapes = runner.form(INFERENCE, torch.Size(shape)).prepared.state_shapes
    if not runner.takes_state(hx, shapes):
        hx = [cast(runner, part) for part in hx]
        if not runner.takes_state(hx, shapes):
            return None
    return [*map(dense, hx)]


def _is_dual(*tensors: Tensor) -> bool:
    """Return whether forward-mode differentiation follows any of these."""
    return any(_unpacked(tensor).tangent is not None for tensor in tensors)
