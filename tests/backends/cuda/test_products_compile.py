"""Kernels of products compile for devices that are not here, their numbers in registers."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the helpers need greenlet")

import numba.cuda
from cuda_compiler import Compiled, ptxas
from ptx_compiler import compiled

from rnnfast.backends.cuda.gemm.kernel import product_kernel
from rnnfast.backends.cuda.gemm.operations import operations
from rnnfast.backends.cuda.gemm.reduction import THREADS, reduction_kernel
from rnnfast.backends.cuda.gemm.tile import Tile

FORMS = {"inputs": (True, True, True), "to_inputs": (True, False, False), "weights": (False, False, False)}
"""a_by_k, b_by_k, half."""
IN_EVERY_RUN = {("inputs", 32, (8, 0)), ("weights", 128, (9, 0))}
SPILLED = {32: 0, 64: 0, 128: 32}
"""Bytes at most: a tile of 128 takes all registers that a thread can have."""


def shown(found: Compiled, what: str, capability: tuple[int, int]) -> None:
    """Print what it takes; nothing of it is in local memory."""
    print(f"sm_{capability[0]}{capability[1]} {what}: {found.registers} registers, {found.spilled} bytes spilled")
    assert "__local_depot" not in found.ptx
    assert (found.spilled is None) == (ptxas() is None)


@pytest.mark.parametrize(
    ("form", "side", "capability"),
    [
        pytest.param(*case, marks=() if case in IN_EVERY_RUN else pytest.mark.slow)
        for case in itertools.product(FORMS, (32, 64, 128), ((9, 0), (8, 0)))
    ],
)
def test_products_are_of_tensor_cores_with_numbers_in_registers(
    form: str, side: int, capability: tuple[int, int]
) -> None:
    kernel = product_kernel(operations(numba.cuda), *FORMS[form], side)
    found = compiled(kernel, capability, Tile(side).threads)
    shown(found, f"{form} in tiles of {side}", capability)
    chains = 4 * side // 32
    assert found.ptx.count("mma.sync") == chains * (6 if FORMS[form][2] else 12)
    assert (found.spilled or 0) <= SPILLED[side]


@pytest.mark.parametrize("capability", [(9, 0), (8, 0)])
def test_slices_are_added_up(capability: tuple[int, int]) -> None:
    found = compiled(reduction_kernel(operations(numba.cuda)), capability, THREADS)
    shown(found, "sum of slices", capability)
    assert not found.spilled
