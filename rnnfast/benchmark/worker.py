"""The process that measures: candidates with a given number of threads, checked and timed in turn.

Another revision of rnnfast runs this, too: of the package, no more is imported here than any revision has.
"""

from __future__ import annotations

import functools
import os
import statistics
from typing import Any

import rnnfast
from rnnfast.benchmark import check, limits
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data, make_data
from rnnfast.benchmark.pairs import OTHERS, PAIRS
from rnnfast.benchmark.peer import Prepared
from rnnfast.benchmark.peers import REQUIRES, peer
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.timing import SHORT, USUAL, Sampler, take_turns

SECONDS_OF_LIMITS = 0.1
"""Time for what is measured of losing cases alone."""


def start(threads: int) -> None:
    """Confine this process to so many processors, before any peer is imported.

    Some libraries, JAX among them, size their thread pools by the processors they see and offer no other way.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    rnnfast.set_num_threads(threads)


def home() -> str:
    """Return the file from which this process imported rnnfast."""
    return str(rnnfast.__file__)


def measure(case: Case, names: list[str], ours: str, seconds: float, *, probe: bool = True) -> Measurement:
    """Check these candidates on the case, then time in turn all that were right, for about so many seconds.

    `ours` is the one that others are held against; `probe` also measures the processor's rates or, beside a call whose
    own cost is wanted, a bare call. Calls with lengths or resets, and rounded weights, are timed without them, too.
    """
    data, pace = make_data(case), SHORT if case.call or case.part in PAIRS else USUAL
    plain = case.plain and (case.plain, make_data(case.plain))
    found = Measurement(case, ours, data.fill)
    samplers, others = {}, {}
    for name in names:
        try:
            prepared = _checked(name, case, data, found)
            without = _checked(name, *plain, found) if prepared and plain else None
        except Exception as error:  # of any kind: the others go on. Another library may refuse a case, ours may not.
            noted = found.skipped if name in OTHERS.union(REQUIRES) else found.wrong
            noted[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            continue
        if prepared is not None and name not in found.wrong:
            samplers[name] = Sampler(prepared.work, prepared.within, pace)
            if without is not None:
                others[f"plain {name}"] = Sampler(without.work, without.within, pace)
    probes = _probes(found) if probe else None
    if probes is not None:
        others |= {f"probe {name}": Sampler(work, pace=pace) for name, work in probes.work.items()}
    samples = take_turns(samplers | others, seconds, pace)
    found.samples = {name: samples[name] for name in samplers}
    found.plain = {name: samples[f"plain {name}"] for name in samplers if f"plain {name}" in samples}
    if probes is not None:
        probes.note(found, {name: samples[f"probe {name}"] for name in probes.work})
    return found


def add_limits(found: Measurement) -> Measurement:
    """Add what tells which limit a case is at: the cost of a call and, if there are none yet, the processor's rates."""
    from rnnfast.benchmark import probes

    found.call = _tiny_call(limits.tiny(found.case), found.ours)
    if found.rates is None:
        loops = probes.Probes(found.case, found.fill)
        loops.note(found, take_turns({name: Sampler(work) for name, work in loops.work.items()}, SECONDS_OF_LIMITS))
    return found


@functools.cache
def _tiny_call(case: Case, name: str) -> float:
    """Return the median seconds of a candidate's work."""
    prepared = peer(name).prepare(case, make_data(case))
    work = {name: Sampler(prepared.work, prepared.within, SHORT)}
    return statistics.median(take_turns(work, SECONDS_OF_LIMITS, SHORT)[name])


def _probes(found: Measurement) -> Any:
    """Return the loops that measure the processor beside this case."""
    from rnnfast.benchmark import probes

    return probes.BareCall() if found.case.call else probes.Probes(found.case, found.fill)


def _checked(name: str, case: Case, data: Data, found: Measurement) -> Prepared | None:
    """Return the candidate ready to be timed; None, the reason noted, where it cannot run the case or gets it wrong."""
    candidate = peer(name)
    if lacking := candidate.lacks(case):
        found.skipped[name] = lacking
        return None
    prepared = candidate.prepare(case, data)
    results = prepared.results()
    small = check.checked_case(case)
    if small.steps == case.steps:
        fault = check.fault(case, results, prepared.tolerance)
    else:
        fault = _short_fault(name, small) or check.prefix_fault(case, results, prepared.tolerance)
    if fault is None:
        found.rounds |= {name: prepared.rounds} if prepared.rounds else {}
        return prepared
    found.wrong[name] = fault
    return None


@functools.lru_cache(maxsize=32)
def _short_fault(name: str, case: Case) -> str | None:
    prepared = peer(name).prepare(case, make_data(case))
    return check.fault(case, prepared.results(), prepared.tolerance)
