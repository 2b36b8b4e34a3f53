"""Tables that the device makes of lengths, masks and resets: those that NumPy makes of the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import Deadlock
from ptx_device import PtxDevice
from ragged_tables import Given, entry_tables, tile_tables

from rnnfast.backends.cuda import step_flags
from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.cluster import tile_tables as tile_tables_of_device
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.ragged import Ragged, RaggedPlan
from rnnfast.problem import Array

DIRECTIONS = (0,), (1,), (0, 1)
SHAPES = (5, 3), (1, 1), (1, 9), (7, 1), (3, 40), (4, 8), (6, 17)
"""Among them more rows than threads of a block, and numbers of positions that are no multiple of eight."""
LARGE = (3, 75), (1, 130)
"""Shapes for blocks of 70 threads: several words of rows, the last in part, and more rows than threads."""


def calls(steps: int, batch: int, seed: int = 1) -> Iterator[Given]:
    """Every set of what can be given, with values of many kinds: all live, none, first and last steps, any."""
    rng = np.random.default_rng(seed)
    for has_lengths, kind, cuts in itertools.product((False, True), (None, 0.0, 1.0, 0.5), (None, 0.0, 1.0, 0.4)):
        lengths = rng.integers(0, steps + 1, batch) if has_lengths else None
        mask, resets = [
            None if part is None else (rng.random((steps, batch)) < part).astype(np.uint8) for part in (kind, cuts)
        ]
        if has_lengths or kind is not None or cuts is not None:
            yield lengths, mask, resets


def check(call: DeviceCall, plan: Any, name: str, expected: Array) -> None:
    np.testing.assert_array_equal(array_at(plan.on(call, name), expected.shape, expected.dtype.type), expected, name)


@pytest.fixture(params=[(512, None), (2, 3)], ids="{0[0]} blocks, order {0[1]}".format)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> PtxDevice:
    """With the most blocks that share visits, and an order of threads."""
    device, (blocks, order) = PtxDevice(), request.param
    monkeypatch.setattr(step_flags, "BLOCKS_MOST", blocks)
    device.order = order
    return device


@pytest.mark.parametrize("shape", [*SHAPES, *LARGE], ids=str)
def test_tables_of_entries(shape: tuple[int, int], device: PtxDevice) -> None:
    if shape in LARGE:
        device.limits = replace(device.limits, threads=70)
    call, groups = DeviceCall(device, None), itertools.cycle({1, min(2, shape[1]), min(3, shape[1]), shape[1]})
    for given, directions in zip(calls(*shape), itertools.cycle(DIRECTIONS), strict=False):
        rows = Ragged(shape, directions, *given, groups=next(groups), hold=True, by_step=True)
        memory = np.full(rows.size + 16, 0xAB, np.uint8)
        rows.bring(call, memory.ctypes.data)
        assert (memory[-16:] == 0xAB).all()
        for number, direction in enumerate(directions):
            right, plan = entry_tables(shape, given, direction), RaggedPlan(rows, number)
            for name in ("rows", "previous", "last", "positions", "shown", "alive", "repeats"):
                check(call, plan, name, getattr(right, name))
            check(call, plan, "bounds", right.bounds(rows.groups))
            check(call, plan.held(), "shown", right.held)
            np.testing.assert_array_equal(plan.positions, right.positions)
            visits = [(v, start, stop - start) for v, (start, stop) in enumerate(right.bounds(1).tolist())]
            assert plan.visits() == visits and plan.count == len(right.rows)
            assert plan.held().holds and not plan.holds


@pytest.mark.parametrize("shape", [*SHAPES, *LARGE, (0, 3)], ids=str)
def test_tables_of_clusters(shape: tuple[int, int], device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    if shape in LARGE:
        device.limits = replace(device.limits, threads=70)
    else:
        monkeypatch.setattr(tile_tables_of_device, "KEYS", 7)
    call, (steps, batch) = DeviceCall(device, None), shape
    given: Given
    each = itertools.cycle((8, 3, 1))
    for given, directions, rows in zip(calls(*shape), itertools.cycle(DIRECTIONS), each, strict=False):
        live = Live(shape, directions, *given, rows)
        memory: Array = np.full(live.room + 4, -7, np.int32)
        found, right = live.bring(call, memory.ctypes.data), tile_tables(shape, given, directions, rows)
        expected = right._asdict() | {"rows": live.live.reshape(-1).nonzero()[0].astype(np.int32)}
        if given[0] is not None:
            expected["lengths"] = given[0].astype(np.int32)
        assert found.keys() == expected.keys() - (set() if any(a is not None for a in given[1:]) else {"flags"})
        for name, address in found.items():
            array = expected[name]
            np.testing.assert_array_equal(array_at(address, array.shape, array.dtype.type), array, name)
        assert live.count == len(expected["rows"]) and (memory[-4:] == -7).all()
        assert live.flags_away == ((steps + 1) * batch if "flags" in found else 0)


def test_nothing_is_started_for_no_rows() -> None:
    """Kernels divide by how many there are."""
    device, lengths = PtxDevice(), np.zeros(0, np.int64)
    live = Live((3, 0), (0, 1), lengths, None, None)
    memory: Array = np.zeros(live.room + 1, np.int32)
    live.bring(DeviceCall(device, None), memory.ctypes.data)
    assert not device.launched and live.count == 0


def tables_of(device: PtxDevice) -> list[bytes]:
    """All that is written, of both directions, of rows of which each is live at one step."""
    call, mask = DeviceCall(device, None), (np.arange(4)[:, None] == np.arange(11) * 3 % 4).astype(np.uint8)
    rows, live = Ragged((4, 11), (0, 1), None, mask, None), Live((4, 11), (0, 1), None, mask, None)
    memory = [np.zeros(size, np.uint8) for size in (rows.size, 4 * live.room)]
    rows.bring(call, memory[0].ctypes.data), live.bring(call, memory[1].ctypes.data)
    return [each.tobytes() for each in memory]


def goes_wrong(device: PtxDevice, right: list[bytes]) -> bool:
    """Whether some order of threads writes something else, or hangs."""
    for device.order in range(20):
        try:
            if tables_of(device) != right:
                return True
        except Deadlock:
            return True
    return False


def test_every_barrier_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_tables_of_device, "KEYS", 4)
    device = PtxDevice()
    device.limits = replace(device.limits, threads=8)
    right, barriers = tables_of(device), sorted(device.cuda.barriers)
    assert [file for file, _ in barriers] == ["step_flags.py"] * 5 + ["tile_tables.py"] * 5
    before_count = barriers.pop(
        5
    )  # where a block is counted: slow warps have just met the others, so no order shows it
    assert before_count[0] == "tile_tables.py"
    for device.cuda.without in barriers:
        assert goes_wrong(device, right), f"nothing shows that {device.cuda.without} is missing"


@pytest.mark.parametrize("direction", [0, 1])
def test_plans_where_all_rows_are_live(direction: int) -> None:
    for steps, batch in SHAPES:
        call, plan = DeviceCall(PtxDevice(), None), Plan(steps, batch, direction == 0)
        right = entry_tables((steps, batch), (None, np.ones((steps, batch)), None), direction)
        for name in ("rows", "previous", "last", "positions", "shown", "alive"):
            check(call, plan, name, getattr(right, name))
        for groups in (1, batch):
            check(call, plan, groups, right.bounds(groups))  # type: ignore[arg-type]
        assert plan.visits() == [(v, v * batch, batch) for v in range(steps)]


def test_counts_of_calls_that_are_like_one_another() -> None:
    """What follows from the rows of one call is right of another's."""
    for (one, two), directions in itertools.product(itertools.pairwise(calls(5, 3)), DIRECTIONS):
        first, second = (Ragged((5, 3), directions, *given, by_step=True) for given in (one, two))
        for number in range(len(directions)):
            right = RaggedPlan(second, number).visits()
            found = RaggedPlan(first, number).visits()
            assert [(v, start.of(second.numbers), count.of(second.numbers)) for v, start, count in found] == right  # type: ignore[attr-defined]
        assert first.count.of(second.numbers) == second.count


def test_what_is_brought_is_a_copy_and_small() -> None:
    """Nobody can change it while it travels, nor what is read of it later."""
    rng = np.random.default_rng(1)
    mask, resets = (rng.random((64, 32)) < 0.5 for _ in range(2))
    rows = Ragged((64, 32), (0,), None, mask.view(np.uint8), resets.view(np.uint8))
    right = mask.copy()
    mask[:] = False
    assert len(rows.together) == 2 * 64 * 32 // 8
    np.testing.assert_array_equal(rows.live, right)
