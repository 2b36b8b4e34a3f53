"""A call as tracers see it, `torch.compile` and `torch.export`: plain code around one operator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnfast.integrations.torch import derivative, fake, kernels  # noqa: F401
from rnnfast.integrations.torch.schemas import Inputs, Options

SEEDS = 2**63 - 1
"""Seeds lie below it."""


def call(
    options: Options,
    x: Tensor,
    state: Sequence[Tensor | None],
    parameters: Sequence[Tensor],
    lengths: Tensor | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    *,
    one_step: bool = False,
    batch_first: bool = False,
    train: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return y and the final states, (h,) or (h, c), with the axes that x and the states came with.

    x and states with or without a batch axis, without a time axis if `one_step`; `state` is (h,) or (h, c), or () for
    zeros. `train`: drop out, if the net does. Sizes and dtypes were checked.
    """
    alone = x.dim() == 2 - one_step
    if alone:
        x, state = x.unsqueeze(-2), [None if part is None else part.unsqueeze(-2) for part in state]
        lengths = None if lengths is None else lengths.reshape(1)
        mask, resets = [None if flags is None else flags.unsqueeze(-1) for flags in (mask, resets)]
    if one_step:
        x, state = x.unsqueeze(0), [None if part is None else part.unsqueeze(0) for part in state]
    if batch_first and not alone:
        x = x.transpose(0, 1)
        mask, resets = [None if flags is None else flags.transpose(0, 1) for flags in (mask, resets)]
    h0, c0 = (*state, None, None)[:2]
    drops = train and max(options.dropout, options.input_dropout, options.recurrent_dropout) > 0
    seed = torch.randint(SEEDS, ()) if drops else None
    inputs = x, list(parameters), h0, c0, lengths, mask, resets, seed
    y, h_n, c_n = torch.ops.rnnfast.forward(*inputs, *options)
    final = [h_n] if c_n.dim() == 1 else [h_n, c_n]
    if batch_first and not alone:
        y = y.transpose(0, 1)
    if one_step:
        y, final = y.squeeze(0), [part.squeeze(0) for part in final]
    if alone:
        y, final = y.squeeze(-2), [part.squeeze(-2) for part in final]
    return y, tuple(final)
