"""Calls with ragged rows that come again: scripts run them, whatever rows are live, with the bits of a first call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_scripts import LIMITS, scripts
from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice

import rnnfast
from rnnfast.backends.cuda import choices
from rnnfast.backends.cuda.cluster import launch as cluster_launch
from rnnfast.backends.cuda.gemm import multiply
from rnnfast.problem import Array

STEPS, BATCH, INPUTS, SIZE = 3, 2, 5, 6
Rows = dict[str, Any]


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[PtxDevice]:
    """In place of the device; clusters take nets of any cell, however small."""
    monkeypatch.setattr(cluster_launch, "FEWEST", 1)
    device = PtxDevice()
    with in_place_of_the_device(device):
        yield device


def lengths_of(rng: np.random.Generator) -> Rows:
    return {"lengths": rng.integers(0, STEPS + 1, BATCH)}


def flags_of(rng: np.random.Generator) -> Rows:
    return {name: rng.random((STEPS, BATCH)) < 0.6 for name in ("mask", "resets")}


def all_of(rng: np.random.Generator) -> Rows:
    return {**lengths_of(rng), **flags_of(rng)}


def begun(net: Any, seed: int, rows: Rows) -> Callable[[], list[Array]]:
    """Make a call, with numbers that the seed decides; what makes its backward and returns what both write."""
    rng = np.random.default_rng(seed)
    x, dy = (
        EmulatedArray(rng.normal(size=(STEPS, BATCH, n)).astype(np.float32)) for n in (INPUTS, net.net.output_size)
    )
    y, last, tape = net.record(x, **rows)

    def ended() -> list[Array]:
        grads = tape.backward(dy)
        return [np.array(a.memory) for a in (y, *(last if isinstance(last, tuple) else (last,)), *grads.arrays)]

    return ended


def results(net: Any, seed: int, rows: Rows) -> list[Array]:
    """What a call and its backward write."""
    return begun(net, seed, rows)()


@pytest.mark.parametrize(
    ("kind", "options", "rows"),
    [
        ("RNN", {}, lengths_of),
        pytest.param("GRU", {"bidirectional": True}, flags_of, marks=pytest.mark.slow),
        pytest.param("LSTM", {"num_layers": 2}, all_of, marks=pytest.mark.slow),
    ],
)
def test_scripts_write_the_bits_of_first_calls(
    kind: str, options: dict[str, Any], rows: Callable[..., Rows], emulated: PtxDevice
) -> None:
    def made() -> Any:
        return getattr(rnnfast, kind)(INPUTS, SIZE, seed=1, **options).to("cuda")

    net = made()
    for seed in range(4):
        given = rows(np.random.default_rng(100 + seed))
        emulated.launched.clear()
        found, launched = results(net, seed, given), [*emulated.launched]
    emulated.launched.clear()
    right = results(made(), seed, given)  # of the last, whose forward and backward are scripts'
    assert launched == emulated.launched and len(found) == len(right)
    assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))
    assert len(scripts(net)) == 2


def some_lengths(rng: np.random.Generator) -> Rows:
    """With steps at which no row is live."""
    return {"lengths": rng.permutation([0, 2])}


@pytest.mark.parametrize(
    ("tier", "kind", "options", "rows"),
    [
        ("A", "RNN", {"masked_output": "hold", "bidirectional": True}, flags_of),
        pytest.param("A", "GRU", {"num_layers": 2}, some_lengths, marks=pytest.mark.slow),
        ("B", "LSTM", {}, all_of),
        pytest.param("B", "GRU", {"masked_output": "hold", "reset_after": False}, lengths_of, marks=pytest.mark.slow),
        ("C", "GRU", {"reset_after": False}, flags_of),
        pytest.param("C", "LSTM", {"bidirectional": True}, all_of, marks=pytest.mark.slow),
        pytest.param("C", "RNN", {"masked_output": "hold", "num_layers": 2}, some_lengths, marks=pytest.mark.slow),
    ],
)
def test_scripts_of_nets_without_clusters(
    tier: str,
    kind: str,
    options: dict[str, Any],
    rows: Callable[..., Rows],
    emulated: PtxDevice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With products on tensor cores, however few steps are live."""
    for module in (choices, multiply):
        monkeypatch.setattr(module, "FEWEST", 1)
    emulated.limits = LIMITS[tier]

    def made() -> Any:
        return getattr(rnnfast, kind)(INPUTS, SIZE, seed=1, **options).to("cuda")

    net = made()
    for seed in range(4):
        given = rows(np.random.default_rng(100 + seed))
        emulated.launched.clear()
        found, launched = results(net, seed, given), [*emulated.launched]
        if seed > 1:
            emulated.launched.clear()
            right = results(made(), seed, given)
            assert launched == emulated.launched and len(found) == len(right)
            assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))
    assert len(scripts(net)) == 2


@pytest.mark.parametrize(("tier", "kind", "rows"), [("A", "RNN", all_of), ("C", "GRU", flags_of), ("D", "RNN", all_of)])
def test_backward_after_another_call(
    tier: str, kind: str, rows: Callable[..., Rows], emulated: PtxDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same form, with other rows: each backward is that of its own call, whether a script runs it or not."""
    monkeypatch.setattr(choices, "FEWEST", 1)
    emulated.limits = LIMITS[tier]

    def made() -> Any:
        return getattr(rnnfast, kind)(INPUTS, SIZE, seed=1).to("cuda")

    net, given = made(), [rows(np.random.default_rng(100 + seed)) for seed in range(4)]
    for pair in ((0, 1), (2, 3), (1, 2)):
        first, second = (begun(net, seed, given[seed]) for seed in pair)
        found = [first(), second()]
    for seed, each in zip(pair, found, strict=True):
        right = results(made(), seed, given[seed])
        assert all(np.array_equal(a, b) for a, b in zip(each, right, strict=True))
    assert len(scripts(net)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
def test_what_is_read_of_a_call_that_a_script_ran(capability: tuple[int, int], emulated: PtxDevice) -> None:
    """Its activations, norms of gradients, a second backward: of the rows that were live in it, not in a later one.

    Nor in the caller's arrays as they are by then.
    """
    emulated.limits = replace(LIMITS["A"], capability=capability)
    net, other = (rnnfast.RNN(INPUTS, SIZE, seed=1).to("cuda") for _ in range(2))
    for seed in range(2):
        results(net, 0, all_of(np.random.default_rng(seed)))
    x = EmulatedArray(np.ones((STEPS, BATCH, INPUTS), np.float32))
    dy = EmulatedArray(np.ones((STEPS, BATCH, SIZE), np.float32))
    mask = np.array([[1, 0], [1, 1], [0, 1]], bool)
    rows = all_of(np.random.default_rng(3)) | {"lengths": np.array([3, 2]), "mask": mask}
    right = other.record(x, **{name: a.copy() for name, a in rows.items()}, keep=True)[2]
    first = net.record(x, **rows, keep=True)[2]
    for a in rows.values():
        a[:] = 1
    net.record(x, **rows)
    for name, values in right.gates().items():
        np.testing.assert_array_equal(first.gates()[name], values)
    found, expected = (tape.backward(dy, monitor=True) for tape in (first, right))
    for name, values in expected.state_norms.items():
        np.testing.assert_array_equal(found.state_norms[name], values)
    again = first.backward(dy)
    assert all(np.array_equal(a.memory, b.memory) for a, b in zip(again.arrays, expected.arrays, strict=True))


def test_why_clusters_do_not_hold_outputs(emulated: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said of every call, whether a script ran it or not."""
    for module in (choices, multiply):
        monkeypatch.setattr(module, "FEWEST", 1)
    net = rnnfast.RNN(INPUTS, SIZE, masked_output="hold", seed=1).to("cuda")
    x = EmulatedArray(np.ones((STEPS, BATCH, INPUTS), np.float32))
    for _ in range(3):
        tape = net.record(x, mask=np.eye(STEPS, BATCH, dtype=bool))[2]
        assert tape.ran_on.endswith("; clusters hold no outputs")
    assert scripts(net)


def test_calls_in_which_no_step_is_live(emulated: PtxDevice) -> None:
    """They start no product, so that no script serves them."""
    net = rnnfast.RNN(INPUTS, SIZE, seed=1).to("cuda")
    for seed in range(3):
        y = results(net, seed, {"lengths": [0, 0]})[0]
        assert not y.any()
    assert not scripts(net)


@pytest.mark.parametrize("batch_first", [False, True])
def test_dx_among_numbers_of_others(batch_first: bool, emulated: PtxDevice) -> None:
    """Zeros where steps are not live, and what lies between the rows of dx stays."""
    shape = (BATCH, STEPS) if batch_first else (STEPS, BATCH)
    net = rnnfast.RNN(INPUTS, SIZE, seed=1, batch_first=batch_first).to("cuda")
    x, dy = (EmulatedArray(np.ones((*shape, n), np.float32)) for n in (INPUTS, SIZE))
    grads = net.record(x, lengths=[3, 1])[2].backward(dy)
    right = np.array(grads.x.memory)
    memory: Array = np.full((*shape, INPUTS + 2), 7, np.float32)
    for _ in range(3):
        memory[..., :INPUTS] = np.nan
        dx = EmulatedArray(memory[..., :INPUTS])
        net.record(x, lengths=[3, 1])[2].backward(dy, out=replace(grads, x=dx))
        np.testing.assert_array_equal(memory[..., :INPUTS], right)
        assert (memory[..., INPUTS:] == 7).all() and (memory == 0).any()
