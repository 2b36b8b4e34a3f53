"""The backward kernels of clusters compile for a device that is not here, with weights and sums in registers."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from unittest import mock

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the helpers need greenlet")

import numba.cuda
import numba.cuda.dispatcher
from cuda_compiler import assembled

from rnnfast.backends.cuda.cluster.backward_launch import backward_launch
from rnnfast.backends.cuda.cluster.gradients import GRADIENTS
from rnnfast.backends.cuda.cluster.launch import CAPABILITY
from rnnfast.backends.cuda.driver.compiling import ptx_of
from rnnfast.backends.cuda.ptx import operations

IN_EVERY_RUN = {("lstm", 256, False), ("gru", 256, True)}


@pytest.mark.parametrize(
    ("cell", "size", "ragged"),
    [
        pytest.param(*case, marks=() if case in IN_EVERY_RUN else pytest.mark.slow)
        for case in itertools.product(GRADIENTS, (16, 32, 64, 128, 256), (False, True))
    ],
)
def test_weights_stay_in_registers(cell: str, size: int, ragged: bool) -> None:
    launch, here = backward_launch(cell, size, 8, 1, ragged=ragged), SimpleNamespace(compute_capability=CAPABILITY)
    with mock.patch.object(numba.cuda.dispatcher, "get_current_device", lambda: here):
        ptx = ptx_of(launch.kernel(operations(numba.cuda)), "backward", CAPABILITY, launch.threads)
    registers, spilled = assembled(ptx, CAPABILITY)
    print(f"sm_90 backward {cell} H {size} {'ragged' if ragged else 'dense'}: {registers} registers, {spilled} spilled")
    assert "__local_depot" not in ptx
    assert not spilled
