"""A layer and direction in one call: where what forward leaves for backward lies."""

from __future__ import annotations

import copy
from typing import NamedTuple

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.weights import Weights
from rnnfast.backends.cuda.matrix import Matrix
from rnnfast.backends.cuda.plan import Plan
from rnnfast.backends.cuda.ragged import RaggedPlan


class Places(NamedTuple):
    """Where a layer's arrays begin in a call's workspace; None: it has no such array."""

    gates: int
    """(n, slots H)."""
    h: int
    """(n, H), as c and operand, see cells.py."""
    c: int | None
    operand: int | None
    mask: int | None
    """(B, H): factors of recurrent dropout."""
    x_mask: int | None
    """(n, I): factors of dropout on the input."""
    rows: int
    """(n, I): the input of entries, where that is not the caller's own."""
    scratch: int
    """Numbers that a step of tier C works on."""


class Pass:
    """What forward leaves of a layer and direction: its arrays in the call's workspace."""

    x: Matrix
    """Its input (n, I), under dropout."""
    is_on_x: bool = False
    """Whether its input is the caller's x itself."""
    start: tuple[DeviceArray | None, ...] = ()
    """(L·D, B, H) each: the first states; None: zeros."""

    def __init__(self, k: int, plan: Plan | RaggedPlan, weights: Weights, memory: DeviceArray, places: Places) -> None:
        self.k, self.plan, self.weights, self.memory, self.places = k, plan, weights, memory, places
        self.count = plan.count
        self.gates_memory = memory
        """Where the gates are, in the same place: what backward changes."""

    def twin(self, gates_memory: DeviceArray) -> Pass:
        """Return the same with gates in other memory."""
        other = copy.copy(self)
        other.gates_memory = gates_memory
        return other

    def at(self, place: int | None) -> int:
        """Return the address of an array; 0 for None."""
        return 0 if place is None else self.memory.address + place * self.memory.dtype.itemsize

    def matrix(self, place: int, width: int) -> Matrix:
        """Return an array of rows."""
        return Matrix(self.memory, place, width, 1)

    def gates(self, width: int, column: int = 0) -> Matrix:
        """Return the gates, rows of `width`, from a column on."""
        return Matrix(self.gates_memory, self.places.gates + column, width, 1)

    def first(self, n: int) -> int:
        """Return the address of the first state h, or for n = 1 c, (B, H); 0: it is zeros."""
        start = self.start[n] if n < len(self.start) else None
        return 0 if start is None else start.address + self.k * start.strides[0]

    def first_h(self) -> Matrix | None:
        """Return the first state h as a matrix; None: it is zeros."""
        start = self.start[0] if self.start else None
        if start is None:
            return None
        size = start.shape[2]
        return Matrix(start, self.k * start.shape[1] * size, size, 1)

    @property
    def state(self) -> tuple[int, ...]:
        """Addresses from gates to h, as kernels take a state."""
        places, item, base = self.places, self.memory.dtype.itemsize, self.memory.address
        gates, h = self.gates_memory.address + places.gates * item, base + places.h * item
        h0, c0 = (self.first(0), self.first(1)) if self.start else (0, 0)
        mask, operand, c = (0 if a is None else base + a * item for a in (places.mask, places.operand, places.c))
        return gates, h0, c0, mask, operand, c, h
