"""Products of resident blocks, run by the emulator: right for any share of the threads, the same bits alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import Emulator

from rnnfast.backends.cuda.block_products import holder, multiplier, parts_of
from rnnfast.backends.cuda.block_sums import room_of, taker
from rnnfast.backends.cuda.blocks import Block, Share, share_of
from rnnfast.problem import Array

BLOCKS = [Block(4, 16, 6, 4), Block(16, 16, 6, 4), Block(8, 16, 6, 4, ahead=1), Block(1, 16, 6, 4)]
"""Sums that several warps share, that no two threads do, and in between; two vectors ahead, and one."""


def products(
    block: Block, share: Share, pieces: list[tuple[int, int]], weight: Array, vectors: list[Array | None], masks: Array
) -> Array:
    """What a block makes of its weights (number, gate, unit) and vectors, of which None are zeros."""
    emulator, gates, real = Emulator(), share.gates, weight.dtype.type
    cuda, lengths = emulator.cuda, [end - begin for begin, end in pieces]
    offsets = np.cumsum([0, *lengths]).tolist()
    hold = holder(
        cuda, share, lambda size, piece, gate, unit, n: ((offsets[piece] + n) * gates + gate) * block.units + unit
    )
    masked = masks.size > 0
    multiply, take = multiplier(cuda, real, block, share, masked=masked), taker(cuda, block, share)
    places = np.array([0 if a is None else a.ctypes.data for a in vectors], np.uint64)
    factors = np.array([row.ctypes.data for row in masks], np.uint64)
    other, found = np.full(pieces[-1][1], np.nan, real), np.full((len(vectors), gates * block.units), np.nan, real)

    def kernel() -> None:
        weights = cuda.local.array(share.words, real)
        sums = cuda.shared.array(block.entries * room_of(block, share), real)
        hold(weights, weight.reshape(-1), block.units, lengths, 0)
        multiply(weights, places, factors, other.ctypes.data, pieces, sums, len(vectors))
        cuda.syncthreads()
        for i in range(cuda.threadIdx.x, len(vectors) * block.units, block.threads):
            take(sums, i // block.units, i % block.units)
        cuda.syncthreads()
        found.reshape(-1)[:] = sums[: found.size]

    emulator.run(kernel, 1, block.threads, 0)
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.units} units")
@pytest.mark.parametrize(("gates", "pieces"), [(4, [(0, 13)]), (3, [(2, 22)]), (1, [(0, 70), (75, 80)]), (2, [(0, 1)])])
@pytest.mark.parametrize("masked", [False, True])
def test_products_are_right_and_have_the_same_bits_alone(
    block: Block, gates: int, pieces: list[tuple[int, int]], masked: bool, rng: np.random.Generator
) -> None:
    numbers, length = sum(end - begin for begin, end in pieces), pieces[-1][1]
    share = share_of(block, gates, [end - begin for begin, end in pieces])
    weight = rng.normal(size=(numbers, gates, block.units)).astype(np.float32)
    rows = rng.normal(size=(5, length)).astype(np.float32)
    masks = rng.normal(size=rows.shape).astype(np.float32) if masked else np.empty((0, length), np.float32)
    vectors: list[Array | None] = [*rows[:2], None, *rows[3:]]
    found = products(block, share, pieces, weight, vectors, masks)
    seen = rows.astype(np.float64) * (masks if masked else 1)
    chosen = np.concatenate([seen[:, begin:end] for begin, end in pieces], axis=1)
    truth = chosen @ weight.reshape(numbers, -1).astype(np.float64)
    truth[2] = 0
    np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-5)
    for s in (1, 2, 3, 4):
        alone = products(block, share, pieces, weight, vectors[s : s + 1], masks[s : s + 1])
        np.testing.assert_array_equal(alone[0], found[s])


def test_threads_have_eight_sums_at_most_and_every_number_of_a_piece() -> None:
    block = Block(8, 256, 32)
    shares = [share_of(block, gates, pieces) for gates, pieces in ((4, [1024]), (3, [1000]), (1, [2048, 1024]))]
    assert [(share.sums, share.lanes, share.depths) for share in shares] == [
        (8, 64, (16,)),
        (6, 64, (16,)),
        (8, 256, (8, 4)),
    ]
    assert [part[2:] for part in parts_of(shares[2])] == [(0, 4), (4, 4), (8, 4)]
