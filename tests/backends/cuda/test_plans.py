"""Tables that the device makes of the lengths of rows: those that the host makes of a mask that says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cluster_forward import tables_of_lengths
from ptx_device import PtxDevice
from support import Spec, make_problem

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.lengths import Lengths, LengthsPlan
from rnnfast.backends.cuda.plan import Plan, make_plan
from rnnfast.problem import Array

STEPS = 5
LENGTHS = [5, 0, 3], [3, 0, 5], [5, 5, 1, 2, 5], [0, 0], [4]
DIRECTIONS = (0,), (1,), (0, 1)


def plan_of_mask(lengths: list[int], direction: int, *, hold: bool) -> Plan:
    """The plan of five steps whose rows end so, by a mask."""
    problem = make_problem(Spec("rnn_tanh", STEPS, len(lengths), 2, 3), "float32")
    mask = (np.arange(STEPS)[:, None] < lengths).astype(np.uint8)
    return make_plan(replace(problem, mask=mask), direction, hold=hold)


def brought(call: DeviceCall, lengths: Lengths, plans: list[LengthsPlan]) -> Array:
    """The memory that their tables are in."""
    memory = np.full(lengths.bytes_with(plans) + 16, 0xAB, np.uint8)
    lengths.bring(call, plans, memory.ctypes.data)
    assert (memory[-16:] == 0xAB).all()
    return memory


def table(call: DeviceCall, plan: LengthsPlan, name: str, expected: Array) -> Array:
    return array_at(plan.on(call, name), expected.shape, expected.dtype.type)


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_lengths_and_masks_make_the_same_plans(lengths: list[int], hold: bool) -> None:
    call, given = DeviceCall(PtxDevice(), None), Lengths((STEPS, len(lengths)), np.array(lengths, np.int64), (0, 1))
    for groups in {1, 2, len(lengths)}:
        plans = [LengthsPlan(given, direction, direction, groups, hold=hold) for direction in (0, 1)]
        memory = brought(call, given, plans)
        for direction, plan in enumerate(plans):
            right = plan_of_mask(lengths, direction, hold=False)
            for name in ("rows", "previous", "last", "positions", "shown", "everyone", "alive"):
                expected = getattr(right, name)
                np.testing.assert_array_equal(table(call, plan, name, expected), expected, name)
            bounds = right.bounds(groups)
            np.testing.assert_array_equal(table(call, plan, "bounds", bounds), bounds)
            np.testing.assert_array_equal(plan.positions, right.positions)
            np.testing.assert_array_equal(plan.live, right.live)
            assert plan.visits() == right.visits() and plan.count == right.count
            if hold:
                right = plan_of_mask(lengths, direction, hold=True)
                held = plan.held()
                assert held.holds and not plan.holds
                for name in ("shown", "repeats"):
                    expected = getattr(right, name)
                    np.testing.assert_array_equal(table(call, held, name, expected), expected, name)
        del memory


@pytest.mark.parametrize("directions", DIRECTIONS, ids=str)
def test_tables_of_clusters(directions: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    for lengths in (*LENGTHS, rng.integers(0, STEPS + 1, 19)):
        given = np.array(lengths, np.int64)
        live = Live((STEPS, len(given)), directions, given, None, None)
        memory: Array = np.full(live.room, -7, np.int32)
        found = live.bring(DeviceCall(PtxDevice(), None), memory.ctypes.data)
        expected = tables_of_lengths(given, STEPS, directions)._asdict()
        expected["lengths"] = given.astype(np.int32)
        expected["rows"] = (np.arange(STEPS)[:, None] < given).reshape(-1).nonzero()[0].astype(np.int32)
        for name, address in found.items():
            np.testing.assert_array_equal(array_at(address, expected[name].shape, np.int32), expected[name], name)
        assert live.count == given.sum()


def test_counts_of_calls_that_are_like_one_another() -> None:
    """What follows from the rows of one call is right of another's."""
    one, other = (Lengths((STEPS, 3), np.array(lengths, np.int64), (0, 1)) for lengths in LENGTHS[:2])
    plans = [LengthsPlan(one, direction, direction, 1, hold=False) for direction in (0, 1)]
    for direction, plan in enumerate(plans):
        right: list[Any] = plan_of_mask(LENGTHS[1], direction, hold=False).visits()
        assert [(v, first.of(other.numbers), count.of(other.numbers)) for v, first, count in plan.visits()] == right
    assert one.count.of(other.numbers) == 8
