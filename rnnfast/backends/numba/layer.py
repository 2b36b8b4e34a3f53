"""One layer and direction on the Numba CPU backend: its sizes and weights, and the kernels in turn."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from rnnfast.backends.numba import threads
from rnnfast.backends.numba.dropout import Dropout
from rnnfast.backends.numba.entries import NO_CUT, Entries
from rnnfast.backends.numba.gradients import room
from rnnfast.backends.numba.kept import Kept, starts, tables
from rnnfast.backends.numba.loops import kernels_of
from rnnfast.backends.numba.parameters import packed_count
from rnnfast.backends.numba.scratch import scratch
from rnnfast.backends.numba.shapes import Sizes, shape_of
from rnnfast.backends.numba.stages import ALL, LOOP, PACK, PROJECT, RUN, STAGES
from rnnfast.backends.numba.vectors import lanes
from rnnfast.problem import Array, Problem


class Layer:
    """A layer and direction of a prepared call. Any number of threads may use it at a time."""

    def __init__(self, problem: Problem, k: int) -> None:
        self.shape, self.dtype = shape_of(problem.cell), problem.dtype
        self.run, self.run_back = kernels_of(problem.cell)
        self.sizes = Sizes(
            problem.weight_ih[k].shape[1],
            problem.hidden_size,
            problem.steps,
            problem.batch,
            k,
            reverse=int(problem.direction(k) == 1),
            recorded=int(problem.record),
            masked=int(problem.recurrent_dropout > 0),
            state=problem.state_size,
        )
        self.plan = np.array(self.sizes, np.int64)
        none = np.empty(0, problem.dtype)
        biases = (none if table is None else table[k] for table in (problem.bias_ih, problem.bias_hh))
        projection = none.reshape(0, 0) if problem.weight_hr is None else problem.weight_hr[k]
        self.weights = [_writeable(a) for a in (problem.weight_ih[k], problem.weight_hh[k], *biases, projection)]
        self.packed = packed_count(self.shape, self.sizes, none)
        self.recorded, self.masked = problem.record, problem.recurrent_dropout > 0
        self.rows = self.shape.gates * problem.hidden_size
        self.most = max(problem.hidden_size, self.sizes.inputs) * self.rows
        """Multiply-adds of an entry in the larger of its products."""
        # Numbers that are kept, however many entries there are, and for each.
        self.fixed = starts(self.shape, self.sizes, 0)[-1]
        self.for_each = starts(self.shape, self.sizes, 1)[-1] - self.fixed
        self.full = problem.steps * problem.batch
        self.room = self.room_for(self.full)
        self.panels = self._frozen(problem, k) if problem.frozen else None

    def room_for(self, entries: int) -> int:
        """Return how many numbers backward packs at a time."""
        return room(self.shape, self.sizes, entries, lanes(np.empty(0, self.dtype)))

    def tables(self, entries: int, numbers: Array) -> Kept:
        """Return what is kept, table by table."""
        found: Kept = tables(self.shape, self.sizes, entries, numbers)
        return found

    def forward(
        self, entries: Entries, cut: Array, x: Array, states: Sequence[Array], output: Array, dropout: Dropout | None
    ) -> Array | None:
        """Write h' of every entry to `output` from x (entries, I); return what is kept for backward if recorded.

        `states`: h and c before, flat (L·D, B, ·) or empty, and after, to be written. All arrays are flat.
        """
        n, schedule, panels, pack = entries.count, entries.schedule, self.panels, 0
        count = self.fixed + self.for_each * n
        numbers = np.empty(count, self.dtype) if self.recorded else scratch("numbers", count, self.dtype)
        if self.masked and dropout is not None:
            dropout.on_state(self.sizes.k, self.tables(n, numbers).mask)
        if panels is None:
            panels, pack = scratch("panels", self.packed, self.dtype), PACK
        given = (self.plan, schedule, cut, x, *states, numbers, *self.weights, panels, output)
        if n * self.most < 2 * threads.LEAST:
            self.run(*given, pack | PROJECT | LOOP, 0, ALL)
            return numbers if self.recorded else None
        sizes, forward = self.sizes, self.run
        if pack:
            forward(*given, PACK, 0, ALL)
        threads.share(functools.partial(forward, *given, PROJECT), n, n * self.rows * sizes.inputs)
        threads.share(functools.partial(forward, *given, LOOP), sizes.batch, n * self.rows * sizes.state)
        return numbers if self.recorded else None

    def backward(self, entries: Entries, what: int, arrays: Sequence[Array]) -> None:
        """Run the stages of `what` on arrays, which are those that the kernel takes after the layer's own."""
        n, sizes, run = entries.count, self.sizes, self.run_back
        work = scratch("work", self.room if n == self.full else self.room_for(n), self.dtype)
        given = (self.plan, entries.schedule, *self.weights[:2], self.weights[-1], work, *arrays)
        if n * self.most < 2 * threads.LEAST:
            run(*given, what | PACK | RUN, 0, ALL)
            return
        wide, deep = n * self.rows * sizes.inputs, n * self.rows * sizes.state
        shares = (sizes.batch, deep), (n, wide), (self.rows, wide), (self.rows, deep), (1, 0), (sizes.state, deep)
        for stage, (parts, size) in zip(STAGES, shares, strict=True):
            if what & stage:
                run(*given, stage | PACK, 0, ALL)
                threads.share(functools.partial(run, *given, stage | RUN | what & ~sum(STAGES)), parts, size)

    def _frozen(self, problem: Problem, k: int) -> Array:
        """Return the packed parameters, which all forms of the net share."""
        cache: dict[str, Any] = {} if problem.cache is None else problem.cache
        weight, (of, panels) = problem.weight_ih[k], cache.get(f"panels {k}", (None, None))
        if of is not weight:
            panels, none = np.empty(self.packed, self.dtype), np.empty(0, self.dtype)
            plan = np.array(self.sizes._replace(steps=0, batch=0), np.int64)
            nothing = np.zeros(1, np.int64), NO_CUT, *(none,) * 6
            self.run(plan, *nothing, *self.weights, panels, none, PACK, 0, ALL)
            cache[f"panels {k}"] = weight, panels
        packed: Array = panels
        return packed


def _writeable(a: Array) -> Array:
    """Return the same memory as an array that may be written: for those that may not, kernels are compiled anew."""
    if a.flags.writeable:
        return a
    interface = {**a.__array_interface__, "data": (a.ctypes.data, False)}
    return np.asarray(SimpleNamespace(__array_interface__=interface, owner=a))
