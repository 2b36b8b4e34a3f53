"""A module's call on tensors as its user makes it: read, run here, and given back as its class gives results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence

from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.forms import PLAIN
from rnnfast.integrations.torch.function import NO_TRANSFORMS, dense, recur
from rnnfast.integrations.torch.layers import Module
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.packed import Packing

_transforms_are_active = torch._C._are_functorch_transforms_active
_unpacked: Any = forward_ad.unpack_dual
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
    runner, parameters, addresses = layer.read(module)
    if runner is None:
        return NotImplemented
    x, packing = input, None
    if type(x) not in PLAIN or not runner.takes(x):
        runner, packing, x = _second_look(runner, x)
        if x is None:
            return NotImplemented
    state: Any = ()
    if hx is not None:
        state = _state(runner, hx, x.shape if packing is None else (packing.steps, packing.batch, x.shape[-1]))
        if state is None:
            return NotImplemented
    if _transforms_are_active() or (forward_ad._current_level >= 0 and _is_dual(x, *state, *parameters)):
        raise RuntimeError(NO_TRANSFORMS)
    if x.stride(-1) != 1 or x.is_neg():
        x = dense(x)
    drops_out = runner.drops_out and module.training
    results = recur(runner, x, state, parameters, addresses, drops_out, ragged, packing, cut)
    after = results[1:] if runner.engine.two_states else results[1]
    if runner.net.one_step:
        return after
    return (results[0] if packing is None else packing.sequence(results[0])), after


def _second_look(runner: Runner, x: Any) -> tuple[Runner, Packing | None, Any]:
    """Return what runs an input that is no plain x of the net, how its rows are packed, and x; None: nothing does."""
    if type(x) is PackedSequence:
        runner = runner.time_major()
        packing = _packing(runner, x)
        return runner, packing, None if packing is None else x.data
    x = _cast(runner, x)
    return runner, None, x if type(x) in PLAIN and runner.takes(x) else None


def _cast(runner: Runner, tensor: Any) -> Any:
    """Return a tensor as autocast wants it for float32 layers, itself where that has no say."""
    if isinstance(tensor, Tensor) and tensor.dtype in _HALVES and torch.is_autocast_enabled("cpu"):
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
    if not runner.engine.two_states:
        hx = (hx,)
    elif type(hx) is not tuple and type(hx) is not list:
        return None
    if not runner.takes_state(hx, shape):
        hx = [_cast(runner, part) for part in hx]
        if not runner.takes_state(hx, shape):
            return None
    return [*map(dense, hx)]


def _is_dual(*tensors: Tensor) -> bool:
    """Whether forward-mode differentiation follows any of these."""
    return any(_unpacked(tensor).tangent is not None for tensor in tensors)
