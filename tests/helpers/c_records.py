"""A whole problem as one rf_problem, for what only the C interface can ask: chunks of a tape, gradients left out."""

from __future__ import annotations

from typing import Any

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import check, get_num_threads
from rnnfast.backends.c.memory import Block, workspace
from rnnfast.backends.c.record import WEIGHTS, Template
from rnnfast.problem import Problem

SEQUENCES = ("x", "y", "dy", "dx")
GUARD = 4096
"""Bytes before and behind a buffer that must stay as they are."""
DENSE = ("h0", "c0", "h_n", "c_n", "dh_n", "dc_n", "dh0", "dc0", "lengths", "mask", "resets", "state_grad_norms")


class Record:
    """The record of a problem with all its arrays, dense ones; a reserve is to be given."""

    def __init__(self, problem: Problem, reserve: Block | None = None) -> None:
        self.problem, self.template = problem, Template(problem, Layout())
        self.record, ffi = self.template.record, self.template.ffi
        self.record.num_threads, self.record.overwrite = get_num_threads(), problem.overwrite
        self.record.dropout_seed = problem.dropout_seed
        for name in (*SEQUENCES, *DENSE):
            if (array := getattr(problem, name)) is not None:
                setattr(self.record, name, ffi.cast(ffi.typeof(getattr(self.record, name)), array.ctypes.data))
        self.kept = [self.template.set_table(f"d_{name}", getattr(problem, f"d_{name}")) for name in WEIGHTS]
        if reserve is not None:
            self.record.reserve, self.record.reserve_bytes = reserve.pointer, reserve.size

    def run(self, name: str, *, t0: int = 0, t1: int | None = None) -> None:
        """Call rf_forward or rf_backward on the steps [t0, t1)."""
        self.record.t0, self.record.t1 = t0, self.problem.steps if t1 is None else t1
        scratch = workspace(self.template.size("workspace"))
        self.record.workspace, self.record.workspace_bytes = scratch.pointer, scratch.size
        check(getattr(self.template.lib, name)(self.record), self.problem.variant)


class Call(Record):
    """A call with buffers of exactly the bytes that the library asks for, poison before and behind them."""

    def __init__(self, problem: Problem, num_threads: int = 1) -> None:
        super().__init__(problem)
        self.ffi, self.lib = self.template.ffi, self.template.lib
        self.record.num_threads = num_threads
        self.memory: dict[str, Any] = {}
        self.give("packed")
        self.succeed("rf_pack", self.record.packed)
        self.give("reserve")
        self.give("workspace")

    def give(self, name: str) -> None:
        """This buffer, as large as the library says."""
        size = self.template.size(name)
        self.memory[name] = block = Block(size + 2 * GUARD).bytes
        block[:] = 0xA5
        setattr(self.record, name, self.ffi.from_buffer("char *", block) + GUARD)
        setattr(self.record, name + "_bytes", size)

    def status(self, function: str, *arguments: Any) -> int:
        return int(getattr(self.lib, function)(self.record, *arguments))

    def succeed(self, function: str, *arguments: Any) -> None:
        assert self.status(function, *arguments) == self.lib.RF_OK
        for name, block in self.memory.items():
            size = getattr(self.record, name + "_bytes")
            assert (block[:GUARD] == 0xA5).all() and (block[GUARD + size :] == 0xA5).all(), name

    def refuse(self, status: str, function: str, *arguments: Any) -> None:
        """Nothing is written where a call is refused."""
        before = {name: block.copy() for name, block in self.memory.items()}
        assert self.status(function, *arguments) == getattr(self.lib, status)
        assert all((before[name] == block).all() for name, block in self.memory.items())


def reserve_of(problem: Problem, fill: int | None = None) -> Block:
    """Room for a problem's tape, every byte as told."""
    block = Block(Template(problem, Layout()).size("reserve"))
    if fill is not None:
        block.bytes[:] = fill
    return block


def call(problem: Problem, reserve: Block, t0: int, t1: int, function: str) -> Any:
    """Call rf_forward or rf_backward on some steps of a problem."""
    Record(problem, reserve).run(function, t0=t0, t1=t1)
