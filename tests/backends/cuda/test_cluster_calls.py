"""Whole calls by clusters through the backend's contract, in the emulator, against the reference; what they launch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from agreement import RAGGED, assert_agrees
from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice
from support import Spec, copy_of, live_and_cut, make_problem, outputs_of, run

import rnnfast
from rnnfast.backends.common import whole
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.cluster import launch as cluster_launch
from rnnfast.backends.cuda.cluster.cells import CELLS
from rnnfast.backends.cuda.cluster.room import clusters_at_once, reason_against_device
from rnnfast.backends.cuda.cluster.sizes import reason_against_call
from rnnfast.backends.cuda.driver.declarations import DYNAMIC_SHARED_BYTES
from rnnfast.backends.cuda.gemm import multiply
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import Array, Problem

ALL_CELLS = pytest.mark.parametrize("cell", list(CELLS))
SMALL: dict[str, Any] = {"steps": 3, "batch": 2, "input_size": 5, "hidden_size": 6}
DROPOUT = {"dropout": 0.5, "input_dropout": 0.25, "recurrent_dropout": 0.3}
OPTIONS: dict[str, dict[str, Any]] = {
    "bare": {"bias": False, "states": False},
    "two blocks, two tiles": {"hidden_size": 17, "batch": 9, "steps": 2},
    "lengths": {"lengths": True, "steps": 4},
    "mask": {"mask": True, "directions": 2},
    "recurrent dropout": {"recurrent_dropout": 0.4},
    "everything": {**RAGGED, **DROPOUT, "layers": 2, "directions": 2, "first_row": 3},
}


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PtxDevice]:
    """In place of the device; clusters take nets of any cell, however small, so that the emulator need not do much."""
    monkeypatch.setattr(cluster_launch, "FEWEST", 1)
    monkeypatch.setattr(multiply, "FEWEST", 1)
    device = PtxDevice()
    with in_place_of_the_device(device):
        yield device


def way(problem: Problem) -> str:
    """Which way a recorded call goes."""
    problem = replace(problem, record=True)
    whole.forward(numba_cuda, problem)
    return whole.ran(problem)


@ALL_CELLS
def test_every_result_and_every_gradient(cell: str) -> None:
    spec = Spec(cell, **SMALL)
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")


@pytest.mark.covering(1)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_options(cell: str, option: str) -> None:
    spec = Spec(cell, **{**SMALL, **OPTIONS[option]})
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")


@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "rnn_linear"])
def test_rows_that_differ_in_other_cells(cell: str) -> None:
    spec = Spec(cell, **SMALL, **RAGGED, directions=2)
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")


def test_what_is_not_live_is_not_read() -> None:
    spec = Spec("gru", **SMALL, **RAGGED)
    problem = make_problem(spec, "float32")
    live, _ = live_and_cut(problem)
    results = run(numba_cuda, problem)
    problem = make_problem(spec, "float32")
    problem.x[~live] = np.nan
    again = run(numba_cuda, problem)
    assert all(np.array_equal(again[name], value) for name, value in results.items())


@pytest.mark.parametrize(
    ("cell", "where", "value"),
    [
        ("rnn_relu", "x", np.nan),
        ("rnn_relu", "weight_hh", np.nan),
        ("gru", "h0", 3e38),
        ("gru", "h0", np.nan),
        ("lstm", "weight_hh", 3e38),
        ("lstm", "weight_ih", np.inf),
    ],
)
def test_huge_numbers_and_nan(cell: str, where: str, value: float) -> None:
    """NaN where the reference has one, in rows of its own; elsewhere its numbers."""
    problem = make_problem(Spec(cell, **SMALL), "float32")
    given = getattr(problem, where)
    given = given[0] if where.startswith("weight") else given
    given[(0,) * (given.ndim - 2) + (1, 2)] = value
    with np.errstate(all="ignore"):
        right = run(reference, copy_of(problem))
    found = run(numba_cuda, problem)
    for name, each in right.items():
        most = np.abs(each[np.isfinite(each)]).max(initial=1)
        np.testing.assert_allclose(found[name], each, rtol=1e-4, atol=1e-4 * most, err_msg=name)


def test_without_a_record_results_have_the_same_bits() -> None:
    problem = make_problem(Spec("rnn_tanh", **SMALL, layers=3, directions=2), "float32")
    results = run(numba_cuda, copy_of(problem))
    problem.record = False
    whole.forward(numba_cuda, problem)
    assert problem.reserve is None
    for name in ("y", "h_n"):
        np.testing.assert_array_equal(getattr(problem, name), results[name])


def test_a_record_serves_more_than_one_backward() -> None:
    problem = make_problem(Spec("gru", **SMALL), "float32")
    whole.forward(numba_cuda, problem)
    twin = copy_of(problem)
    twin.reserve = problem.reserve
    for each, keep in ((problem, True), (twin, False)):
        whole.backward(each, keep=keep)
    right = outputs_of(problem)
    assert all(np.array_equal(outputs_of(twin)[name], right[name]) for name in right if name.startswith("d"))


@pytest.mark.parametrize(("steps", "batch"), [(0, 2), (3, 0)])
def test_nothing_to_do(steps: int, batch: int) -> None:
    spec = Spec("lstm", **{**SMALL, "steps": steps, "batch": batch})
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")


def test_rows_none_of_which_is_live() -> None:
    spec = Spec("lstm", **SMALL, mask=True)
    problem = make_problem(spec, "float32")
    problem.mask[:] = 0
    results = run(numba_cuda, problem)
    np.testing.assert_array_equal(results["h_n"], problem.h0)
    np.testing.assert_array_equal(results["dc0"], problem.dc_n)
    assert not any(results[name].any() for name in results if name.startswith(("y", "dx", "d_", "activation", "state")))


def test_which_calls_clusters_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = make_problem(Spec("rnn_relu", **{**SMALL, "hidden_size": 20}), "float32")
    assert way(problem) == "tier D: a cluster of 2 blocks holds W_hh for 2 rows"
    held = make_problem(Spec("lstm", **SMALL, masked_output="hold"), "float32")
    assert way(held) == "tier D: one block holds W_hh for 2 rows"
    for other, reason in (
        (make_problem(Spec("rnn_tanh", **SMALL, masked_output="hold", lengths=True), "float32"), "hold no outputs"),
        (make_problem(Spec("rnn_tanh", **SMALL), "float64"), "compute in float32"),
        (make_problem(Spec("gru_before", **SMALL), "float32"), "have no gru_before"),
    ):
        assert (said := way(other)).endswith(f"; clusters {reason}") and "tier D" not in said
    monkeypatch.setattr(cluster_launch, "FEWEST", 16)
    few = "clusters take 16 hidden units or more of a cell without gates, not 15"
    assert reason_against_call(make_problem(Spec("rnn_linear", 1, 1, 1, 15), "float32"), (9, 0)) == few
    assert reason_against_call(make_problem(Spec("rnn_linear", 1, 1, 1, 16), "float32"), (9, 0)) is None
    assert reason_against_call(make_problem(Spec("gru", 1, 1, 1, 1), "float32"), (9, 0)) is None
    large = make_problem(Spec("rnn_tanh", 1, 1, 1, 257), "float32")
    assert reason_against_call(large, (9, 0)) == "clusters hold up to 256 hidden units, not 257"
    long = replace(make_problem(Spec("lstm", 1, 1, 1, 250), "float32"), steps=1 << 21)
    assert reason_against_call(long, (9, 0)) is None
    assert "count the numbers of a sequence in 32 bits" in str(reason_against_call(replace(long, batch=2), (9, 0)))
    devices.device().limits = replace(devices.device().limits, capability=(8, 9))
    assert way(problem).endswith("; clusters need compute capability 9.0")


def test_a_device_without_room_for_large_clusters(device: PtxDevice) -> None:
    problem = make_problem(Spec("rnn_tanh", 1, 1, 1, 129), "float32")
    assert reason_against_device(device, problem) is None
    device.library.largest_cluster = 8
    assert way(problem).endswith("; this device runs no clusters of 9 blocks")
    problem = make_problem(Spec("rnn_tanh", 1, 1, 1, 2), "float32")
    assert way(problem).startswith("tier D")


def test_a_device_whose_blocks_have_little_shared_memory(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the clusters that it has room for, and does not tell how many run at once."""
    device.library.clusters_at_once, problem = 9, make_problem(Spec("rnn_tanh", 1, 1, 1, 129), "float32")
    most = 99 << 10
    monkeypatch.setattr(
        device.library,
        "cuFuncSetAttribute",
        lambda function, attribute, value: int(attribute == DYNAMIC_SHARED_BYTES and value > most),
        raising=False,
    )
    assert clusters_at_once(device, problem, ragged=False) == 0
    assert reason_against_device(device, problem) is None


@pytest.mark.parametrize(
    ("cell", "options"), [("lstm", {**RAGGED, "directions": 2}), ("gru", {}), ("rnn_relu", {})], ids=str
)
def test_a_batch_is_shared_out_among_clusters(cell: str, options: dict[str, Any], device: PtxDevice) -> None:
    """However many rows each has, every number has the same bits."""
    spec, found = Spec(cell, 3, 5, 3, 4, **options), []
    device.limits = replace(device.limits, blocks=132)
    for at_once, rows in (
        (1, "8 rows" if options else "5 rows"),
        (4, "3 rows" if options else "2 rows"),
        (10, "1 row"),
    ):
        device.library.clusters_at_once, problem = at_once, make_problem(spec, "float32")
        whole.forward(numba_cuda, problem)
        assert whole.ran(problem).endswith(f"W_hh for {rows}")
        whole.backward(problem)
        found.append(outputs_of(problem))
    for other in found[1:]:
        assert all(np.array_equal(other[name], value, equal_nan=True) for name, value in found[0].items())


def test_blocks_of_clusters_do_not_share_multiprocessors(device: PtxDevice) -> None:
    problem = make_problem(Spec("rnn_tanh", 1, 1, 1, 40), "float32")
    device.library.clusters_at_once, device.limits = 80, replace(device.limits, blocks=132)
    assert clusters_at_once(device, problem, ragged=False) == 115 // 3


def test_products_on_other_tiers_run_on_tensor_cores(device: PtxDevice) -> None:
    spec = Spec("gru_before", steps=65, batch=4, input_size=3, hidden_size=2)
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")
    assert {"kernel product_kernel", "reduction reduction_kernel"} <= {*device.launched}
    device.launched.clear()
    device.limits = replace(device.limits, words=(1,))
    spec = Spec("gru_before", **SMALL, layers=2)
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")
    assert "kernel product_kernel" in device.launched and "product_kernel" not in device.launched


def launches(device: PtxDevice, net: Any, x: Array) -> tuple[list[str], list[str], int]:
    """What a call and its backward launch, and how many arrays the call makes."""
    net(EmulatedArray(x))
    made: list[Any] = []
    new = device.new

    def counted(*shape: Any) -> Any:
        made.append(shape)
        return new(*shape)

    device.new = counted  # type: ignore[method-assign]
    device.launched.clear()
    net(EmulatedArray(x))
    forward, arrays = [*device.launched], len(made)
    _, _, tape = net.record(EmulatedArray(x))
    device.launched.clear()
    tape.backward(EmulatedArray(np.ones((*x.shape[:2], net.net.output_size), np.float32)))
    return forward, [*device.launched], arrays


def test_launches_and_arrays_are_few(device: PtxDevice) -> None:
    """Forward: a product and a loop, y, the final states and one piece of memory. Backward: a loop, three products,
    and one launch that adds up slices of parameters' gradients."""
    x = np.ones((3, 2, 4), np.float32)
    forward, backward, arrays = launches(device, rnnfast.LSTM(4, 6).to("cuda"), x)
    assert forward == ["kernel product_kernel", "forward forward_kernel"] and arrays == 4
    assert sorted(backward) == [
        "backward backward_kernel",
        *["kernel product_kernel"] * 3,
        "reduction reduction_kernel",
    ]
    forward, backward, _ = launches(device, rnnfast.GRU(4, 6, num_layers=2, bidirectional=True).to("cuda"), x)
    assert [forward.count(name) for name in ("kernel product_kernel", "forward forward_kernel")] == [2, 2]
    assert len(forward) == 4 and len(backward) == 2 + 2 * 2 * 4
