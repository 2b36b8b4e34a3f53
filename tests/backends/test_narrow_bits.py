"""Equal bits of nets with weights in bfloat16 and int8: in any batch and cut, on every instruction set, on threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from narrow_nets import EVERY_KIND, ROUNDS, TYPES, VARIANTS, I, distance, net, normal

import rnnfast


def unrounded(frozen: Any, most: int) -> int:
    """The largest batch of at most so many rows whose rows are not rounded."""
    return max(batch for batch in range(1, most + 1) if ROUNDS not in frozen.ran_on(batch))


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("sizes", [(3, 5), (1, 16), (40, 40), (17, 130), (300, 64)])
def test_bits_are_the_same_however_a_sequence_is_cut(kind: str, weights: str, sizes: tuple[int, int]) -> None:
    if kind == "projected" and sizes[1] < 20:
        pytest.skip("h is projected to 19 numbers")
    frozen = net(kind, *sizes, backend="c", num_layers=2).freeze(weights=weights)
    batch = unrounded(frozen, 15)
    x = normal(8, batch, sizes[0])
    x[::3, ::4, 0] *= 1000  # rows that int8 widens weights for, beside others
    y, _ = frozen(x)
    for rows in (slice(0, 1), slice(1, 3), slice(batch // 4, batch - 2)):
        np.testing.assert_array_equal(frozen(x[:, rows])[0], y[:, rows])
        stream = frozen.stream(batch=len(range(batch)[rows]))
        np.testing.assert_array_equal(np.stack([stream.step(one) for one in x[:, rows]]), y[:, rows])
    stream = frozen.stream(batch=batch)
    np.testing.assert_array_equal(np.concatenate([stream.run(x[:3]), stream.run(x[3:])]), y)


@EVERY_KIND
@TYPES
def test_instruction_sets_agree(kind: str, weights: str) -> None:
    """Of bfloat16 on every bit. Sums of int8 are exact where the processor has them."""
    x = normal(9, 3, I)
    found = {name: net(kind, backend=name).freeze(weights=weights)(x)[0] for name in VARIANTS if name != "c:scalar"}
    first, *others = found.values()
    for other in others:
        assert distance(other, first.astype("float64")) < 1e-6
        if weights == "bfloat16":
            np.testing.assert_array_equal(other, first)
    if "c:scalar" in VARIANTS:
        plain = net(kind, backend="c:scalar").freeze(weights=weights)(x)[0]
        assert distance(plain, first.astype("float64")) < 1e-6


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("variant", VARIANTS)
def test_many_rows_have_the_bits_of_few(kind: str, weights: str, variant: str) -> None:
    """More rows than pass by widened weights at once, fewer and fewer of which are live."""
    frozen = net(kind, 37, 70, backend=variant, num_layers=2, bidirectional=True).freeze(weights=weights)
    if ROUNDS in frozen.ran_on(300):
        pytest.skip("many rows are rounded, few are not")
    x, lengths = normal(5, 300, 37), np.arange(300) * 7 % 6
    found = frozen(x, lengths=lengths)[0]
    for rows in (slice(0, 1), slice(40, 43), slice(290, 300), slice(100, 131)):
        np.testing.assert_array_equal(found[:, rows], frozen(x[:, rows], lengths=lengths[rows])[0])


@TYPES
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(weights: str, threads: int) -> None:
    frozen, x = net("lstm", 64, 256, backend="c").freeze(weights=weights), normal(20, 40, 64)
    before = rnnfast.get_num_threads()
    try:
        rnnfast.set_num_threads(1)
        alone = frozen(x)[0]
        rnnfast.set_num_threads(threads)
        np.testing.assert_array_equal(frozen(x)[0], alone)
        if ROUNDS not in frozen.ran_on(40):
            np.testing.assert_array_equal(frozen(x[:, :1])[0], alone[:, :1])
    finally:
        rnnfast.set_num_threads(before)


@EVERY_KIND
def test_a_batch_whose_rows_are_rounded(kind: str) -> None:
    """Bits are those of a batch as large, however its steps are cut and whichever of its rows are live."""
    frozen = net(kind, 40, 70, backend="c", num_layers=2).freeze(weights="bfloat16")
    if ROUNDS not in frozen.ran_on(17):
        pytest.skip("no products of bfloat16 on this processor")
    few = unrounded(frozen, 17)
    assert few in (3, 15)
    x = normal(8, 17, 40)
    y, _ = frozen(x)
    stream = frozen.stream(batch=17)
    np.testing.assert_array_equal(np.concatenate([stream.run(x[:3]), stream.run(x[3:])]), y)
    lengths = np.arange(17) % 9
    ragged = frozen(x, lengths=lengths)[0]
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(ragged[:length, row], y[:length, row])
    truth = frozen(x[:, :few])[0]
    assert 0 < distance(y[:, :few], truth.astype("float64")) < 4e-3


@EVERY_KIND
@pytest.mark.parametrize("sizes", [(7, 20), (1, 3), (19, 33)])
def test_steps_round_rows_where_calls_do(kind: str, sizes: tuple[int, int]) -> None:
    """Small layers have a way of their own for steps of up to 15 rows, which rounds none."""
    if kind == "projected" and sizes[1] < 20:
        pytest.skip("h is projected to 19 numbers")
    frozen = net(kind, *sizes, backend="c").freeze(weights="bfloat16")
    few = unrounded(frozen, 17)
    for batch in {few, few + 1, 15, 16}:
        x = normal(5, batch, sizes[0])
        stream = frozen.stream(batch=batch)
        np.testing.assert_array_equal(np.stack([stream.step(one) for one in x]), frozen(x)[0])
