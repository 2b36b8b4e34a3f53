"""Plans of ragged rows: those of lengths, which the host keeps, are those of masks that say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from ptx_device import PtxDevice
from support import Spec, make_problem

from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.plan import Plan, make_plan
from rnnfast.problem import Problem

ARRAYS = "live", "rows", "previous", "last", "positions", "shown", "repeats"


def ragged(lengths: list[int], *, masked: bool = False) -> Problem:
    """A call of five steps whose rows end so, by lengths or by a mask."""
    problem = make_problem(Spec("rnn_tanh", 5, len(lengths), 2, 3), "float32")
    ends = np.array(lengths, np.int64)
    mask = (np.arange(5)[:, None] < ends).astype(np.uint8)
    return replace(problem, lengths=None if masked else ends, mask=mask if masked else None)


def same(a: Plan, b: Plan) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ARRAYS)


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("direction", [0, 1])
def test_lengths_and_masks_make_the_same_plans(direction: int, hold: bool) -> None:
    for lengths in ([5, 0, 3], [3, 0, 5], [5, 0, 3], [0, 0], []):
        by_lengths, by_mask = (
            make_plan(ragged(lengths, masked=masked), direction, hold=hold) for masked in (False, True)
        )
        assert same(by_lengths, by_mask) and by_lengths.holds == hold
        for groups in (1, 2):
            np.testing.assert_array_equal(by_lengths.bounds(groups), by_mask.bounds(groups))


def test_plans_of_the_same_lengths_share_nothing_on_the_device() -> None:
    device, made = PtxDevice(), list[tuple[Plan, dict[Any, int]]]()
    call = DeviceCall(device, None, np.dtype("float32"))
    for _ in range(2):
        plan = make_plan(ragged([5, 0, 3]), 0, hold=False)
        made.append((plan, {name: plan.on(call, name) for name in (2, "rows", "positions")}))
    (first, of_first), (second, of_second) = made
    assert first.rows is second.rows and not {*of_first.values()} & {*of_second.values()}
    for name, address in of_second.items():
        array = second.bounds(name) if isinstance(name, int) else getattr(second, name)
        (piece,) = (p for p in second._pieces if p.address <= address < p.address + p.nbytes)
        begin = address - piece.address
        assert piece.frame[begin : begin + array.nbytes].tobytes() == array.tobytes()
