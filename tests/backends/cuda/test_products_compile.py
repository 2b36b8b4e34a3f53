"""Kernels of products compile for devices that are not here, their numbers in registers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the helpers need greenlet")

import numba.cuda
import numba.cuda.dispatcher
from cuda_compiler import assembled

from rnnfast.backends.cuda.driver.compiling import ptx_of
from rnnfast.backends.cuda.gemm.kernel import product_kernel
from rnnfast.backends.cuda.gemm.operations import operations
from rnnfast.backends.cuda.gemm.reduction import THREADS, reduction_kernel
from rnnfast.backends.cuda.gemm.tile import Tile

FORMS = {"inputs": (True, True, True), "to_inputs": (True, False, False), "weights": (False, False, False)}
"""a_by_k, b_by_k, half."""
IN_EVERY_RUN = {("inputs", 64, (9, 0)), ("weights", 128, (9, 0)), ("to_inputs", 32, (8, 0))}
SPILLED = {32: 0, 64: 0, 128: 16}
"""Bytes: a tile of 128 takes all registers that a thread can have."""


def compiled(make: Callable[..., Any], constants: tuple[Any, ...], capability: tuple[int, int], threads: int) -> Any:
    """Registers and spilled bytes of a kernel, printed."""
    here = SimpleNamespace(compute_capability=capability)
    with mock.patch.object(numba.cuda.dispatcher, "get_current_device", lambda: here):
        ptx = ptx_of(make(operations(numba.cuda), *constants), "product", capability, threads)
    assert "__local_depot" not in ptx
    registers, spilled = assembled(ptx, capability)
    print(f"sm_{capability[0]}{capability[1]} {make.__name__}{constants}: {registers} registers, {spilled} spilled")
    return ptx, spilled


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
    ptx, spilled = compiled(product_kernel, (*FORMS[form], side), capability, Tile(side).threads)
    chains = 4 * side // 32
    assert ptx.count("mma.sync") == chains * (6 if FORMS[form][2] else 12)
    assert spilled is None or spilled <= SPILLED[side]


@pytest.mark.parametrize("capability", [(9, 0), (8, 0)])
def test_slices_are_added_up(capability: tuple[int, int]) -> None:
    _, spilled = compiled(reduction_kernel, (), capability, THREADS)
    assert not spilled
