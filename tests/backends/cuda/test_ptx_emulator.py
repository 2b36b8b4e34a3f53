"""The emulator of inline PTX: the names of a device, fragments as the PTX ISA has them, what goes wrong found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

import numba.cuda
from cuda_emulator import Deadlock
from ptx_emulator import PtxEmulator

from rnnfast.backends.cuda.ptx import operations
from rnnfast.problem import Array

u32, u64, f32 = np.uint32, np.uint64, np.float32
BARRIER = 64
"""Where a block's barrier lies, after four slots of four words."""


def test_it_has_every_operation_of_a_device() -> None:
    emulated = PtxEmulator().operations
    assert [name for name in vars(operations(numba.cuda)) if not hasattr(emulated, name)] == []


def product_kernel(ops: Any, depth: int) -> Any:
    """c (16, 8) = a (16, depth) b (depth, 8), depth 16 in float16 or 8 in TF32, loaded as the PTX ISA says."""
    mma, pack, bits = (ops.mma_f16 if depth == 16 else ops.mma_tf32), ops.pack, ops.bits
    thread, load, store = ops.thread, ops.load_constant, ops.store

    def kernel(a: Any, b: Any, c: Any) -> None:
        g, q = int(thread()) // 4, int(thread()) % 4

        def number(at: Any, row: int, column: int, width: int) -> Any:
            return load(at + u64(4 * (row * width + column)))

        if depth == 16:
            columns = (2 * q, 2 * q + 8)
            left = [pack(*(number(a, g + r, k + i, 16) for i in range(2))) for k in columns for r in (0, 8)]
            right = [pack(number(b, k, g, 8), number(b, k + 1, g, 8)) for k in columns]
        else:
            left = [bits(number(a, g + r, k, 8)) for k in (q, q + 4) for r in (0, 8)]
            right = [bits(number(b, k, g, 8)) for k in (q, q + 4)]
        sums = mma(f32(0), f32(0), f32(0), f32(0), *left, *right)
        for i in range(4):
            store(c + u64(4 * ((g + i // 2 * 8) * 8 + 2 * q + i % 2)), sums[i])

    return kernel


@pytest.mark.parametrize("depth", [16, 8])
def test_products_of_fragments_are_those_of_matrices(depth: int) -> None:
    rng, emulator = np.random.default_rng(0), PtxEmulator()
    a, b = (rng.integers(-9, 9, shape).astype(np.float32) for shape in ((16, depth), (depth, 8)))
    c = np.full((16, 8), np.nan, np.float32)
    place = emulator.place
    kernel = product_kernel(emulator.operations, depth)
    emulator.launch(kernel, 1, 32, place(a), place(b), place(c, writable=True))
    assert np.array_equal(c, a @ b)


def ring_kernel(ops: Any, blocks: int, expected: int) -> Any:
    """Four words go from each block of a cluster to the next, three times; y (blocks, 4) receives what came last."""
    base_of, thread, block, send4, in_peer = ops.dynamic_shared, ops.thread, ops.block, ops.send4, ops.in_peer
    init, fence, expect, is_over = ops.barrier_init, ops.barrier_init_fence, ops.expect, ops.is_over
    words_of, store_words, store = ops.load_shared_words4, ops.store_shared_words4, ops.store_word
    sync_block, sync_cluster = ops.sync_block, ops.sync_cluster

    def kernel(y: Any) -> None:
        base, me, rank = base_of(), thread(), block() % u32(blocks)
        barrier, to = base + u32(BARRIER), in_peer(base, (rank + u32(1)) % u32(blocks))
        if me == 0:
            init(barrier, u32(1))
            fence()
            store_words(base, rank, rank, rank, rank)
        sync_cluster()
        for turn in range(3):
            slot, after = u32(16 * turn), u32(16 * (turn + 1))
            if me == 32:
                a, b, c, d = words_of(base + slot)
                send4(to + after, to + u32(BARRIER), a + u32(1), b, c, d)
            if me == 0:
                expect(barrier, u32(expected))
            while is_over(barrier, u32(turn & 1)) == 0:
                pass
            sync_block()
        if me < 4:
            store(y + u64((block() * u32(4) + me) * u32(4)), words_of(base + u32(48))[int(me)])
        sync_cluster()

    return kernel


def ring(emulator: PtxEmulator, expected: int = 16) -> Array:
    """What arrives in two clusters of three blocks."""
    y = np.full((6, 4), 99, np.uint32)
    kernel = ring_kernel(emulator.operations, 3, expected)
    emulator.launch(kernel, 6, 64, emulator.place(y, writable=True), cluster=3, shared=72)
    return y


@pytest.mark.parametrize("order", [None, 0, 1, 2])
def test_messages_go_round(order: int | None) -> None:
    y = ring(PtxEmulator(order))
    assert np.array_equal(y, np.array([[3, 0, 0, 0], [4, 1, 1, 1], [5, 2, 2, 2]] * 2))


@pytest.mark.parametrize("clusters", [0, 1])
def test_a_kernel_that_uses_its_cluster_must_be_launched_in_one(clusters: int) -> None:
    emulator = PtxEmulator()
    kernel, y = ring_kernel(emulator.operations, 1, 16), np.zeros((1, 4), np.uint32)
    arguments = kernel, 1, 64, emulator.place(y, writable=True)
    if clusters:
        emulator.launch(*arguments, cluster=clusters, shared=72)
    else:
        with pytest.raises(RuntimeError, match="not launched in clusters"):
            emulator.launch(*arguments, cluster=clusters, shared=72)


def test_what_is_left_out_is_found() -> None:
    """Each barrier, arrival and message, by wrong results, an access that is refused, or threads that wait for ever."""
    emulator = PtxEmulator()
    right = ring(emulator)
    for site in sorted(emulator.sites):
        wrong = 0
        for emulator.order in (None, *range(8)):
            emulator.without = site
            try:
                wrong += not np.array_equal(ring(emulator), right)
            except (Deadlock, IndexError, AssertionError):
                wrong += 1
        assert wrong, f"nothing went wrong without {site}"


@pytest.mark.parametrize("expected", [12, 32])
def test_a_wrong_number_of_bytes_is_a_deadlock_that_says_who_waits(expected: int) -> None:
    with pytest.raises(
        Deadlock, match=r"64 of block 5 at test_ptx_emulator\.py:\d+ for a barrier in phase 0"
    ) as caught:
        ring(PtxEmulator(), expected)
    assert f"{expected - 16} bytes" in str(caught.value)


def stray_kernel(ops: Any, offset: int) -> Any:
    def kernel(a: Any, b: Any) -> None:
        ops.store(b + u64(offset), ops.load_constant(a + u64(offset)))

    return kernel


@pytest.mark.parametrize(("offset", "said"), [(16, "in no array"), (2, "no multiple")])
def test_accesses_out_of_bounds_are_refused(offset: int, said: str) -> None:
    emulator, a = PtxEmulator(), np.zeros(4, np.float32)
    with pytest.raises(IndexError, match=said):
        emulator.launch(stray_kernel(emulator.operations, offset), 1, 32, emulator.place(a), emulator.place(a))
