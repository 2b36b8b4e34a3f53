"""How the steps of a call are cut: where the gradient's flow ends, and what backward recomputes to save memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from rnnfast.backends.common import whole as whole_problem
from rnnfast.backends.contract import Binder
from rnnfast.checks.values import whole
from rnnfast.problem import Problem
from rnnfast.segments.slices import one_way, steps_of

BLOCK = 64
"""Segments end at multiples of it, counted from where the gradient's flow ends, so that the C backend sums gradients of
weights in the same order however long they are: RF_BLOCK_STEPS of csrc/include/rnnfast.h."""
Span = tuple[int, int]
"""Steps [t0, t1)."""


@dataclass(frozen=True)
class Plan:
    """T `steps`, of which every `chunk` ends the gradient's flow and every `segment` is recomputed as one.

    One of the two is a multiple of the other, or as long as all steps. What one call of a backend takes is a piece.
    """

    steps: int
    segment: int
    chunk: int

    @property
    def piece(self) -> int:
        """Steps of a piece, at most."""
        return min(self.steps, self.segment, self.chunk)

    @property
    def recomputes(self) -> bool:
        """Whether there are several segments; a single one is kept as it was recorded."""
        return self.segment < self.steps

    @property
    def count(self) -> int:
        """Number of segments."""
        chunks, rest = divmod(self.steps, max(self.segment, self.chunk))
        return chunks * -(-max(self.segment, self.chunk) // self.segment) + -(-rest // self.segment)

    def segments(self) -> list[list[Span]]:
        """The pieces of every segment."""
        if self.segment >= self.chunk:
            return [list(_cut(*span, self.chunk)) for span in _cut(0, self.steps, self.segment)]
        return [[piece] for span in _cut(0, self.steps, self.chunk) for piece in _cut(*span, self.segment)]

    def __str__(self) -> str:
        cut = f"gradients cut every {self.chunk} steps" if self.chunk < self.steps else ""
        segments = f"{self.count} segments of up to {self.segment} steps, recomputed" if self.recomputes else ""
        return ", ".join(filter(None, (segments, cut)))


def _cut(t0: int, t1: int, length: int) -> Iterator[Span]:
    for first in range(t0, t1, length):
        yield first, min(first + length, t1)


def choose(backend: Binder, problem: Problem, memory: Any, truncate: Any) -> Plan:
    """The plan for a call: `memory` and `truncate` as `record` takes them.

    Raises TypeError and ValueError for other values, ValueError where so few bytes will not do.
    """
    budget = allowed_bytes(memory)
    steps = problem.steps
    chunk = steps if truncate is None else min(whole("truncate", truncate), steps)
    full = Plan(steps, steps, chunk)
    if memory == "full" or steps == 0:
        return full
    sizes = {plan: kept_bytes(backend, problem, plan) for plan in (full, *_shorter(steps, chunk))}
    least = min(sizes.values())
    if budget is None:
        budget = least
    if budget < least:
        raise ValueError(
            f"memory is {budget} bytes, this call needs {least} at least and {sizes[full]} in full: "
            "pass more, or cut the batch into parts"
        )
    return max((plan for plan, size in sizes.items() if size <= budget), key=lambda plan: plan.segment)


def allowed_bytes(memory: Any) -> int | None:
    """Return the bytes that a caller allows, None where it is a word. Raises TypeError and ValueError for others."""
    expected = "'full', 'checkpoint' or a number of bytes"
    if isinstance(memory, str):
        if memory not in ("full", "checkpoint"):
            raise ValueError(f"memory is {memory!r}, expected {expected}")
        return None
    if isinstance(memory, bool) or not isinstance(memory, Integral):
        raise TypeError(f"memory must be {expected}, got {type(memory).__name__}")
    return whole("memory", memory, lowest=0)


def _shorter(steps: int, chunk: int) -> Iterator[Plan]:
    """Plans of several segments, which are blocks of a chunk or chunks, each twice as long as the one before."""
    length = BLOCK
    while length < chunk:
        yield Plan(steps, length, chunk)
        length *= 2
    length = chunk
    while length < steps:
        yield Plan(steps, length, chunk)
        length *= 2


def kept_bytes(backend: Binder, problem: Problem, plan: Plan) -> int:
    """Bytes that a tape holds at most: states between segments, outputs of the layers below one that sees all steps,
    and what backward needs of all its pieces or, recomputed, of those of one segment."""
    if plan.piece == plan.steps:
        return whole_problem.reserve_bytes(backend, problem)
    row, parts = problem.dtype.itemsize * problem.batch, one_way(problem)
    longest = min(plan.segment, plan.steps)
    working = []
    for part in parts:
        state = row * sum(part.state_sizes) * part.num_layers
        reserves = longest // plan.piece * whole_problem.reserve_bytes(backend, steps_of(part, 0, plan.piece))
        if rest := longest % plan.piece:
            reserves += whole_problem.reserve_bytes(backend, steps_of(part, 0, rest))
        output = plan.piece * row * problem.state_size if plan.recomputes else 0
        working.append(reserves + -(-longest // plan.piece) * state + output)
    states = row * sum(problem.state_sizes) * problem.num_layers * problem.num_directions
    below = (len(parts) // 2 - 1) * problem.steps * 2 * row * problem.state_size if len(parts) > 1 else 0
    return (plan.count - 1) * states + below + (max(working) if plan.recomputes else sum(working))
