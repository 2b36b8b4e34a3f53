"""The limit that a losing case is at: the peak of multiply-adds, reading from a cache or memory, or the cost of calls.

Of each, the least time that the case could take by this alone is held against the time it took; the limit with the
largest share explains most of it. Flops and bytes are those of the roofline. The cost of a call is the time of the same
call where it does next to nothing. Of a net between linear layers of another library the net's own work is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.roofline import Rates, bytes_of, computing_seconds, reading_seconds

FEW = 8
"""Units and inputs of a call that does next to nothing."""
LEGEND = (
    "Cases behind the best peer, and the limit that explains most of their time: the least time that the work could "
    "take by it alone, over that of {ours}; then the others. Peak and reading are as the roofline has them, calls the "
    "same call over one step of one row of few units."
)


@dataclass(frozen=True)
class Limit:
    """A limit's name, what it was reckoned from, and the share of our time that it explains."""

    name: str
    of: str
    share: float


def loses(row: Measurement, backends: tuple[str, ...]) -> bool:
    """Return whether a peer is faster than ours."""
    ratio = row.ratio(backends)
    return ratio is not None and ratio < 1


def tiny(case: Case) -> Case:
    """Return the same call over one step of one row, of few units.

    >>> str(tiny(Case("lstm", 128, 32, 256, "training")))
    'LSTM training, float32, 1 thread: T 1 B 1 H 8'
    """
    return replace(case, steps=1, batch=1, hidden=FEW, inputs=FEW)


def lines(found: Sequence[Measurement], backends: tuple[str, ...], caches: Mapping[str, int]) -> Iterator[str]:
    """Say of each losing case which limit it is at, then what that means; nothing where none loses."""
    losing = [(row, limits) for row in found if loses(row, backends) and (limits := limits_of(row, caches))]
    for row, (most, *others) in losing:
        best, ratio = row.best_peer(backends), row.ratio(backends)
        assert best is not None
        rest = ", ".join(f"{limit.name} {limit.share:.0%}" for limit in others)
        yield f"{row.case}: {ratio:.2f} beside {best[0]}. Limit: {most.name} {most.share:.0%} ({most.of}); {rest}"
    if losing:
        yield LEGEND.format(ours=losing[0][0].ours)


def limits_of(row: Measurement, caches: Mapping[str, int]) -> list[Limit]:
    """Return the limits that were measured, the one that explains most first; [] where we have no time.

    `caches`: bytes of the cache of each level, the last of which all threads share.
    """
    seconds, found = row.seconds(row.ours), []
    if seconds is None:
        return []
    if row.rates is not None:
        computing = computing_seconds(row.case, row.rates, row.fill)
        found += [Limit("FMA peak", f"{row.rates.peak / 1e9:.4g} GFLOP/s", computing / seconds)]
        found += _reading(row.case, row.rates, row.fill, seconds, caches)
    if row.call is not None:
        found += [Limit("cost of calls", f"{row.call * 1e6:.3g} µs each", row.call / seconds)]
    return sorted(found, key=lambda limit: limit.share, reverse=True)


def _reading(case: Case, rates: Rates, fill: float, seconds: float, caches: Mapping[str, int]) -> list[Limit]:
    """Return the limit of reading, named by where the bytes lie whose part is the longer."""
    parts = reading_seconds(case, rates, fill)
    if parts is None:
        return []
    moved, every_step = bytes_of(case, fill), parts[0] >= parts[1]
    size, rate = (moved.recurrent, rates.recurrent) if every_step else (moved.once, rates.once)
    assert rate is not None
    of = f"{size / 1024:.4g} KiB {'a step' if every_step else 'once'} at {rate / 1e9:.3g} GB/s"
    return [Limit(f"read bandwidth of {place(size, case.threads, caches)}", of, sum(parts) / seconds)]


def place(size: int, threads: int, caches: Mapping[str, int]) -> str:
    """Return the name of the nearest cache that holds so many bytes, each thread its share; else "memory".

    >>> place(300_000, 1, {"L1": 32768, "L2": 1048576})
    'L2'
    """
    if not caches:
        return "an unknown cache or memory"
    *private, last = caches
    held = {name: caches[name] * threads for name in private} | {last: caches[last]}
    return next((name for name, most in held.items() if size < most), "memory")  # as many would leave no room for x
