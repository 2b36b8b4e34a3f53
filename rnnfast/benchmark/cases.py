"""A case: one piece of work whose time is compared, its size in flops, and the filters that choose cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

Cell = Literal["rnn", "rnn_relu", "lstm", "gru", "gru_before"]
Work = Literal["forward", "training", "step"]
Kind = Literal["dense", "ragged", "resets", "subnormal"]
Weights = Literal["bfloat16", "int8"]
Call = Literal[
    "",
    "stream.step(x, out=)",
    "stream.step(x)",
    "frozen(x)",
    "frozen(x, state)",
    "module(x)",
    "cell(x, state)",
    "cell(x, state), backward",
    "record",
    "record, backward",
    "linear, net, linear",
    "linear, net, linear, backward",
]
OfTorch = Literal["", "grid", "large", "packed", "cells", "calls", "linear"]
OfPairs = Literal["onnx", "pytorch", "keras-numpy", "keras-torch", "jax", "thinc"]
Part = OfTorch | OfPairs

ARGUMENTS = {"ragged": "lengths=", "resets": "resets="}
GATES = {"rnn": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_before": 3}
CELLS: tuple[Cell, ...] = get_args(Cell)
WORKS: tuple[Work, ...] = get_args(Work)
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
PARTS: tuple[str, ...] = (*get_args(OfTorch)[1:], *get_args(OfPairs))
STATES = frozenset(("h0", "c0", "h_n", "c_n"))
STATELESS = "keras-numpy", "keras-torch", "thinc"
"""Parts whose calls neither take a state nor give one."""


@dataclass(frozen=True)
class Case:
    """One layer in one direction: T `steps`, B rows, H hidden units, I inputs; h0 (and c0) given but in some calls.

    `work`: "forward" gives y and the final state from prepacked weights, "training" y and the gradients of x, of the
    state and of every parameter from dy, "step" the same as forward over one step that is called for by itself.
    `kind`: "ragged" has unsorted lengths, uniform in 1..T, "resets" cuts one step in eight, "subnormal" computes on
    numbers too small to be normal.
    `call`: the very call of a user whose whole time is wanted, down to the microsecond; "": the usual one of the work.
    `part`: of a suite, cases whose means are taken by themselves.
    `weights`: the type that a net of float32 has its matrices rounded to before it infers; "": they stay as they are.
    """

    cell: Cell
    steps: int
    batch: int
    hidden: int
    work: Work = "forward"
    inputs: int = 0
    """I; 0 stands for H."""
    dtype: str = "float32"
    threads: int = 1
    kind: Kind = "dense"
    call: Call = ""
    part: Part = ""
    weights: Weights | Literal[""] = ""

    def __post_init__(self) -> None:
        if self.inputs == 0:
            object.__setattr__(self, "inputs", self.hidden)

    @property
    def has_state(self) -> bool:
        """Whether a state is given; else it is zeros."""
        return self.call not in ("frozen(x)", "module(x)") and self.part not in STATELESS

    @property
    def untold(self) -> frozenset[str]:
        """Names of results that the call does not give."""
        return STATES if self.part in STATELESS else frozenset()

    @property
    def is_cell(self) -> bool:
        """Whether the call is that of a step cell."""
        return self.call.startswith("cell(")

    @property
    def is_between(self) -> bool:
        """Whether a linear layer stands before the net and one behind it."""
        return self.call.startswith("linear")

    @property
    def argument(self) -> str:
        """The argument that a call has for this kind of input, whose cost is wanted; "" for none."""
        return ARGUMENTS.get(self.kind, "") if self.call else ""

    @property
    def plain(self) -> Case | None:
        """The case that this one is timed in turn with, without its argument or with weights of float32; None: none."""
        if self.weights:
            return replace(self, weights="")
        return replace(self, kind="dense") if self.argument else None

    @property
    def gates(self) -> int:
        """The number of gates, G."""
        return GATES[self.cell]

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return np.dtype(self.dtype).itemsize

    @property
    def weight_itemsize(self) -> int:
        """Bytes of a number of W_ih and W_hh; the scales of int8, one a row, are not counted."""
        return {"bfloat16": 2, "int8": 1}.get(self.weights, self.itemsize)

    @property
    def forward_flops(self) -> int:
        """The flops of the products alone, every step live: 2·G·H·(I + H)·T·B."""
        return 2 * self.gates * self.hidden * (self.inputs + self.hidden) * self.steps * self.batch

    @property
    def flops(self) -> int:
        """The same of the whole work: training is three forwards, since each product has two gradients."""
        return (3 if self.work == "training" else 1) * self.forward_flops

    @property
    def shape(self) -> str:
        """T, B and H, I where it differs, and the kind of input."""
        inputs = "" if self.inputs == self.hidden else f" I {self.inputs}"
        kind = "" if self.kind == "dense" else f" {self.kind}"
        return f"T {self.steps} B {self.batch} H {self.hidden}{inputs}{kind}"

    @property
    def setting(self) -> str:
        """The part of its name that cases of other sizes may share; calls share all but the call."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        work = "whole calls" if self.call else self.work
        weights = f", weights in {self.weights}" if self.weights else ""
        return f"{self.cell.upper()} {work}, {self.dtype}{weights}, {threads}"

    def __str__(self) -> str:
        return f"{self.setting}: {self.call} {self.shape}" if self.call else f"{self.setting}: {self.shape}"


@dataclass(frozen=True)
class Filter:
    """Filter of the cases of a suite; None lets everything through."""

    cells: tuple[str, ...] | None = None
    works: tuple[str, ...] | None = None
    steps: tuple[int, ...] | None = None
    batches: tuple[int, ...] | None = None
    hiddens: tuple[int, ...] | None = None
    parts: tuple[str, ...] | None = None
    max_gflop: float = 30.0
    """Cases of more GFLOP forward are left out."""

    def __call__(self, case: Case) -> bool:
        """Return whether this case is wanted."""
        wanted: list[tuple[Any, tuple[Any, ...] | None]] = [
            (case.cell, self.cells),
            (case.work, self.works),
            (case.steps, self.steps),
            (case.batch, self.batches),
            (case.hidden, self.hiddens),
            (case.part, self.parts),
        ]
        return case.forward_flops <= self.max_gflop * 1e9 and all(
            allowed is None or value in allowed for value, allowed in wanted
        )
