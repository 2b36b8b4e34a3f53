"""Every cluster kernel compiles for compute capability 9.0, all that a thread keeps in registers."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

import numba.cuda
from cuda_compiler import ptxas
from ptx_compiler import compiled

from rnnfast.backends.cuda.cluster.cells import CELLS
from rnnfast.backends.cuda.cluster.launch import forward_launch
from rnnfast.backends.cuda.ptx import operations

MOST = 65536 // 256
"""Registers of a thread where a multiprocessor has one block."""
IN_EVERY_RUN = {("lstm", 256, True, True)}
FORMS = [
    pytest.param(*form, marks=() if form in IN_EVERY_RUN else pytest.mark.slow)
    for form in itertools.product(CELLS, (64, 128, 192, 256), (False, True), (False, True))
]


@pytest.mark.parametrize(("cell", "size", "ragged", "recorded"), FORMS)
def test_nothing_is_spilled(cell: str, size: int, ragged: bool, recorded: bool) -> None:
    launch = forward_launch(cell, size, 8, 2, ragged=ragged, recorded=recorded)
    found = compiled(launch.kernel(operations(numba.cuda)), (9, 0), launch.threads)
    form = f"{cell} H {size}{' ragged' * ragged}{' recorded' * recorded}"
    print(f"sm_90 {form}: {found.registers} registers, {found.spilled} bytes spilled")
    assert "__local_depot" not in found.ptx
    assert found.spilled == (0 if ptxas() else None)
    assert found.registers is None or found.registers <= MOST
