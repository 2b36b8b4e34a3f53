"""Shapes of what the operators give, for whoever traces them: no numbers are computed, and T and B may be symbols."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnnfast.backends.c.reserve_size import reserve_bytes
from rnnfast.integrations.torch.checked import check, check_gradients, check_reserve, state_shapes
from rnnfast.integrations.torch.schemas import library, taken_apart
from rnnfast.net.description import Net

_max: Any = torch.sym_max


def forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return y (T, B, D·S), h_n (L·D, B, S) and c_n (L·D, B, H), or (0,) where the cell has no c."""
    inputs, options = taken_apart(arguments)
    net, (steps, batch, _), new = check(inputs, options), inputs.x.shape, inputs.x.new_empty
    h_shape, c_shape = (*state_shapes(net, batch), (0,))[:2]
    return new((steps, batch, net.output_size)), new(h_shape), new(c_shape)


def record(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what `forward` gives, and the reserve."""
    inputs, options = taken_apart(arguments)
    steps, batch, _ = inputs.x.shape
    size = _max(1, reserve_of(check(inputs, options), steps, batch))
    return *forward(*arguments), inputs.x.new_empty(size, dtype=torch.uint8)


def backward(dy: Any, dh_n: Any, dc_n: Any, reserve: Tensor, needed: list[bool], *arguments: Any) -> list[Tensor]:
    """Return tensors shaped like x, h0, c0 and all parameters, in so far as these are `needed`."""
    inputs, options = taken_apart(arguments)
    net = check(inputs, options)
    check_gradients(net, inputs.x, dy, dh_n, dc_n)
    check_reserve(reserve)
    shapes = [inputs.x.shape, *state_shapes(net, inputs.x.shape[1])]
    wanted = [shape for shape, need in zip(shapes, needed, strict=False) if need]
    if needed[3]:
        wanted += net.shapes.values()
    return [inputs.x.new_empty(shape) for shape in wanted]


def reserve_of(net: Net, steps: int, batch: int) -> int:
    """Return the bytes of a call's reserve, for T and B that are symbols as well."""
    sizes = net.num_layers, net.num_directions, net.hidden_size, steps, batch
    return reserve_bytes(net.cell, net.dtype, *sizes, proj_size=net.proj_size, hold=net.masked_output == "hold")


KERNELS: dict[str, Any] = {"forward": forward, "infer": forward, "record": record, "backward": backward}
for name, kernel in KERNELS.items():
    torch.library.register_fake(f"rnnfast::{name}", kernel, lib=library)
