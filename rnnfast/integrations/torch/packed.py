"""Packed sequences: rows of PyTorch's PackedSequence laid out as a batch with lengths, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnfast.integrations.torch import on_cuda
from rnnfast.problem import Array


class Packing:
    """Places of the rows of a PackedSequence in a batch (T, B, ·), in the caller's order, shortest to longest or not.

    On a device they are in the order of the packing, longest first: that of the caller is there, too, and to read it
    would be to wait. Steps beyond a row's length hold whatever the memory held: nobody reads them.

    >>> from torch.nn.utils.rnn import pack_sequence
    >>> packing = Packing(pack_sequence([torch.ones(1, 2), torch.ones(3, 2)], enforce_sorted=False))
    >>> packing.lengths.tolist(), packing.laid_out(torch.ones(4, 2)).shape
    ([1, 3], torch.Size([3, 2, 2]))
    """

    def __init__(self, packed: PackedSequence) -> None:
        by_length = on_cuda.is_there(packed.data)
        self._of, sizes, order = packed[1:], packed.batch_sizes.numpy(), None if by_length else packed.sorted_indices
        found: tuple[Tensor | None, Tensor | None] = packed[2:] if by_length else (None, None)
        self._sorting, self._unsorting = found
        self.steps, self.batch = len(sizes), int(sizes[0])
        self.lengths: Array | None = None
        """(B,); None: every row has all steps."""
        self.index: Tensor | None = None
        """For each row of the packed data its place among T·B; None: they lie in that order."""
        live, rows = np.arange(self.batch) < sizes[:, None], np.arange(self.batch)
        if order is not None:
            rows = order.numpy()
        if sizes[-1] < self.batch:
            self.lengths = np.empty(self.batch, np.int64)
            self.lengths[rows] = live.sum(axis=0)
        if sizes[-1] < self.batch or (self.batch > 1 and order is not None):
            steps, columns = np.nonzero(live)
            self.index = torch.from_numpy(steps * self.batch + rows[columns]).to(packed.data.device)

    def laid_out(self, data: Tensor) -> Tensor:
        """Return packed rows (N, ·) as (T, B, ·)."""
        if self.index is not None:
            room = data.new_empty(self.steps * self.batch, data.shape[1])
            data = room.index_copy_(0, self.index, data)
        return data.reshape(self.steps, self.batch, -1)

    def packed(self, sequence: Tensor) -> Tensor:
        """Return (T, B, ·) as packed rows (N, ·)."""
        flat = sequence.view(self.steps * self.batch, -1)
        return flat if self.index is None else flat.index_select(0, self.index)

    def from_caller(self, states: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return states (L·D, B, ·) with rows in the order of the batch."""
        return states if self._sorting is None else [state.index_select(1, self._sorting) for state in states]

    def to_caller(self, states: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return states of the batch with rows in the caller's order."""
        return states if self._unsorting is None else [state.index_select(1, self._unsorting) for state in states]

    def sequence(self, data: Tensor) -> PackedSequence:
        """Return other data packed likewise."""
        return PackedSequence(data, *self._of)
