"""Products of one x with several W in one launch: each has the bits that it has alone, wherever the others lie."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from gemm_emulator import ProductEmulator

from rnnfast.backends.cuda.gemm.products import Aways, Biases, Matrix, Product, Rows, of_inputs
from rnnfast.problem import Array

M, N, K = 5, 34, 6
SIDE = (True, True, True, 32)
COLUMNS = 12
"""Of the second bias."""


@pytest.mark.parametrize(
    ("biased", "order"), [(False, (0, 1)), (True, (1, 0)), (True, (1, 1))], ids=["ahead", "back", "the same"]
)
def test_every_set_has_the_bits_of_its_product_alone(
    biased: bool, order: tuple[int, int], rng: np.random.Generator
) -> None:
    """Sets of B may come one before another in memory, so that they lie a negative number of bytes on, or be one."""
    x, weights, first, second = (rng.normal(size=s).astype(np.float32) for s in ((M, K), (2, N, K), (2, N), (2, N)))
    rows = np.array([3, 0, 4], np.int32)

    def run(product: Product, sets: tuple[int, ...], listed: Array | None) -> Array:
        emulator = ProductEmulator()
        found = np.full((M, len(sets), N), np.nan, np.float32)
        places = [emulator.address(a) for a in (weights, first, second)]
        far = [a[0].nbytes for a in (weights, first, second)]
        at = [place + sets[0] * step for place, step in zip(places, far, strict=True)]
        aways = Aways(*[(sets[-1] - sets[0]) * step % 2**64 for step in far])
        biases = Biases(at[1], at[2], COLUMNS) if biased else Biases()
        to = Matrix(emulator.address(found, writable=True), len(sets) * N)
        matrices = Matrix(emulator.address(x), K), Matrix(at[0], K), to
        where = Rows() if listed is None else Rows(0, emulator.address(listed))
        emulator.run(product, product.arguments(*matrices, where, biases, aways, part=N))
        return found

    for listed in (None, rows):
        count = M if listed is None else len(rows)
        together = run(Product(count, N, K, SIDE, sets=2), order, listed)
        for place, which in enumerate(order):
            alone = run(Product(count, N, K, SIDE), (which,), listed)[:, 0]
            np.testing.assert_array_equal(together[:, place], alone)
    truth = x.astype(np.float64) @ weights[order[1]].T.astype(np.float64)
    if biased:
        truth += first[order[1]] + np.where(np.arange(N) < COLUMNS, second[order[1]], 0)
    np.testing.assert_allclose(together[rows, 1], truth[rows], rtol=1e-4, atol=1e-4)


def test_blocks_of_several_sets() -> None:
    one, two = of_inputs(512, 256, 64), of_inputs(512, 256, 64, 2)
    assert one.tile.side == two.tile.side == 32 and two.grid == 2 * one.grid
    assert of_inputs(1024, 512, 64).tile.side == 32 and of_inputs(1024, 512, 64, 2).tile.side == 64
