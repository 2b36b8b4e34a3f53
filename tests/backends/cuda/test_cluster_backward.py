"""Backward by clusters, its source run by the emulator: every gradient, rows that differ, bits, what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from agreement import promised
from cluster_backward import gradients, recorded, run_backward
from cuda_emulator import Deadlock
from ptx_emulator import PtxEmulator
from ptx_threads import WARP, Scheduler
from support import GRADIENTS as PARAMETER_GRADIENTS
from support import Results, Spec, copy_of, error, live_and_cut, make_problem, outputs_of, pick

from rnnfast.backends.common import whole
from rnnfast.backends.cuda.cluster.gradients import GRADIENTS
from rnnfast.backends.reference import backend as reference
from rnnfast.problem import Problem

ALL_CELLS = pytest.mark.parametrize("cell", list(GRADIENTS))
SMALL: dict[str, Any] = {"steps": 4, "batch": 3, "hidden_size": 21}
"""Two blocks, of which the second has five units."""
RAGGED: dict[str, Any] = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.4}
WANTED = ("dx", "dh0", "dc0", *PARAMETER_GRADIENTS)


def truth_of(problem: Problem) -> Results:
    """The reference's gradients in float64."""
    truth = copy_of(problem, np.float64)
    whole.forward(reference, truth)
    whole.backward(truth)
    return pick(outputs_of(truth), WANTED)


def backward(problem: Problem, emulator: PtxEmulator, **options: Any) -> tuple[Results, Results]:
    """What the kernel writes, and all gradients."""
    records = recorded(problem)
    found = run_backward(problem, records, emulator, **options)
    return found, gradients(problem, records, found)


def assert_right(results: Results, problem: Problem) -> None:
    """Every gradient within what is promised of float32."""
    truth = truth_of(problem)
    assert truth.keys() == results.keys()
    for name, expected in truth.items():
        assert error(results[name], expected) <= promised(expected, "float32"), name


@pytest.mark.covering(1)
@ALL_CELLS
@pytest.mark.parametrize("hidden_size", [8, 21])
def test_it_agrees_with_the_reference(cell: str, hidden_size: int) -> None:
    problem = make_problem(replace(Spec(cell, **SMALL), hidden_size=hidden_size), "float32")
    found, all_gradients = backward(problem, PtxEmulator())
    assert found["error"] == 0
    assert_right(all_gradients, problem)


@pytest.mark.parametrize(("cell", "order"), [("lstm", 1), ("gru", 2)])
def test_several_tiles_both_directions_no_states_and_a_batch_that_comes_first(cell: str, order: int) -> None:
    problem = make_problem(Spec(cell, steps=3, batch=9, hidden_size=6, directions=2, states=False), "float32")
    problem.dh_n = problem.dc_n = None
    found, all_gradients = backward(problem, PtxEmulator(order), batch_first=True)
    assert_right(all_gradients, problem)
    again = run_backward(problem, recorded(problem), PtxEmulator(order + 2), batch_first=True)
    assert all(np.array_equal(again[name], value) for name, value in found.items())


def test_without_dy() -> None:
    problem = make_problem(Spec("lstm", **SMALL), "float32")
    problem.dy = None
    _, all_gradients = backward(problem, PtxEmulator())
    assert_right(all_gradients, replace(problem, dy=np.zeros((4, 3, 21), np.float32)))


@ALL_CELLS
def test_rows_that_differ(cell: str) -> None:
    """Dead steps have no part in gradients, whatever x, dy and the records hold there."""
    problem = make_problem(Spec(cell, **SMALL, directions=2, **RAGGED), "float32")
    live, _ = live_and_cut(problem)
    assert problem.dy is not None
    problem.x[~live], problem.dy[~live] = np.nan, np.nan
    found, all_gradients = backward(problem, PtxEmulator(0))
    assert found["error"] == 0
    assert_right(all_gradients, replace(problem, x=np.nan_to_num(problem.x), dy=np.nan_to_num(problem.dy)))


def test_tiles_by_length() -> None:
    problem = make_problem(Spec("gru", steps=5, batch=11, hidden_size=5, lengths=True, directions=2), "float32")
    found, all_gradients = backward(problem, PtxEmulator(3))
    assert_right(all_gradients, problem)


def test_two_bands_of_a_warp() -> None:
    problem = make_problem(Spec("rnn_tanh", steps=2, batch=1, hidden_size=130, bias=False), "float32")
    _, all_gradients = backward(problem, PtxEmulator())
    assert_right(all_gradients, problem)


def test_a_row_has_the_same_bits_alone() -> None:
    problem = make_problem(Spec("lstm", steps=3, batch=9, hidden_size=10), "float32")
    records = recorded(problem)
    together = run_backward(problem, records, PtxEmulator())
    rows = [8]
    alone = replace(problem, batch=1, **{name: getattr(problem, name)[:, rows] for name in ("x", "dy", "dh_n", "dc_n")})
    kept = {name: a[:, :, rows].copy() for name, a in records.items() if name in ("gates", "c", "h")}
    found = run_backward(alone, kept, PtxEmulator())
    np.testing.assert_array_equal(found["d"], together["d"][:, :, rows])
    np.testing.assert_array_equal(found["first_h"], together["first_h"][:, rows])


@pytest.mark.parametrize("late", [0, 1])
def test_a_warp_may_be_late(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warp goes on only where nobody else can and no message is under way: nothing overtakes what it reads."""
    problem = make_problem(Spec("lstm", steps=4, batch=1, hidden_size=17), "float32")
    records = recorded(problem)
    right = run_backward(problem, records, PtxEmulator())

    def run(self: Scheduler) -> None:
        for thread in self.alive:
            thread.slow = (thread.block.number, thread.number // WARP) == (0, late)
        everyone = sorted(self.alive, key=lambda thread: (thread.block.number, thread.number))
        self.ready.clear()
        self.wake(everyone)
        while self.alive:
            if self.messages and not self.ready:
                self.messages.popleft()()
                continue
            thread = (self.ready or self.slow).popleft()
            thread.switch()
            if thread.dead:
                self.alive.discard(thread)
                thread.block.alive -= 1

    monkeypatch.setattr(Scheduler, "run", run)
    found = run_backward(problem, records, PtxEmulator())
    assert all(np.array_equal(found[name], value) for name, value in right.items())


def test_waits_have_an_end() -> None:
    problem = make_problem(Spec("lstm", **SMALL), "float32")
    records, emulator = recorded(problem), PtxEmulator()
    run_backward(problem, records, emulator)
    emulator.impatient = True
    emulator.without = next(site for site in emulator.sites if site[0] == "send4")
    assert run_backward(problem, records, emulator, patience=3)["error"] == 1


def test_every_barrier_is_needed() -> None:
    """Without one of them results are wrong, or threads wait for ever, in some order of threads."""
    problem = make_problem(Spec("lstm", steps=4, batch=2, hidden_size=17), "float32")
    records, first = recorded(problem), PtxEmulator()
    right = run_backward(problem, records, first)
    ends = max(line for name, _, line in first.sites if name == "sync_cluster")
    for site in sorted(first.sites):
        if site[2] == ends or site[0] == "sync_warp":  # the end of a block's memory; a warp's reconvergence
            continue
        assert any(_goes_wrong(problem, records, right, site, order) for order in range(4)), site


def _goes_wrong(problem: Problem, records: Results, right: Results, site: Any, order: int) -> bool:
    emulator = PtxEmulator(order)
    emulator.without = site
    try:
        found = run_backward(problem, records, emulator)
    except (Deadlock, IndexError, AssertionError):
        return True
    return any(not np.array_equal(found[name], value) for name, value in right.items())
