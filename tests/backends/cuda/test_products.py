"""Products with float32's accuracy on tensor cores, run by the emulator: right, in any layout, the same bits alone."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from gemm_emulator import ProductEmulator

from rnnfast.backends.cuda.gemm import products
from rnnfast.backends.cuda.gemm.products import (
    Biases,
    Matrix,
    Product,
    Rows,
    most_slices,
    of_inputs,
    of_weights,
    slices_for,
    to_inputs,
)
from rnnfast.backends.cuda.gemm.reduction import Gathered, Target
from rnnfast.problem import Array

LIMIT = 1e-6


def with_side(product: Product, side: int) -> Product:
    """The same product in tiles of another size."""
    return dataclasses.replace(product, constants=(*product.constants[:-1], side))


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def multiplied(a: Array, b: Array, product: Product, emulator: ProductEmulator | None = None) -> Array:
    """What a product makes of two dense matrices; every number of C is NaN before."""
    emulator = emulator or ProductEmulator()
    c = np.full((product.m, product.n), np.nan, np.float32)
    described = [Matrix(emulator.address(x, writable=x is c), x.shape[1]) for x in (a, b, c)]
    emulator.run(product, product.arguments(*described))
    return c


def error(found: Array, truth: Array) -> float:
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def wide(a: Array) -> Array:
    return a.astype(np.float64)


FORMS = of_inputs, to_inputs, of_weights


@pytest.mark.covering(1)
@pytest.mark.parametrize(("m", "n", "k"), [(40, 35, 70), (3, 1, 5), (33, 4, 36)])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_right(form: Any, m: int, n: int, k: int, rng: np.random.Generator) -> None:
    check(form, 32, m, n, k, rng)


@pytest.mark.parametrize(("side", "form"), [(64, of_inputs), (64, to_inputs), (64, of_weights), (128, to_inputs)])
def test_larger_tiles(side: int, form: Any, rng: np.random.Generator) -> None:
    check(form, side, side + 1 if side == 64 else side - 1, 6, 33, rng)


def check(form: Any, side: int, m: int, n: int, k: int, rng: np.random.Generator) -> None:
    x, w = normal(rng, m, k), normal(rng, n, k)
    left = np.ascontiguousarray(x.T) if form is of_weights else x
    right = w if form is of_inputs else np.ascontiguousarray(w.T)
    product = of_weights(m, n, k, 1) if form is of_weights else form(m, n, k)
    assert error(multiplied(left, right, with_side(product, side)), wide(x) @ wide(w).T) < LIMIT / 5


@pytest.mark.parametrize(
    ("x_scale", "w_scale"), [(1e-30, 1e3), (1e-33, 1e20), (1e19, 1e-33), (1e25, 1e-3), (3e38, 1e-9), (1e-20, 1e-18)]
)
def test_inputs_of_any_range(x_scale: float, w_scale: float, rng: np.random.Generator) -> None:
    x, w = normal(rng, 5, 36).clip(-1, 1) * np.float32(x_scale), normal(rng, 6, 36) * np.float32(w_scale)
    assert error(multiplied(x, w, of_inputs(5, 6, 36)), wide(x) @ wide(w).T) < LIMIT
    assert error(multiplied(x, np.ascontiguousarray(w.T), to_inputs(5, 6, 36)), wide(x) @ wide(w).T) < LIMIT


def test_every_row_has_its_own_range(rng: np.random.Generator) -> None:
    """Rows of sizes from 1e-30 to 1e15, and zeros: no row's error is measured by another's size."""
    x, w = normal(rng, 9, 40), normal(rng, 7, 40)
    x *= np.float32(10.0) ** np.arange(-30, 15, 5, dtype=np.float32)[:, None]
    w *= np.float32(10.0) ** np.arange(-9, 12, 3, dtype=np.float32)[:, None]
    x[4] = 0
    found, truth = multiplied(x, w, of_inputs(9, 7, 40)), wide(x) @ wide(w).T
    sizes = np.linalg.norm(wide(x), axis=1)[:, None] * np.linalg.norm(wide(w), axis=1)
    assert (abs(found - truth) <= LIMIT / 5 * sizes).all()
    assert not found[4].any()


@pytest.mark.parametrize("form", [of_inputs, to_inputs])
def test_infinities_and_nan_do_as_ieee_says(form: Any, rng: np.random.Generator) -> None:
    x, w = normal(rng, 6, 35), normal(rng, 5, 35)
    x[1, 3], x[2, 34], x[3, 0], x[4, :2] = np.inf, -np.inf, np.nan, (np.inf, -np.inf)
    w[2, 7] = np.inf
    with np.errstate(invalid="ignore"):
        truth = np.array([[np.sum(row * column) for column in wide(w)] for row in wide(x)])
    found = multiplied(x, w if form is of_inputs else np.ascontiguousarray(w.T), form(6, 5, 35))
    np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-5)
    assert np.isinf(truth).sum() > 9 and np.isnan(truth).sum() > 5


@pytest.mark.parametrize(("form", "sides"), [(of_inputs, (64, 32, 128)), (to_inputs, (32, 64))])
def test_a_row_has_the_same_bits_alone_and_in_any_tile(
    form: Any, sides: tuple[int, ...], rng: np.random.Generator
) -> None:
    x, w = normal(rng, 40, 35), normal(rng, 33, 35)
    w = w if form is of_inputs else np.ascontiguousarray(w.T)
    whole = multiplied(x, w, with_side(form(40, 33, 35), sides[0]))
    for side in sides[1:]:
        np.testing.assert_array_equal(multiplied(x[34:], w, with_side(form(6, 33, 35), side)), whole[34:])
    np.testing.assert_array_equal(multiplied(x[39:], w, form(1, 33, 35)), whole[39:])


def test_a_sequence_that_is_not_dense_and_live_rows_only(rng: np.random.Generator) -> None:
    """Batch first, backwards in time, 37 of a row's 41 numbers: the others, and dead steps, are NaN and stay so.

    There are live rows of three stages, which a sum over rows goes through.
    """
    steps, batch, features, gates, count = 18, 5, 37, 6, 75
    kept = np.full((batch, steps, 41), np.nan, np.float32)
    x = kept.transpose(1, 0, 2)[::-1, :, 2:39]
    live = rng.permutation(steps * batch)[:count].astype(np.int32)
    values, w = normal(rng, count, features), normal(rng, gates, features)
    for value, row in zip(values, live, strict=True):
        x[row // batch, row % batch] = value
    emulator = ProductEmulator()
    outer, inner = x.strides[0] // 4, x.strides[1] // 4
    y, dx = np.full((steps, batch, gates), np.nan, np.float32), np.full_like(kept, np.nan)
    to = dx.transpose(1, 0, 2)[::-1, :, 2:39]
    rows = Rows(batch, emulator.address(live))
    a, b = Matrix(emulator.address(kept, x), inner, outer), Matrix(emulator.address(w), features)
    c = Matrix(emulator.address(y, writable=True), gates, batch * gates)
    product = of_inputs(count, gates, features)
    emulator.run(product, product.arguments(a, b, c, rows))
    truth = np.full(y.shape, np.nan)
    truth.reshape(-1, gates)[live] = wide(values) @ wide(w).T
    np.testing.assert_allclose(y, truth, rtol=1e-4, atol=1e-5)

    dz = np.where(np.isnan(y), np.float32(np.nan), y)
    z = Matrix(emulator.address(dz), gates, batch * gates)
    product = to_inputs(count, features, gates)
    back = Matrix(emulator.address(dx, to, writable=True), inner, outer)
    emulator.run(product, product.arguments(z, b, back, rows))
    expected = np.full(kept.shape, np.nan)
    view = expected.transpose(1, 0, 2)[::-1, :, 2:39]
    for row in live:
        view[row // batch, row % batch] = wide(dz[row // batch, row % batch]) @ wide(w)
    np.testing.assert_allclose(dx, expected, rtol=1e-4, atol=1e-4)

    product = of_weights(gates, features, count, 1)
    dw = np.full((gates, features), np.nan, np.float32)
    emulator.run(product, product.arguments(z, a, Matrix(emulator.address(dw, writable=True), features), rows))
    np.testing.assert_allclose(dw, wide(dz.reshape(-1, gates)[live]).T @ wide(values), rtol=1e-4, atol=1e-4)


def test_biases_and_addition(rng: np.random.Generator) -> None:
    x, w, first, second = normal(rng, 5, 8), normal(rng, 9, 8), normal(rng, 9), normal(rng, 9)
    c = normal(rng, 5, 9)
    before, emulator, product = c.copy(), ProductEmulator(), of_inputs(5, 9, 8)
    biases = Biases(emulator.address(first), emulator.address(second), 6)
    matrices = [Matrix(emulator.address(a, writable=a is c), a.shape[1]) for a in (x, w, c)]
    second[6:] = np.nan
    emulator.run(product, product.arguments(*matrices, biases=biases, add=True))
    truth = wide(before) + wide(x) @ wide(w).T + first + np.where(np.arange(9) < 6, second, 0)
    assert error(c, truth) < LIMIT / 5


@pytest.mark.parametrize("add", [False, True])
def test_gradients_of_weights_in_slices(add: bool, rng: np.random.Generator) -> None:
    """Two products that share dz, sums of its columns, and one launch that adds the slices of all up."""
    gates, features, hidden, rows, slices = 36, 5, 9, 150, 3
    dz, x, h = normal(rng, rows, gates), normal(rng, rows, features), normal(rng, rows, hidden)
    emulator = ProductEmulator()
    products = of_weights(gates, features, rows, slices), of_weights(gates, hidden, rows, slices)
    counts = (gates * features, gates * hidden, gates)
    firsts = (0, counts[0], counts[0] + counts[1])
    parts = np.full((slices, sum(counts)), np.nan, np.float32)
    at = emulator.address(parts, writable=True)
    z = Matrix(emulator.address(dz), gates)
    for product, operand, first, sums in zip(products, (x, h), firsts, (at + 4 * firsts[2], 0), strict=False):
        to = Matrix(at + 4 * first, operand.shape[1])
        b = Matrix(emulator.address(operand), operand.shape[1])
        emulator.run(product, product.arguments(z, b, to, sums=sums, part=sum(counts)))
    found = [normal(rng, count) for count in counts]
    before = [a.copy() if add else np.zeros_like(a) for a in found]
    second = ProductEmulator()
    targets = tuple(map(Target, firsts, counts, (second.address(a, writable=True) for a in found)))
    gathered = Gathered(counts, slices, sum(counts))
    second.run(gathered, gathered.arguments(second.address(parts), targets, add=add))
    truths = wide(dz).T @ wide(x), wide(dz).T @ wide(h), wide(dz).sum(0)
    for value, was, truth in zip(found, before, truths, strict=True):
        assert error(value, was + truth.reshape(-1)) < LIMIT / 5


def test_slices_are_of_the_shapes_alone() -> None:
    assert slices_for(1024, 256, 16384) == 8 and slices_for(256, 64, 512) == 4 and slices_for(4096, 1024, 64) == 1
    for rows in (1, 100, 513, 16384):
        product = of_weights(256, 64, rows, slices_for(256, 64, rows))
        assert product.depth * (product.slices - 1) < rows <= product.depth * product.slices
    sides = [of_weights(1024, 256, rows, slices_for(1024, 256, rows)).tile.side for rows in (128, 1024, 16384)]
    assert sides == [32, 64, 128], "the fewer the rows, the smaller the tiles that are enough for a device"


@pytest.mark.parametrize(("gates", "features", "most"), [(400, 100, 20000), (1024, 256, 1300)])
def test_there_is_room_for_the_slices_of_fewer_rows(gates: int, features: int, most: int) -> None:
    """Of which there may be more than of more rows; none begins where rows have ended."""
    every = range(1, most + 1, 7)
    found = [slices_for(gates, features, rows) for rows in every]
    assert found != sorted(found), "shapes that show nothing"
    for rows, slices, most_so_far in zip(every, found, itertools.accumulate(found, max), strict=True):
        depth = of_weights(gates, features, rows, slices).depth
        assert depth * (slices - 1) < rows <= depth * slices
        assert most_so_far <= most_slices(gates, features, rows)


@pytest.mark.parametrize(
    ("name", "a", "c"), [("A", Matrix(16, 4096, 1 << 20), Matrix(16, 4)), ("C", Matrix(16, 4096), Matrix(16, 1 << 20))]
)
def test_what_the_kernel_cannot_reach_is_refused(name: str, a: Matrix, c: Matrix) -> None:
    rows = Rows(4) if name == "A" else Rows()
    with pytest.raises(ValueError, match=f"{name} has numbers .* expected fewer than 2\\^31: cut its rows in pieces"):
        of_inputs(8193 if name == "A" else 2049, 4, 4096).arguments(a, Matrix(16, 4096), c, rows)
    of_inputs(2048, 4, 4096).arguments(a, Matrix(16, 4096), c, rows)


def test_the_emulator_finds_the_barrier_that_is_left_out(rng: np.random.Generator) -> None:
    x, w = normal(rng, 32, 96), normal(rng, 32, 96)
    truth, product = wide(x) @ wide(w).T, with_side(of_inputs(32, 32, 96), 32)
    emulator = ProductEmulator(order=1)
    assert error(multiplied(x, w, product, emulator), truth) < LIMIT / 5
    (site,) = [site for site in emulator.sites if site[0] == "sync_block"]
    emulator.without = site
    assert not error(multiplied(x, w, product, emulator), truth) < LIMIT


@pytest.mark.parametrize("by_k", [True, False])
def test_a_step_in_slices_is_right_and_rows_have_the_same_bits_alone(
    by_k: bool, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(products, "SHORTEST_SLICE", 32)
    x, w = normal(rng, 35, 110), normal(rng, 9, 110)
    right = w if by_k else np.ascontiguousarray(w.T)

    def made(rows: Array) -> Array:
        product, emulator = products.of_step(len(rows), 9, 110, by_k=by_k), ProductEmulator()
        assert product.slices == 2 and product.depth == 64
        c = np.full((product.slices, len(rows), 9), np.nan, np.float32)
        described = [Matrix(emulator.address(a, writable=a is c), a.shape[-1]) for a in (rows, right, c)]
        emulator.run(product, product.arguments(*described, part=len(rows) * 9))
        return c

    found = made(x)
    assert error(wide(found).sum(0), wide(x) @ wide(w).T) < LIMIT / 5
    np.testing.assert_array_equal(made(x[34:])[:, 0], found[:, 34])


def test_tiles_of_a_step_are_no_larger_than_its_rows() -> None:
    sides = [products.side_for_step(rows, 6144, 1536) for rows in (1, 32, 33, 64, 512)]
    assert sides == [32, 32, 64, 64, 128]
    assert products.slices_for_step(6144, 1536) == 4 and products.slices_for_step(1536, 6144) == 16
