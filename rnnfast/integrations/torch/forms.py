"""The forms of tensors that a net takes: parameters, x and states whose memory can be used as it is."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnfast.arrays.layout import Layout
from rnnfast.net.description import Net

DTYPES: dict[Any, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.float64: np.dtype(np.float64)}
TORCH_DTYPES = {dtype: key for key, dtype in DTYPES.items()}
PLAIN = Tensor, torch.nn.Parameter
"""Types of tensors whose memory is what it seems."""
STRIDED = torch.strided
"""Layout of tensors whose numbers lie where an address and strides say; sparse ones and oneDNN's have others."""
_address = Tensor.data_ptr


class Forms:
    """Shapes, dtypes and places in memory of the tensors that a net takes.

    >>> forms = Forms(Net("GRU", "gru", 3, 4))
    >>> forms.takes(torch.ones(5, 2, 3)), forms.takes(torch.ones(5, 2, 4))
    (True, False)
    """

    place = "the CPU"
    is_here: Any = staticmethod(attrgetter("is_cpu"))
    """Whether a tensor is there."""

    def __init__(self, net: Net) -> None:
        self.net, self.dtype = net, TORCH_DTYPES[net.dtype]
        self.two_states, self.one_step = len(net.states) > 1, net.one_step
        self.shapes = [*net.shapes.values()]
        """Of the parameters."""
        tables, count = len(net.layer_shapes(0)), len(self.shapes)
        self.order = [n for table in range(tables) for n in range(table, count, tables)]
        """Numbers of parameters as backends want them, table by table."""
        self._in_order = tables == count
        self._ranks = (1, 2) if net.one_step else (2, 3)
        several = net.dropout > 0 and net.num_layers > 1
        self.drops_out = several or net.input_dropout > 0 or net.recurrent_dropout > 0
        """Whether dropout does anything where a call asks for it."""

    def fits(self, parameters: Sequence[Tensor]) -> bool:
        """Return whether these are parameters of the net that lie dense in its place."""
        dtype, is_here = self.dtype, self.is_here
        for parameter, shape in zip(parameters, self.shapes, strict=True):
            if not (
                type(parameter) in PLAIN
                and is_here(parameter)
                and parameter.dtype is dtype
                and parameter.shape == shape
                and parameter.layout is STRIDED
                and parameter.is_contiguous()
                and not parameter.is_neg()
            ):
                return False
        return True

    def misfits(self, parameters: Sequence[Tensor]) -> str:
        """Return what is wrong with parameters that do not fit any more."""
        found = dict(zip(self.net.shapes, parameters, strict=True))
        forms = [f"{name} {tuple(p.shape)} {p.dtype} on {p.device}, strides {p.stride()}" for name, p in found.items()]
        return (
            f"data of another form were given to parameters since the forward, now {'; '.join(forms)}: expected "
            f"{self.net.shapes}, {self.dtype} without gaps, on {self.place}: call forward again"
        )

    def takes(self, x: Tensor, least: int = 1) -> bool:
        """Return whether this is an x of such a net, of so many steps at least, that lies in its place."""
        shape, net = x.shape, self.net
        return (
            x.dtype is self.dtype
            and self.is_here(x)
            and x.layout is STRIDED
            and len(shape) in self._ranks
            and shape[-1] == net.input_size
            and (net.one_step or shape[1 if net.batch_first and len(shape) == 3 else 0] >= least)
        )

    def takes_state(self, state: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]) -> bool:
        """Return whether these are all states of such a net, of these shapes, that lie in its place."""
        dtype, is_here = self.dtype, self.is_here
        if len(state) != len(shapes):
            return False
        for part, shape in zip(state, shapes, strict=True):
            if not (type(part) in PLAIN and part.dtype is dtype and is_here(part) and part.shape == shape):
                return False
            if part.layout is not STRIDED:
                return False
        return True

    def layout(self, x_shape: tuple[int, ...]) -> Layout:
        """Return how the axes of x are arranged. Raises ValueError for a wrong rank or number of features."""
        return self.net.layout(np.broadcast_to(np.zeros((), self.net.dtype), x_shape))

    def addresses(self, parameters: Sequence[Tensor]) -> Sequence[int]:
        """Return where parameters that fit lie, in the order that backends want."""
        addresses = [*map(_address, parameters)]
        return addresses if self._in_order else [addresses[n] for n in self.order]
