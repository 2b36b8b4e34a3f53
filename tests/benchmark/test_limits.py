"""Which limit a losing case is at: the choice on made-up numbers, and `rnnfast bench` naming one from end to end."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rnnfast
from rnnfast import cli

pytest.importorskip("rich", reason="the benchmark needs rich")
pytest.importorskip("matplotlib", reason="the benchmark needs matplotlib")

from rnnfast.benchmark import command, limits, machine, session, worker
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Rates

CACHES = machine.cache_sizes("L1 32K, L2 1024K, L3 32M")
RATES = Rates(peak=100e9, recurrent=50e9, once=20e9)
LARGE = Case("lstm", 16, 32, 256)
MIB = 1 << 20
HAS_C = pytest.mark.skipif(rnnfast.backends()["c"] is not None, reason="only the C library reads at a known rate")


def made(case: Case, ours: float, torch: float = 0.0, **more: Any) -> Measurement:
    """Return a measurement of ours and torch, seconds."""
    return Measurement(case, "c", samples={"c": [ours] * 3, "torch": [torch] * 3}, **{"rates": RATES, **more})


@pytest.mark.parametrize(
    ("case", "seconds", "name", "share"),
    [
        (LARGE, 6e-3, "FMA peak", 2 * 4 * 256 * 512 * 16 * 32 / 100e9 / 6e-3),
        (replace(LARGE, batch=1), 6e-4, "read bandwidth of L3", (16 * MIB / 50e9 + (MIB + 32768) / 20e9) / 6e-4),
        (replace(LARGE, batch=1, hidden=128), 6e-4, "read bandwidth of L2", None),
        (replace(LARGE, batch=1, hidden=1024, inputs=1), 9e-3, "read bandwidth of L3", None),
        (replace(LARGE, batch=1, hidden=2048, inputs=1), 9e-2, "read bandwidth of memory", None),
        (replace(LARGE, steps=1, batch=1, hidden=512), 9e-4, "read bandwidth of L3", None),
        (Case("lstm", 1, 1, 32), 5e-6, "cost of calls", 4 / 5),
    ],
)
def test_the_limit_that_explains_most(case: Case, seconds: float, name: str, share: float | None) -> None:
    first, *others = limits.limits_of(made(case, seconds, call=4e-6), CACHES)
    assert first.name == name and all(limit.share < first.share for limit in others)
    assert share is None or first.share == pytest.approx(share)
    kinds = {limit.name.partition(" of ")[0] for limit in (first, *others)}
    assert kinds == {"FMA peak", "read bandwidth", "cost"}


def test_what_was_not_measured_is_no_limit() -> None:
    assert [limit.name for limit in limits.limits_of(made(LARGE, 6e-3, rates=Rates(100e9)), CACHES)] == ["FMA peak"]
    assert limits.limits_of(made(LARGE, 6e-3, rates=None), CACHES) == []
    assert limits.limits_of(Measurement(LARGE, "c", rates=RATES), CACHES) == []


def test_steps_that_are_not_live_count_for_nothing() -> None:
    whole, half = (limits.limits_of(made(LARGE, 6e-3, fill=fill), CACHES)[0].share for fill in (1.0, 0.5))
    assert half == pytest.approx(whole / 2)


def test_threads_have_a_share_each_in_the_caches_of_their_own() -> None:
    assert [limits.place(MIB * 3 // 2, threads, CACHES) for threads in (1, 2)] == ["L3", "L2"]
    assert limits.place(33 * MIB, 2, CACHES) == "memory"
    assert "unknown" in limits.place(1, 1, machine.cache_sizes("unknown"))


def test_the_call_that_does_next_to_nothing_is_the_same_otherwise() -> None:
    case = Case("gru", 16, 8, 64, "training", 5, "float64", 2, "resets", "record, backward", "calls")
    assert limits.tiny(case) == replace(case, steps=1, batch=1, hidden=limits.FEW, inputs=limits.FEW)


def test_losing_cases_alone_are_named() -> None:
    rows = [made(LARGE, 6e-3, 5.4e-3, call=6e-6), made(LARGE, 5e-3, 5e-3), made(replace(LARGE, hidden=32), 1, 2)]
    named, legend = limits.lines(rows, ("c",), CACHES)
    assert re.fullmatch(
        r"LSTM forward, float32, 1 thread: T 16 B 32 H 256: 0\.90 beside torch\. Limit: FMA peak 89% "
        r"\(100 GFLOP/s\); read bandwidth of L3 7%, cost of calls 0%",
        named,
    )
    assert "over that of c;" in legend
    assert list(limits.lines(rows[1:], ("c",), CACHES)) == []


@HAS_C
def test_rates_are_measured_where_a_case_has_none() -> None:
    case = Case("rnn", 1, 1, 8, call="frozen(x)")
    found = worker.add_limits(Measurement(case, "reference"))
    assert found.rates is not None and found.rates.once is not None and found.call is not None and found.call > 0
    assert worker.add_limits(replace(found, call=None)).call == found.call, "calls are measured once"


@HAS_C
def test_a_losing_case_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = session.Plan((Case("rnn", 16, 1, 8),), (1,), ("reference",), ("c",), 0.02)
    monkeypatch.setattr(command, "make_plan", lambda options: plan)
    assert cli.main(["bench", "--json", str(tmp_path / "run.json")]) == 0
    text = capsys.readouterr().out
    line = (
        r"RNN forward, float32, 1 thread: T 16 B 1 H 8: 0\.\d+ beside c\. Limit: [\w ]+ \d+% \(.+\); .+ \d+%, .+ \d+%\n"
    )
    assert len(re.findall(line, text)) == 1
    assert json.loads((tmp_path / "run.json").read_text())["cases"][0]["call"] > 0
