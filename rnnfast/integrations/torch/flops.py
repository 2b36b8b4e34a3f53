"""Operations of the operators, for PyTorch's FlopCounterMode: those of matrix products, two a multiply-add.

As PyTorch counts its own layers, those that run as products, and as if every step of every row were live.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from rnnfast.integrations.torch.schemas import taken_apart

COUNTER = "torch.utils.flop_counter"


def forward(*arguments: Any, out_shape: Any = None) -> int:
    """Return the operations of a forward: each matrix of parameters by every row of every step. Takes shapes."""
    inputs: Any = taken_apart(arguments)[0]
    return sum(2 * _rows(inputs.x) * math.prod(shape) for shape in _matrices(inputs.parameters))


def backward(
    dy: Any, dh_n: Any, dc_n: Any, reserve: Any, needed: Sequence[bool], *arguments: Any, out_shape: Any = None
) -> int:
    """Return the operations of gradients of the parameters, if needed, of states step by step, and of layers' inputs.

    Those of the last step alone are left out that lead to a given state, and of the first layer's input, if not needed.
    """
    inputs: Any
    inputs, options = taken_apart(arguments)
    need_x, need_h, need_c, need_parameters = needed
    rows, kinds = _rows(inputs.x), 3 if options.proj_size else 2
    first = kinds * (1 + options.bidirectional)
    found = forward(*arguments) if need_parameters else 0
    for n, shape in enumerate(_matrices(inputs.parameters)):
        leading = rows
        if n % kinds == 1 and not (need_h or need_c):
            leading -= inputs.x[1]
        if n % kinds != 0 or n >= first or need_x:
            found += 2 * leading * math.prod(shape)
    return found


def tell(counter: Any) -> None:
    """Have PyTorch's module of that name, `COUNTER`, count."""
    ops = torch.ops.rnnfast
    counter.register_flop_formula([ops.forward, ops.infer, ops.record])(forward)
    counter.register_flop_formula(ops.backward)(backward)


def _rows(x: Sequence[int]) -> int:
    """Return the number of rows of all steps of an x of this shape."""
    return x[0] * x[1]


def _matrices(parameters: Sequence[Any]) -> list[Sequence[int]]:
    """Return the shapes of weights, for every layer and direction weight_ih, weight_hh and, of some nets, weight_hr."""
    return [shape for shape in parameters if len(shape) == 2]
