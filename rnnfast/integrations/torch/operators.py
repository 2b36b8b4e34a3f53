"""The operators in use: one call of a net with the axes that its caller's tensors have, as code that can be traced."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rnnfast.integrations.torch import derivative, fake, kernels  # noqa: F401  (what the operators are)
from rnnfast.integrations.torch.call import drawn_seed
from rnnfast.integrations.torch.schemas import Options


def call(
    options: Options,
    x: Tensor,
    state: Sequence[Tensor | None],
    parameters: Sequence[Tensor],
    ragged: Sequence[Tensor | None] = (None, None, None),
    *,
    one_step: bool = False,
    batch_first: bool = False,
    train: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Return y and the final states, [h] or [h, c], with the axes that x and the states came with.

    x and states with or without a batch axis, without a time axis if `one_step`; `state` is (h,) or (h, c), or () for
    zeros; `ragged`: lengths, mask and resets. `train`: drop out, if the net does. Raises ValueError for a size,
    TypeError for a dtype that does not go with the others.

    >>> options = Options("gru", 4, 1, False, False, "zero", 0.0, 0.0, 0.0, 0)
    >>> y, (h,) = call(options, torch.ones(2, 5, 3), (), [torch.ones(12, 3), torch.ones(12, 4)], batch_first=True)
    >>> y.shape, h.shape
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]))
    """
    alone = x.dim() == 2 - one_step
    swapped = batch_first and not alone
    lengths, mask, resets = ragged
    if alone:
        x, state = x.unsqueeze(-2), [None if part is None else part.unsqueeze(-2) for part in state]
        lengths = None if lengths is None else lengths.reshape(1)
        mask, resets = [None if flags is None else flags.unsqueeze(-1) for flags in (mask, resets)]
    if one_step:
        x, state = x.unsqueeze(0), [None if part is None else part.unsqueeze(0) for part in state]
    if swapped:
        x = x.transpose(0, 1)
        mask, resets = [None if flags is None else flags.transpose(0, 1) for flags in (mask, resets)]
    h0, c0 = (*state, None, None)[:2]
    drops = train and (options.dropout > 0 or options.input_dropout > 0 or options.recurrent_dropout > 0)
    inputs = x, list(parameters), h0, c0, lengths, mask, resets, drawn_seed() if drops else None
    y, h_n, c_n = torch.ops.rnnfast.forward.default(*inputs, *options)
    final = [h_n] if c_n.dim() == 1 else [h_n, c_n]
    if swapped:
        y = y.transpose(0, 1)
    if one_step:
        y, final = y.squeeze(0), [part.squeeze(0) for part in final]
    if alone:
        y, final = y.squeeze(-2), [part.squeeze(-2) for part in final]
    return y, final
