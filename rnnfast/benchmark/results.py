"""The measurement of a case: the samples of every candidate, the machine's rates, and what follows from them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.roofline import Rates, least_seconds


@dataclass
class Measurement:
    """Seconds by candidate, one number for each round; why others did not run, or what was wrong with their results."""

    case: Case
    ours: str
    """The backend of rnnfast that the peers are held against."""
    fill: float = 1.0
    """The fraction of steps that is live."""
    samples: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    rates: Rates | None = None
    bare: list[float] = field(default_factory=list)
    """Seconds of the least call through cffi, measured beside a case that is a call."""
    plain: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of a call without its lengths or resets, or with weights of float32, round by round as `samples`."""
    rounds: dict[str, str] = field(default_factory=dict)
    """What candidates round besides weights that are rounded, where they do."""
    call: float | None = None
    """Seconds of the same call of ours where it does next to nothing, measured of a case behind its best peer."""

    def seconds(self, name: str) -> float | None:
        """A candidate's median; None where it has none."""
        return statistics.median(self.samples[name]) if self.samples.get(name) else None

    def minimum(self, name: str) -> float | None:
        """A candidate's least sample; None where it has none."""
        return min(self.samples[name]) if self.samples.get(name) else None

    def added(self, name: str) -> float | None:
        """Seconds that lengths or resets add to a call, least sample against least; None if not measured."""
        samples, plain = self.samples.get(name), self.plain.get(name)
        return min(samples) - min(plain) if samples and plain else None

    def over_float32(self) -> float | None:
        """Return how many times as fast as with weights of float32 ours is; None if not measured."""
        wide, ours = self.plain.get(self.ours), self.seconds(self.ours)
        return statistics.median(wide) / ours if self.case.weights and wide and ours is not None else None

    def best_peer(self, backends: tuple[str, ...]) -> tuple[str, float] | None:
        """The fastest candidate that is no backend of rnnfast, and its seconds."""
        times = {name: self.seconds(name) for name in self.samples if name not in backends}
        return min(((n, t) for n, t in times.items() if t is not None), key=lambda pair: pair[1], default=None)

    def ratio(self, backends: tuple[str, ...]) -> float | None:
        """The best peer's time over ours: above 1, ours is faster."""
        best, ours = self.best_peer(backends), self.seconds(self.ours)
        return None if best is None or ours is None else best[1] / ours

    @property
    def roofline(self) -> float | None:
        """The least seconds possible over ours."""
        ours = self.seconds(self.ours)
        return None if self.rates is None or ours is None else least_seconds(self.case, self.rates, self.fill) / ours

    @property
    def peak(self) -> float | None:
        """Our flop/s over the processor's peak."""
        ours = self.seconds(self.ours)
        return None if self.rates is None or ours is None else self.case.flops * self.fill / ours / self.rates.peak

    def record(self, backends: tuple[str, ...]) -> dict[str, Any]:
        """Return all of it for a JSON file: times in seconds, rates in flop/s and bytes/s."""
        best = self.best_peer(backends)
        return {
            **asdict(self),
            "flops": self.case.flops,
            "seconds": {name: self.seconds(name) for name in self.samples},
            "minima": {name: self.minimum(name) for name in self.samples},
            "best_peer": best and best[0],
            "ratio": self.ratio(backends),
            "over_float32": self.over_float32(),
            "roofline": self.roofline,
            "peak": self.peak,
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Measurement:
        """Return the measurement that a record is of. Raises KeyError or TypeError for what is no record."""
        given = {name.name: record[name.name] for name in fields(cls)}
        rates = None if given["rates"] is None else Rates(**given["rates"])
        return cls(**given | {"case": Case(**given["case"]), "rates": rates})
