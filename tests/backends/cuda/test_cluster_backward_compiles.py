"""The backward kernels of clusters compile for a device that is not here, with weights and sums in registers."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the helpers need greenlet")

import numba.cuda
from cuda_compiler import ptxas
from ptx_compiler import compiled

from rnnfast.backends.cuda.cluster.backward_launch import backward_launch
from rnnfast.backends.cuda.cluster.gradients import GRADIENTS
from rnnfast.backends.cuda.cluster.launch import CAPABILITY
from rnnfast.backends.cuda.ptx import operations

IN_EVERY_RUN = {("gru", 256, True)}


@pytest.mark.parametrize(
    ("cell", "size", "ragged"),
    [
        pytest.param(*case, marks=() if case in IN_EVERY_RUN else pytest.mark.slow)
        for case in itertools.product(GRADIENTS, (16, 32, 64, 128, 256), (False, True))
    ],
)
def test_weights_stay_in_registers(cell: str, size: int, ragged: bool) -> None:
    launch = backward_launch(cell, size, 8, 1, ragged=ragged)
    found = compiled(launch.kernel(operations(numba.cuda)), CAPABILITY, launch.threads)
    form = f"{cell} H {size}{' ragged' * ragged}"
    print(f"sm_90 backward {form}: {found.registers} registers, {found.spilled} bytes spilled")
    assert "__local_depot" not in found.ptx
    assert found.spilled == (0 if ptxas() else None)
