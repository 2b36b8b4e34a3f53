"""Arrays of shapes and strides that Numba's device arrays have rules of their own for, by Numba's own arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees
from support import Spec, make_problem, run

import rnnfast
from rnnfast.backends.cuda import backend as numba_cuda

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from numba import cuda
from numba_arrays import DeviceOfNumba

RAGGED = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.3, "directions": 2}


def test_what_numba_refuses(numba_device: DeviceOfNumba) -> None:
    """So that it is known should it change; NumPy allows all of it."""
    unbatched, empty = cuda.to_device(np.ones((5, 3))[:, None]), cuda.to_device(np.full((0, 17), 1.0))
    assert unbatched.strides == (24, 0, 8)
    with pytest.raises(NotImplementedError, match="operation requires copying"):
        unbatched.reshape(5, 3)
    with pytest.raises(RuntimeError, match="non-empty slice into empty slice"):
        empty[0:0]


@pytest.mark.covering(2)
@pytest.mark.parametrize("tier", ["B", "C"])
@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru_before"])
@pytest.mark.parametrize("options", [{}, RAGGED], ids=["dense", "ragged"])
@pytest.mark.parametrize(("steps", "batch"), [(5, 1), (1, 3), (1, 1), (0, 2), (2, 0)])
def test_axes_of_one_element_or_none(
    tier: str, cell: str, options: dict[str, Any], steps: int, batch: int, numba_device: DeviceOfNumba
) -> None:
    numba_device.limits = replace(numba_device.limits, words=(1,) if tier == "C" else (40,))
    spec = Spec(cell, steps, batch, 3, 5, layers=2, **options)
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")


@pytest.mark.parametrize("new", ["made there", "uploaded"])
@pytest.mark.parametrize("tier", ["B", "C"])
@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru_before"])
def test_no_step_is_live(
    tier: str, cell: str, new: str, numba_device: DeviceOfNumba, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New arrays that shall hold NaN are uploaded, as bench/gpu.py does: NumPy gives empty ones other strides."""
    if new == "uploaded":
        upload = numba_device.upload
        monkeypatch.setattr(numba_device, "new", lambda shape, dtype, stream: upload(np.full(shape, 7, dtype), stream))
    numba_device.limits = replace(numba_device.limits, words=(1,) if tier == "C" else (40,))
    problem = make_problem(Spec(cell, 4, 1, 3, 5, lengths=True))
    problem.lengths[:] = 0
    results = run(numba_cuda, problem)
    assert not results["y"].any() and not results["dx"].any()
    np.testing.assert_array_equal(results["h_n"], problem.h0)
    np.testing.assert_array_equal(results["dh0"], problem.dh_n)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (0, 3), (1, 5, 3), (5, 1, 3), (1, 1, 3), (0, 1, 3), (2, 0, 3)])
@pytest.mark.parametrize("place", ["host", "device"])
def test_sequences_of_any_layout(
    place: str, shape: tuple[int, ...], batch_first: bool, numba_device: DeviceOfNumba
) -> None:
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    found = []
    for backend in ("reference", "cuda"):
        net = rnnfast.LSTM(3, 4, batch_first=batch_first, seed=1, backend=backend)
        seen: Any = x
        if backend == "cuda" and place == "device":
            net, seen = net.to("cuda"), cuda.to_device(x)
        y, state, tape = net.record(seen)
        assert y.shape == (*shape[:-1], 4)
        grads = tape.backward(y)
        found.append([np.asarray(a) for a in (y, *state, grads.x, *grads.state, *grads.params.values())])
    for right, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-5, atol=1e-6)


def test_numba_arrays_with_odd_strides(numba_device: DeviceOfNumba) -> None:
    """An axis of one element with stride 0, and steps that overlap in memory."""
    net, there = (rnnfast.GRU(3, 4, seed=1, backend=backend) for backend in ("reference", None))
    there.to("cuda")
    memory = np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    on_device = cuda.to_device(memory)
    rows = cuda.cudadrv.devicearray.DeviceNDArray((7, 1, 3), (12, 0, 4), np.float32, gpu_data=on_device.gpu_data)
    windows = cuda.cudadrv.devicearray.DeviceNDArray((6, 2, 3), (12, 12, 4), np.float32, gpu_data=on_device.gpu_data)
    for seen, x in ((rows, memory[:7, None]), (windows, np.stack([memory[:6], memory[1:7]], axis=1))):
        (y, _, tape), (right, _, right_tape) = there.record(seen), net.record(x)
        np.testing.assert_allclose(np.asarray(y), right, rtol=1e-5, atol=1e-6)
        found, expected = tape.backward(y).params, right_tape.backward(right).params
        for name, values in expected.items():
            np.testing.assert_allclose(np.asarray(found[name]), values, rtol=1e-5, atol=1e-6)
