"""The operators by which traced code calls rnnfast, `torch.ops.rnnfast`: what they take and give.

None of them changes an argument or gives one back, and all random numbers come in as `seed`: whatever traces, reorders
or repeats calls may do so with these.

- `forward`: y and the final states. Differentiable: runs as `record` where gradients may be asked for, else as `infer`.
- `infer`: the same, by no way that autograd looks at, which saves most of what a call costs.
- `record`: the same, and what `backward` needs of it.
- `backward`: gradients, those that are needed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

INPUTS = (
    "Tensor x, Tensor[] parameters, Tensor? h0, Tensor? c0, Tensor? lengths, Tensor? mask, Tensor? resets, Tensor? seed"
)
OPTIONS = (
    "str cell, int hidden_size, int num_layers, bool bias, bool bidirectional, str masked_output, float dropout, "
    "float input_dropout, float recurrent_dropout, int proj_size"
)
STATES = "Tensor y, Tensor h_n, Tensor c_n"
TAGS = (torch.Tag.pt2_compliant_tag,)

_made: Any = torch.library.Library  # whose types PyTorch does not tell
library: Any = _made("rnnfast", "DEF")
library.define(f"forward({INPUTS}, {OPTIONS}) -> ({STATES})", tags=TAGS)
library.define(f"infer({INPUTS}, {OPTIONS}) -> ({STATES})", tags=TAGS)
library.define(f"record({INPUTS}, {OPTIONS}) -> ({STATES}, Tensor reserve)", tags=TAGS)
library.define(
    f"backward(Tensor? dy, Tensor? dh_n, Tensor? dc_n, Tensor reserve, bool[] needed, {INPUTS}, {OPTIONS}) -> Tensor[]",
    tags=TAGS,
)


class Inputs(NamedTuple):
    """Tensors of a call: those of `INPUTS`. Sequences are time-major, (T, B, ·), their T and B strides free."""

    x: Tensor
    parameters: list[Tensor]
    """For every layer and direction weight_ih, weight_hh and, of nets that have them, bias_ih, bias_hh, weight_hr."""
    h0: Tensor | None
    """(L·D, B, S); None: zeros. So is c0 (L·D, B, H)."""
    c0: Tensor | None
    lengths: Tensor | None
    """(B,) integers."""
    mask: Tensor | None
    """(T, B) bool or uint8; so is `resets`."""
    resets: Tensor | None
    seed: Tensor | None
    """() int64, that dropout is drawn from; None: no dropout, whatever the options say."""


class Options(NamedTuple):
    """Options of a call, `OPTIONS`: names and values as in `rnnfast.net.description.Net`."""

    cell: str
    hidden_size: int
    num_layers: int
    bias: bool
    bidirectional: bool
    masked_output: str
    dropout: float
    input_dropout: float
    recurrent_dropout: float
    proj_size: int


def taken_apart(arguments: tuple[Any, ...]) -> tuple[Inputs, Options]:
    """Return the arguments of `forward` as what they are."""
    count = len(Inputs._fields)
    return Inputs(*arguments[:count]), Options(*arguments[count:])
