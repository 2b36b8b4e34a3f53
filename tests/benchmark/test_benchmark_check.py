"""The check and the clock of `rnnfast bench`: who is right is timed, who is wrong or cannot run is named."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.benchmark import check, peers, timing, worker
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.peer import Prepared
from rnnfast.benchmark.peer_rnnfast import Backend
from rnnfast.benchmark.suites import overhead, torch
from rnnfast.modules.cells import StepCell
from rnnfast.modules.frozen import Frozen
from rnnfast.modules.recurrent import Recurrent
from rnnfast.modules.stream import Stream

SMALL = Case("lstm", 3, 2, 5)
NAMES = ["c", *peers.REQUIRES, *peers.INSIDE]
CALLS = {(case.call, case.kind, case.work): case for case in reversed((*overhead(), *torch())) if case.call}
EVERY_PAIR = pytest.mark.covering(2)


@pytest.fixture(autouse=True)
def clock_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of one call each; and the collection of garbage before them need not go through what all tests made."""
    for pace in ("USUAL", "SHORT"):
        monkeypatch.setattr(worker, pace, timing.Pace(0, timing.MIN_ROUNDS))
    gc.freeze()


@EVERY_PAIR
@pytest.mark.parametrize("kind", ["dense", "ragged", "resets", "subnormal"])
@pytest.mark.parametrize("work", ["forward", "training"])
@pytest.mark.parametrize("cell", ["rnn", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("name", ["c", *peers.REQUIRES])
def test_every_candidate_is_right(name: str, cell: Any, work: Any, kind: Any) -> None:
    right_or_lacking(name, Case(cell, 6, 3, 17, work, inputs=5, kind=kind))


@EVERY_PAIR
@pytest.mark.parametrize("kind", ["dense", "subnormal"])
@pytest.mark.parametrize("cell", ["rnn", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("name", ["c", *peers.REQUIRES])
def test_every_candidate_steps_right(name: str, cell: Any, kind: Any) -> None:
    right_or_lacking(name, Case(cell, 1, 3, 17, "step", inputs=5, kind=kind))


@EVERY_PAIR
@pytest.mark.parametrize("case", CALLS.values(), ids=str)
@pytest.mark.parametrize("cell", ["rnn_relu", "lstm"])
@pytest.mark.parametrize("name", NAMES)
def test_every_call_is_right(name: str, cell: Any, case: Case) -> None:
    right_or_lacking(name, replace(case, cell=cell, steps=min(case.steps, 3), batch=3, hidden=17))


@EVERY_PAIR
@pytest.mark.parametrize(("kind", "work"), [("dense", "forward"), ("ragged", "training"), ("resets", "training")])
@pytest.mark.parametrize("cell", ["rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("name", peers.INSIDE)
def test_nets_inside_another_library_are_right(name: str, cell: Any, work: Any, kind: Any) -> None:
    right_or_lacking(name, Case(cell, 6, 3, 17, work, inputs=5, kind=kind))


def test_float64_in_jax_leaves_its_setting_to_the_process() -> None:
    jax = pytest.importorskip("jax", reason="jax is not installed")
    case = Case("lstm", 6, 3, 17, "training", inputs=5, dtype="float64")
    before = jax.config.jax_enable_x64
    try:
        right_or_lacking("jax", case)
        results = peers.peer("jax").prepare(case, make_data(case)).results()
        assert jax.config.jax_enable_x64 == before is False
    finally:
        jax.config.update("jax_enable_x64", before)
    assert {array.dtype.name for array in results.values()} == {"float64"}


def right_or_lacking(name: str, case: Case) -> None:
    in_c = name == "c" or name in peers.INSIDE
    if why := (rnnfast.backends()["c"] if in_c else None) or (None if name == "c" else peers.reason(name)):
        pytest.skip(why)
    found = worker.measure(case, [name], name, 0, probe=False)
    assert not found.wrong
    assert found.samples.keys() | found.skipped.keys() == {name}
    assert "Error" not in found.skipped.get(name, "")


@pytest.mark.parametrize(
    "call", ["stream.step(x, out=)", "stream.step(x)", "frozen(x)", "frozen(x, state)", "module(x)", "cell(x, state)"]
)
def test_a_call_is_made_as_it_says(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noted(kind: type, method: str, text: str) -> None:
        original = getattr(kind, method)

        def calling(self: Any, *given: Any, **named: Any) -> Any:
            made.append(f"{text}({', '.join(['x', 'state'][: len(given)] + [f'{name}=' for name in named])})")
            return original(self, *given, **named)

        monkeypatch.setattr(kind, method, calling)

    noted(Stream, "step", "stream.step")
    noted(Frozen, "__call__", "frozen")
    noted(Recurrent, "__call__", "module")
    noted(StepCell, "__call__", "cell")
    case = Case("lstm", 1, 2, 5, "step" if "step" in call else "forward", call=call)
    prepared = Backend("reference").prepare(case, make_data(case))
    made.clear()
    prepared.work()
    assert made == [call]


class Planted:
    """The reference with one result changed."""

    def __init__(self, change: str) -> None:
        self.change = change

    def lacks(self, case: Case) -> str | None:
        return None

    def prepare(self, case: Case, data: Any) -> Prepared:
        right = Backend("reference").prepare(case, data)

        def arrays(result: Any) -> dict[str, Any]:
            found = right.arrays(result)
            found[self.change] = found[self.change] * 1.001
            return found

        return Prepared(right.work, arrays)


@pytest.mark.parametrize("change", ["y", "x", "c0", "weight_hh_l0", "bias_ih_l0"])
def test_a_wrong_result_gets_no_time(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "peer", lambda name: Planted(change) if name == "wrong" else peers.peer(name))
    found = worker.measure(replace(SMALL, work="training"), ["reference", "wrong"], "reference", 0, probe=False)
    assert found.samples.keys() == {"reference"}
    assert re.search(rf"^{change} is off by 0\.001 of its norm", found.wrong["wrong"])


def test_a_long_case_is_checked_on_its_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("lstm", 40, 2, 5)
    monkeypatch.setattr(check, "MAX_FLOPS", case.flops / 4)
    assert check.checked_case(case) == replace(case, steps=10)
    assert not worker.measure(case, ["reference"], "reference", 0, probe=False).wrong
    results = dict(check.truth(replace(case, steps=40)))
    assert check.prefix_fault(case, results) is None
    results["y"] = results["y"] * 1.001
    assert "y is off" in (check.prefix_fault(case, results) or "")
    results["h_n"] = results["h_n"] * np.nan
    assert check.prefix_fault(case, results) == "h_n is not finite"


def test_what_cannot_run_is_noted_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def lacks(self, case: Case) -> str | None:
            return "has no LSTM" if case.cell == "lstm" else None

        def prepare(self, case: Case, data: Any) -> Prepared:
            raise OSError("out of luck")

    monkeypatch.setattr(worker, "peer", lambda name: peers.peer(name) if name == "reference" else Broken())
    names = ["reference", "torch", "c"]
    found = worker.measure(SMALL, names, "reference", 0, probe=False)
    assert found.samples.keys() == {"reference"} and found.skipped == {"torch": "has no LSTM", "c": "has no LSTM"}
    found = worker.measure(replace(SMALL, cell="gru"), names, "reference", 0, probe=False)
    assert found.skipped == {"torch": "OSError: out of luck"}
    assert found.wrong == {"c": "OSError: out of luck"}, "our own backends may not fail"


def test_work_runs_within_its_context() -> None:
    within: list[str] = []

    @contextmanager
    def context() -> Iterator[None]:
        within.append("entered")
        yield
        within.append("left")

    sampler = timing.Sampler(lambda: within.append("work"), context)
    within.clear()
    sampler.sample()
    assert (within[0], within[-1]) == ("entered", "left") and set(within[1:-1]) == {"work"}


def test_samples_are_taken_in_turn() -> None:
    calls: list[str] = []
    work = {name: timing.Sampler(lambda name=name: calls.append(name)) for name in "ab"}
    calls.clear()
    samples = timing.take_turns(work, seconds=0)
    assert {name: len(times) for name, times in samples.items()} == {"a": timing.MIN_ROUNDS, "b": timing.MIN_ROUNDS}
    assert all(0 < seconds < 1 for times in samples.values() for seconds in times)
    changes = sum(one != other for one, other in zip(calls, calls[1:], strict=False))
    assert timing.MIN_ROUNDS <= changes < 2 * timing.MIN_ROUNDS
