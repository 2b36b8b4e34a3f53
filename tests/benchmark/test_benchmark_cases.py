"""The cases of `rnnfast bench`: their suites and filters, their data, their arithmetic and rooflines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.benchmark import check
from rnnfast.benchmark.cases import PARTS, Case, Filter
from rnnfast.benchmark.data import make_data
from rnnfast.benchmark.pairs import PAIRS
from rnnfast.benchmark.probes import BareCall, Probes
from rnnfast.benchmark.roofline import Bytes, Rates, bytes_of, least_seconds
from rnnfast.benchmark.suites import SUITES


def test_flops_and_bytes_by_hand() -> None:
    case = Case("lstm", steps=2, batch=3, hidden=4, inputs=5)
    assert case.flops == 2 * (4 * 4) * (5 + 4) * (2 * 3)
    assert bytes_of(case) == Bytes(recurrent=4 * 64, times=2, once=4 * (16 * 5 + 6 * (5 + 4)))
    training = replace(case, work="training", dtype="float64")
    assert training.flops == 3 * case.flops
    x_y_dx_dy, gates_and_c = 6 * (2 * (5 + 4) + 5 + 4), 2 * 6 * 5 * 4
    once = 8 * (2 * 16 * 5 + x_y_dx_dy + gates_and_c + 16 * 5 + 16 * 4)
    assert bytes_of(training) == Bytes(recurrent=8 * 64, times=4, once=once)


def test_roofline_is_the_longer_of_computing_and_reading() -> None:
    case = Case("gru", 10, 1, 64)
    moved = bytes_of(case)
    assert least_seconds(case, Rates(1e9, 1e15, 1e15)) == pytest.approx(case.flops / 1e9)
    slow = Rates(1e15, 1e9, 2e9)
    assert least_seconds(case, slow) == pytest.approx(moved.recurrent * 10 / 1e9 + moved.once / 2e9)
    assert least_seconds(case, Rates(1e9)) == pytest.approx(case.flops / 1e9)


@pytest.mark.parametrize("threads", [1, 2])
def test_probes_give_rates(threads: int) -> None:
    probes = Probes(Case("lstm", 3, 2, 5, threads=threads))
    for work in probes.work.values():
        work()
    rates = probes.rates(dict.fromkeys(probes.work, 1.0))
    assert rates.peak > 1e6
    assert (rates.recurrent is None) == (rnnfast.backends()["c"] is not None)


def test_the_least_call_can_be_timed() -> None:
    if rnnfast.backends()["c"]:
        assert not BareCall().work
    else:
        assert BareCall().work["bare"]() == rnnfast.get_num_threads()


def test_calls_without_a_state_start_from_zeros() -> None:
    case = Case("lstm", 1, 2, 3, call="frozen(x)")
    assert not any(array.any() for array in make_data(case).states)
    assert all(array.any() for array in make_data(replace(case, call="frozen(x, state)")).states)


def test_some_steps_are_reset() -> None:
    resets = make_data(Case("rnn", 16, 8, 4, kind="resets")).resets
    assert resets is not None and resets.dtype == bool and resets.shape == (16, 8)
    assert 0 < resets.mean() < 1 / 2


def test_grid() -> None:
    cases = list(SUITES["grid"]())
    assert len(cases) == len(set(cases)) == 3 * 2 * 4 * 4 * 5
    assert Case("gru", 1024, 64, 128, "training") in cases
    kept = list(filter(Filter(max_gflop=30), cases))
    assert Case("lstm", 1024, 64, 1024) not in kept
    assert max(case.forward_flops for case in kept) <= 30e9
    assert set(SUITES["quick"]()) < set(cases) | {replace(case, hidden=32) for case in cases}


def test_the_suite_of_torch_has_the_grid_and_parts_of_its_own() -> None:
    cases = list(SUITES["torch"]())
    assert len(cases) == len(set(cases))
    assert sum(case.part == "grid" for case in cases) == 3 * 2 * 3 * 3 * 4
    assert {case.hidden for case in cases if case.part == "grid"} == {32, 128, 256, 512}
    assert max(case.hidden for case in cases) == 1024 and max(case.batch for case in cases) == 128
    assert all(case.work == "training" and case.kind == "ragged" for case in cases if case.part == "packed")
    assert all(filter(Filter(), cases)), "no case is left out for its size"
    assert {case.part for case in cases} == set(PARTS) - PAIRS.keys()
    cells = [case for case in cases if Filter(parts=("cells",))(case)]
    assert len(cells) == 27 and {case.call for case in cells} == {"cell(x, state), backward"}


def test_deepbench_has_all_its_shapes() -> None:
    cases = list(SUITES["deepbench"]())
    training = [case for case in cases if case.work == "training"]
    assert (len(training), len(cases) - len(training)) == (53, 69 + 2)
    assert Case("gru", 1500, 32, 2816, "training") in cases and Case("rnn_relu", 672, 1, 32) in cases
    assert len(set(cases)) == len(cases)


@pytest.mark.parametrize("suite", SUITES)
def test_filters(suite: str) -> None:
    cases = [case for case in SUITES[suite]() if Filter(cells=("lstm",), works=("training",), batches=(32,))(case)]
    assert all((case.cell, case.work, case.batch) == ("lstm", "training", 32) for case in cases)
    assert bool(cases) == (suite not in ("step", "overhead", "integrations", "weights"))


def test_ragged_lengths_are_unsorted_and_within_bounds() -> None:
    data = make_data(Case("rnn", 50, 32, 4, kind="ragged"))
    assert data.lengths is not None
    assert data.lengths.min() >= 1 and data.lengths.max() <= 50
    assert (np.diff(data.lengths) > 0).any() and (np.diff(data.lengths) < 0).any()
    assert data.fill == data.lengths.sum() / (50 * 32)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_subnormal_states_stay_subnormal(cell: Any) -> None:
    case = Case(cell, 100, 2, 64, kind="subnormal")
    limits = np.finfo("float32")
    for name, found in (check.truth(case) | check.truth(replace(case, work="training"))).items():
        if name in ("y", "h_n", "c_n", "x", "h0", "c0"):
            size = np.abs(found[[0, -1]]).mean()
            assert 100 * limits.smallest_subnormal < size < 0.5 * limits.tiny, name
