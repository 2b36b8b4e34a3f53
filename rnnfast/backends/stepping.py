"""Rows that advance together, step by step or many steps at a time, over the prepared calls that any backend has."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Bound, ForwardArrays
from rnnfast.problem import Array, Problem

IN_USE = "this stream is being used by another thread: give each thread a stream of its own, made by copy()"


class Hold:
    """Keeps all threads but one out of a block. `take` says whether it was free, `give` frees it.

    >>> import threading
    >>> lock = threading.Lock()
    >>> with Hold(lambda: lock.acquire(blocking=False), lock.release):
    ...     lock.locked()
    True
    """

    __slots__ = ("_give", "_take")

    def __init__(self, take: Callable[[], Any], give: Callable[[], Any]) -> None:
        self._take, self._give = take, give

    def __enter__(self) -> None:
        """Raise RuntimeError where another thread is at work."""
        if not self._take():
            raise RuntimeError(IN_USE)

    def __exit__(self, *error: object) -> None:
        """Let the next one in."""
        self._give()


class Stepping:
    """States in NumPy arrays, and a prepared call for each number of steps."""

    def __init__(self, bind: Callable[[Problem, Layout], Bound], problem: Problem) -> None:
        shape = problem.num_layers, problem.batch, problem.hidden_size
        self._bind, self._problem, self._hold = bind, problem, new_hold()
        self._bound = {1: bind(problem, Layout())}
        self._now, self._next = ([np.zeros(shape, problem.dtype) for _ in problem.states] for _ in range(2))

    def quick(self, x: Array, y: Array) -> bool:
        """Return False: every step is looked at."""
        return False

    def held(self) -> Hold:
        """Keep other threads out. Raises RuntimeError where one is at work."""
        return self._hold

    def run(self, x: Array, y: Array) -> None:
        """Advance by the steps of x (T, B, I), writing y (T, B, H)."""
        steps = len(x)
        if (bound := self._bound.get(steps)) is None:
            bound = self._bind(replace(self._problem, steps=steps), Layout())
            self._bound = {1: self._bound[1], steps: bound}
        dense = x.flags.c_contiguous and y.flags.c_contiguous
        # A named tuple made of a plain one, in a third of the time.
        bound.run(tuple.__new__(ForwardArrays, (x, y, self._now, self._next, None, None, None, None, dense, None)))
        self._now, self._next = self._next, self._now

    def read(self) -> list[Array]:
        """Return copies of the states, (L, B, H) each."""
        return [array.copy() for array in self._now]

    def write(self, values: Sequence[Array | None]) -> None:
        """Take over states; None: zeros."""
        for array, value in zip(self._now, values, strict=True):
            array[...] = 0 if value is None else value

    def reset(self, rows: Array | None) -> None:
        """Begin again, every row or those where `rows` (B,) is not zero."""
        for array in self._now:
            array[:, slice(None) if rows is None else rows.astype(bool)] = 0

    def copy(self) -> Stepping:
        """Return another of the same net and with the same states."""
        twin = copy.copy(self)
        twin._hold, twin._now, twin._next = new_hold(), self.read(), self.read()
        return twin


def new_hold() -> Hold:
    """Return one that nobody has, over a lock of its own."""
    lock = threading.Lock()
    return Hold(partial(lock.acquire, False), lock.release)
