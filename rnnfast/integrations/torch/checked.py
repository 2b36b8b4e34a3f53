"""Checks of the operators' arguments, for whoever traces a call as for whoever runs it."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from rnnfast.checks.values import one_of
from rnnfast.integrations.torch.forms import DTYPES
from rnnfast.integrations.torch.schemas import Inputs, Options
from rnnfast.net.description import Net
from rnnfast.problem import CELLS

NAMES = {"lstm": "LSTM", "lstm_proj": "LSTM", "gru": "GRU", "gru_before": "GRU"}
"""Of classes, as messages have them, by cell."""
FLAGS = torch.bool, torch.uint8
"""Dtypes of mask and resets."""


@functools.lru_cache(maxsize=256)
def net_of(options: Options, input_size: int, dtype: torch.dtype) -> Net:
    """Return the description of a net. Raises ValueError for an option out of range, TypeError for another dtype."""
    if dtype not in DTYPES:
        raise TypeError(f"x has dtype {dtype}, expected torch.float32 or torch.float64: convert it with x.to(...)")
    one_of("cell", options.cell, tuple(CELLS))
    given = options._asdict()
    cell, hidden_size = given.pop("cell"), given.pop("hidden_size")
    return Net(NAMES.get(cell, "RNN"), cell, input_size, hidden_size, dtype=DTYPES[dtype], **given)


def check(inputs: Inputs, options: Options) -> Net:
    """Return the net of a call. Raises ValueError for a size, TypeError for a dtype that is not that of the others."""
    x, parameters = inputs.x, inputs.parameters
    if x.dim() != 3:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (T, B, I)")
    net = net_of(options, int(parameters[0].shape[-1]) if parameters else 1, x.dtype)
    if len(parameters) != len(net.shapes):
        raise ValueError(
            f"{len(parameters)} parameters were given, expected {len(net.shapes)}: {', '.join(net.shapes)}"
        )
    for parameter, (name, shape) in zip(parameters, net.shapes.items(), strict=True):
        check_tensor(name, parameter, shape, x.dtype)
    steps, batch, features = x.shape
    if features != net.input_size:
        raise ValueError(f"x has {features} features, weight_ih_l0 is for {net.input_size}")
    for name, shape in zip(("h0", "c0"), state_shapes(net, batch), strict=False):
        if (state := getattr(inputs, name)) is not None:
            check_tensor(name, state, shape, x.dtype)
    if inputs.c0 is not None and len(net.states) == 1:
        raise ValueError(f"c0 was given, but the state of cell {net.cell!r} is h alone: pass None")
    check_seed(inputs.seed)
    for name, shape in (("lengths", (batch,)), ("mask", (steps, batch)), ("resets", (steps, batch))):
        if (ragged := getattr(inputs, name)) is not None:
            check_tensor(name, ragged, shape)
            if name != "lengths" and ragged.dtype not in FLAGS:
                raise TypeError(f"{name} has dtype {ragged.dtype}, expected torch.bool or torch.uint8")
    return net


def check_gradients(net: Net, x: Tensor, dy: Tensor | None, dh_n: Tensor | None, dc_n: Tensor | None) -> None:
    """Raise ValueError or TypeError for gradients that are not of the form of what they are the gradients of."""
    steps, batch, _ = x.shape
    shapes = (steps, batch, net.output_size), *state_shapes(net, batch), (0,)  # the last for a c_n that is none
    for (name, gradient), shape in zip({"dy": dy, "dh_n": dh_n, "dc_n": dc_n}.items(), shapes, strict=False):
        if gradient is not None:
            check_tensor(name, gradient, shape, x.dtype)


def check_reserve(reserve: Tensor) -> None:
    """Raise TypeError or ValueError for what is no reserve of `record`."""
    if reserve.dtype != torch.uint8:
        raise TypeError(f"reserve has dtype {reserve.dtype}, expected torch.uint8: pass what record gave")
    if reserve.dim() != 1:
        raise ValueError(f"reserve has shape {tuple(reserve.shape)}, expected (n,): pass what record gave")


def check_seed(seed: Tensor | None) -> None:
    """Raise TypeError or ValueError for a seed that is not () int64."""
    if seed is not None:
        check_tensor("seed", seed, ())
        if seed.dtype != torch.int64:
            raise TypeError(f"seed has dtype {seed.dtype}, expected torch.int64")


def state_shapes(net: Net, batch: int) -> list[tuple[int, ...]]:
    """Return the shapes of h and, of cells that have it, of c."""
    return [(net.num_layers * net.num_directions, batch, size) for size in net.state_sizes]


def check_tensor(name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> None:
    """Raise ValueError for a tensor of another shape, TypeError for one of another dtype than x has."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")
    if dtype is not None and tensor.dtype != dtype:
        raise TypeError(f"{name} has dtype {tensor.dtype}, expected that of x, {dtype}")
