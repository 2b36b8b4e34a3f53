"""Every CUDA kernel compiles, for devices that are not here, and weights stay in registers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from support import Spec, make_problem, run

import rnnfast
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.backends.cuda import devices

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_compiler import Compiler, ptxas
from device_memory import EmulatedArray, in_place_of_the_device

from rnnfast.backends.cuda.cluster.tile_tables import tables_kernel
from rnnfast.backends.cuda.entry_tables import entries_kernel, links_kernel
from rnnfast.backends.cuda.shapes import CELLS

CAPABILITIES = pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids="sm_{0[0]}{0[1]}".format)
RESIDENT = {"forward_kernel", "backward_kernel"}


def compiled(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], spec: Spec, dtype: str) -> dict[str, Any]:
    """Every kernel of a training step by name, its registers printed."""
    compiler = Compiler(capability)
    monkeypatch.setattr(devices, "device", lambda: compiler)
    run(numba_cuda, make_problem(spec, dtype))
    return shown(compiler, f"{dtype} {spec.cell} H {spec.hidden_size}")


def shown(compiler: Compiler, net: str) -> dict[str, Any]:
    """Its kernels by name, printed."""
    kernels = {kernel.name: kernel for kernel in compiler.kernels.values()}
    for name, kernel in kernels.items():
        print(
            f"sm_{compiler.capability[0]}{compiler.capability[1]} {net} {name}: "
            f"{kernel.registers} registers, {kernel.spilled} bytes spilled"
        )
    return kernels


def check(kernels: dict[str, Any], *, resident: bool) -> None:
    """Compiled for all of a step, without memory of a thread's own where weights must stay in registers."""
    assert (kernels.keys() >= RESIDENT) == resident
    assert kernels.keys() >= {"product_kernel", "pick_kernel", "held_kernel", "operand_kernel", "mask_kernel"}
    assert "bias_gradient_kernel" in kernels
    for name, kernel in kernels.items():
        assert f".visible .entry {name}(" in kernel.ptx
        assert ".extern .func" not in kernel.ptx  # the driver's linker is given nothing else
        assert "__local_depot" not in kernel.ptx
        assert kernel.spilled == (0 if ptxas() else None)


def spec_of(cell: str, size: int) -> Spec:
    """With every option that brings a kernel of its own."""
    return Spec(cell, 6, 4, 3, size, mask=True, masked_output="hold", input_dropout=0.5, recurrent_dropout=0.5)


IN_EVERY_RUN = {("lstm", (9, 0))}
"""The most weights; all others, 20 seconds each, with the slow tests."""
EVERY_CELL = [
    pytest.param(*case, marks=() if case in IN_EVERY_RUN else pytest.mark.slow)
    for case in itertools.product(CELLS, [(9, 0), (8, 0)])
]


@pytest.mark.parametrize(("cell", "capability"), EVERY_CELL)
def test_resident_kernels_keep_weights_in_registers(
    cell: str, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(compiled(monkeypatch, capability, spec_of(cell, 256), "float32"), resident=True)


@pytest.mark.parametrize("capability", [(9, 0), pytest.param((8, 0), marks=pytest.mark.slow)])
def test_kernels_of_a_launch_for_every_product(capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    check(compiled(monkeypatch, capability, spec_of("gru_before", 1100), "float64"), resident=False)


@pytest.mark.slow
@CAPABILITIES
def test_kernels_for_strided_arrays_of_the_device(capability: tuple[int, int]) -> None:
    compiler = Compiler(capability)
    with in_place_of_the_device(compiler):
        net = rnnfast.LSTM(3, 64, batch_first=True, masked_output="hold", recurrent_dropout=0.5).to("cuda")
        x, dy, state = (EmulatedArray(np.zeros(shape, np.float32)) for shape in ((4, 6, 3), (4, 6, 64), (1, 4, 64)))
        net.record(x, (state, None), lengths=np.arange(4))[2].backward(dy, (None, state))
    check(shown(compiler, "strided"), resident=True)


@CAPABILITIES
def test_kernels_of_tables(capability: tuple[int, int]) -> None:
    compiler = Compiler(capability)
    for make in (entries_kernel, links_kernel, tables_kernel):
        compiler.kernel(make)
    for kernel in shown(compiler, "rows").values():
        assert "__local_depot" not in kernel.ptx and ".extern .func" not in kernel.ptx
        assert kernel.spilled == (0 if ptxas() else None)


@pytest.mark.slow
@CAPABILITIES
@pytest.mark.parametrize("size", [64, 100, 512])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru", "gru_before"])
def test_resident_kernels_at_other_sizes(
    cell: str, dtype: str, size: int, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    too_large = capability < (9, 0) and (dtype, size) == ("float64", 512) and cell != "rnn_tanh"
    check(compiled(monkeypatch, capability, spec_of(cell, size), dtype), resident=not too_large)
