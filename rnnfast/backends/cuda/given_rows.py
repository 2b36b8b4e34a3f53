"""Rows of a call that are not all live: their lengths, mask and resets, as they travel to the device."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from rnnfast.backends.common.layers import live_steps
from rnnfast.backends.cuda.counted import Counted, Numbers, counted
from rnnfast.problem import Array

FEW = 64
"""Lengths that Python adds sooner than NumPy does."""


class Addresses(NamedTuple):
    """Where on the device each part of what was brought begins; 0: it is not there."""

    lengths: int
    mask: int
    resets: int
    zeros: int


class GivenRows:
    """Lengths (B,), mask and resets (T, B) of a call; None: not given.

    Nothing is made of them on the host but what launches depend on, how many steps are live. Flags travel as bits, an
    eighth of what the caller has: the driver copies up to 64 KB at once, but may wait for the stream to copy more.
    """

    def __init__(
        self, shape: tuple[int, int], lengths: Array | None, mask: Array | None, resets: Array | None, zeros: int = 0
    ) -> None:
        """`shape`: T and B. `zeros`: int32 numbers that kernels want to be zeros, and that travel with the rest."""
        self.shape, self._zeros = shape, zeros
        self.has = lengths is not None, mask is not None, resets is not None
        """Whether there are lengths, a mask, resets."""
        self._lengths = None if lengths is None else lengths.astype(np.int32)
        self._mask = None if mask is None else np.packbits(mask, bitorder="little")
        cuts = None if resets is None else np.packbits(resets, bitorder="little")
        parts = [b"" if part is None else part.tobytes() for part in (self._lengths, self._mask, cuts)]
        parts.insert(1, bytes(4 * zeros))
        self.together = b"".join(parts)
        """What is brought, a copy: lengths as int32, zeros, a bit for each t B + b of mask and of resets."""
        self.numbers: Numbers = [_count(shape, self._lengths, mask)]
        """How many steps of all rows are live, and what else launches follow from."""

    @functools.cached_property
    def count(self) -> Counted:
        """How many steps of all rows are live, as launches take it."""
        return counted(self.numbers, most=self.shape[0] * self.shape[1])

    def at(self, to: int) -> Addresses:
        """Return where everything lies once it was brought to an address."""
        (steps, batch), (has_lengths, has_mask, has_resets) = self.shape, self.has
        zeros = to + (4 * batch if has_lengths else 0)
        mask = zeros + 4 * self._zeros
        resets = mask + (-(-steps * batch // 8) if has_mask else 0)
        return Addresses(
            to if has_lengths else 0, mask if has_mask else 0, resets if has_resets else 0, zeros if self._zeros else 0
        )

    @functools.cached_property
    def live(self) -> Array:
        """(T, B) bool: which steps are live. It follows from what was brought, as the caller's arrays may change."""
        steps, batch = self.shape
        mask: Array | None = self._mask
        if mask is not None:
            mask = np.unpackbits(mask, count=steps * batch, bitorder="little").reshape(steps, batch).view(bool)
        return live_steps(steps, batch, self._lengths, mask)

    def count_live_rows(self) -> Array:
        """Return how many rows are live at each step, (T,)."""
        steps, batch = self.shape
        if self._mask is not None:
            return np.add.reduce(self.live, axis=1, dtype=np.int64)  # type: ignore[no-any-return]
        if self._lengths is None:
            return np.full(steps, batch)
        found: Array = batch - np.bincount(self._lengths, minlength=steps + 1).cumsum()[:steps]
        return found


def _count(shape: tuple[int, int], lengths: Array | None, mask: Array | None) -> int:
    if mask is None:
        if lengths is None:
            return shape[0] * shape[1]
        return sum(lengths.tolist()) if len(lengths) <= FEW else int(np.add.reduce(lengths))
    return int(np.count_nonzero(mask if lengths is None else live_steps(*shape, lengths, mask)))
