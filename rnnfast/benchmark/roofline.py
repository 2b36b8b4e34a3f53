"""The roofline: the least time that this processor could need for a case, from rates measured in the same run.

A case takes at least as long as its flops at the rate of multiply-adds on registers alone, and at least as long as its
bytes at the rate of reading:

- W_hh is read anew at every step, once forward and once more backward, since nothing closer than the cache that holds
  it keeps it from step to step: T times its bytes, at the rate measured on a buffer of just that size, which tells by
  itself what level of cache or memory that is. Each thread reads its own share of it.
- Everything else is read or written once: W_ih, x and y; in training also dy and dx, x, y and W_ih a second time, the
  gates (and c of an LSTM) written and read back, the gradients of the weights. At the rate of a buffer of that size,
  writing being counted as fast as reading.

Both are bounds for a schedule that goes step by step and lets all rows of a step share one reading of W_hh.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnfast.benchmark.cases import Case


@dataclass(frozen=True)
class Bytes:
    """The bytes that a case moves: `recurrent` that it reads `times` over, and `once` that it reads or writes once."""

    recurrent: int
    times: int
    once: int


def bytes_of(case: Case, fill: float = 1.0) -> Bytes:
    """Return the model above for a case, of whose steps the fraction `fill` is live."""
    gates, hidden, inputs, narrow = case.gates, case.hidden, case.inputs, case.weight_itemsize
    rows = case.steps * case.batch * fill * case.itemsize  # bytes of a number of each row
    w_ih, w_hh = narrow * gates * hidden * inputs, narrow * gates * hidden * hidden
    once = w_ih + rows * (inputs + hidden)
    if case.work == "training":
        saved = gates + (1 if case.cell == "lstm" else 0)
        once += once + rows * (hidden + inputs) + 2 * rows * saved * hidden + w_ih + w_hh
    passes = 2 if case.work == "training" else 1
    return Bytes(w_hh, case.steps * passes, int(once))


@dataclass(frozen=True)
class Rates:
    """The processor's rates, measured with the case's threads: flop/s, and bytes/s for both footprints."""

    peak: float
    recurrent: float | None = None
    once: float | None = None


def computing_seconds(case: Case, rates: Rates, fill: float = 1.0) -> float:
    """The least time of the case's flops."""
    return case.flops * fill / rates.peak


def reading_seconds(case: Case, rates: Rates, fill: float = 1.0) -> tuple[float, float] | None:
    """The least times of reading W_hh at every step, and of all else; None where the rates are not known."""
    moved = bytes_of(case, fill)
    if rates.recurrent is None or rates.once is None:
        return None
    return moved.recurrent * moved.times / rates.recurrent, moved.once / rates.once


def least_seconds(case: Case, rates: Rates, fill: float = 1.0) -> float:
    """The case's roofline; of computing alone where the rates of reading are not known."""
    return max(computing_seconds(case, rates, fill), sum(reading_seconds(case, rates, fill) or (0.0,)))
