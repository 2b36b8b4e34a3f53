"""Dropout masks: factors on numbers, from random bits that depend on their place alone (SPEC: counter and key)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from rnnfast.backends.common.dropout_kinds import BETWEEN, INPUT, RECURRENT
from rnnfast.backends.numba.compiling import OPTIONS
from rnnfast.backends.numba.entries import Entries
from rnnfast.backends.scalar.philox import LOW, philox
from rnnfast.problem import Array, Problem


@njit(**OPTIONS)
def fill(schedule, steps, each_step, key, least, kept, to):
    """to[e, j] = kept, or 0 where the word of unit j at entry e is below `least`; t counts as 0 unless `each_step`.

    `key`: tag, first row, first step, the seed's two words. `schedule`: of so many steps, as `Entries` has it.
    """
    tag, first_row, first_step, k0, k1 = key
    for t in range(steps):
        step = np.uint64(first_step + t if each_step else 0) & LOW
        for e in range(schedule[t], schedule[t + 1]):
            row = np.uint64(first_row + schedule[steps + 1 + e]) & LOW
            for first in range(0, to.shape[1], 4):
                words = philox(row, np.uint64(first // 4), step, tag, k0, k1)
                for j in range(min(4, to.shape[1] - first)):
                    to[e, first + j] = kept if words[j] >= least else 0


class Dropout(NamedTuple):
    """The dropout of one call."""

    problem: Problem
    seed: int

    def fill(self, probability: float, k: int, kind: int, entries: Entries, to: Array) -> Array:
        """Fill `to` with the factors of layer-direction k: 0, or 1 / (1 - p) where a value is kept; return it."""
        problem = self.problem
        layer = problem.first_layer + k // problem.num_directions
        direction = problem.direction(k) if kind == RECURRENT else 0  # both read the same input
        tag = np.uint64((layer * 2 + direction) * 4 + kind)
        words = np.uint64(self.seed & 0xFFFFFFFF), np.uint64(self.seed >> 32 & 0xFFFFFFFF)
        key = (tag, problem.first_row, problem.first_step, *words)
        least, kept = np.uint64(int(probability * 2**32)), problem.dtype.type(1.0 / (1.0 - probability))
        fill(entries.schedule, entries.steps, kind == BETWEEN, key, least, kept, to)
        return to

    def on_input(self, number: int, inputs: int, entries: Entries) -> Array | None:
        """Return the factors (n, I) on what layer `number` reads; None where its dropout is off."""
        problem, k = self.problem, number * self.problem.num_directions
        if problem.first_layer + number > 0:
            to = np.empty((entries.count, inputs), problem.dtype)
            return self.fill(problem.dropout, k, BETWEEN, entries, to) if problem.dropout else None
        if not problem.input_dropout:
            return None
        rows = np.empty((problem.batch, inputs), problem.dtype)
        factors: Array = self.fill(problem.input_dropout, k, INPUT, Entries(1, problem.batch, None), rows)[entries.rows]
        return factors

    def on_state(self, k: int, to: Array) -> None:
        """Fill (B, S) with the factors on h in the recurrent product of layer-direction k."""
        problem = self.problem
        self.fill(problem.recurrent_dropout, k, RECURRENT, Entries(1, problem.batch, None), to)
