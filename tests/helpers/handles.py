"""Nets of the C library's own kind, rf_net, for the tests: made from a random problem or a file, stepped and run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from support import Spec, make_problem

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.handle import Handle
from rnnfast.backends.c.library import check, library
from rnnfast.backends.c.memory import Block
from rnnfast.backends.c.record import Template
from rnnfast.backends.common import whole
from rnnfast.problem import Array, Problem

ACTIVATIONS = ("tanh", "relu", "sigmoid", "softmax", "log_softmax")


def problem_of(dtype: str = "float32", **words: Any) -> Problem:
    """A problem without initial states, to be run for its results alone."""
    return replace(make_problem(Spec(states=False, **words), dtype), record=False)


def expected(problem: Problem) -> Array:
    """What the general call gives."""
    whole.forward(c, problem)
    assert problem.y is not None
    return problem.y


def x_of(problem: Problem) -> Array:
    """The problem's own x."""
    assert problem.x is not None
    return problem.x


def made(status: int, net: Any) -> Handle:
    """The handle that a call made; raises what its status stands for."""
    check(status)
    return Handle(net[0])


def handle(problem: Problem, head: list[Any] = (), threads: int = 1, h0: Any = None, c0: Any = None) -> Handle:  # type: ignore[assignment]
    """A net of a problem's layers; `head`: names of activations, and (weight, bias or None) for linear layers."""
    ffi, lib = library()
    template, net = Template(problem, Layout()), ffi.new("rf_net **")
    parts = ffi.new("rf_head_part[]", max(len(head), 1))
    kept = [template]
    for part, said in zip(parts, head, strict=False):
        if isinstance(said, str):
            part.kind = lib.RF_HEAD_TANH + ACTIVATIONS.index(said)
            continue
        weight, bias = said
        part.kind, part.outputs, part.weight = lib.RF_HEAD_LINEAR, len(weight), ffi.from_buffer("void *", weight)
        part.bias = ffi.NULL if bias is None else ffi.from_buffer("void *", bias)
    template.record.num_threads = threads
    template.record.h0 = ffi.NULL if h0 is None else ffi.from_buffer("void *", h0)
    template.record.c0 = ffi.NULL if c0 is None else ffi.from_buffer("void *", c0)
    found = made(lib.rf_net_create(template.record, parts, len(head), net), net)
    del kept
    return found


def loaded(data: bytes, variant: str | None = None) -> Handle:
    """A net from the bytes of a file."""
    ffi, lib = library()
    net, isa = ffi.new("rf_net **"), lib.RF_ISA_AUTO if variant is None else lib.rf_isa_id(variant.encode())
    return made(lib.rf_net_load_memory(ffi.from_buffer(data), len(data), isa, 1, net), net)


class Rows:
    """Rows of a net in memory that ends where it ends, and calls of it."""

    def __init__(self, net: Handle, batch: int, dtype: Any, steps: int = 1) -> None:
        self.net, self.batch, self.dtype, self.lib = net, batch, np.dtype(dtype), net.lib
        self.state, self.scratch = net.state(batch), Block(net.workspace_bytes(steps, batch))

    def step(self, x: Array) -> Array:
        """One step's y."""
        ffi, y = library()[0], np.full((self.batch, self.net.sizes.output_size), np.nan, self.dtype)
        x, out = np.ascontiguousarray(x), ffi.from_buffer("void *", y)
        self.lib.rf_net_step(
            self.net.net, self.batch, ffi.from_buffer(x), out, self.state.pointer, self.scratch.pointer
        )
        return y

    def forward(self, x: Array, **flags: Array | None) -> Array:
        """The y of a sequence x (T, B, ...); `flags`: lengths, mask and resets."""
        ffi, y = library()[0], np.full((*x.shape[:2], self.net.sizes.output_size), np.nan, self.dtype)
        pointers = {"x": ffi.from_buffer("void *", x), "y": ffi.from_buffer("void *", y)}
        for name, kind in (("lengths", "int64_t *"), ("mask", "uint8_t *"), ("resets", "uint8_t *")):
            if flags.get(name) is not None:
                pointers[name] = ffi.from_buffer(kind, flags[name])
        strides = {
            f"{name}_stride_{axis}": array.strides[n] // array.itemsize
            for name, array in (("x", x), ("y", y))
            for n, axis in enumerate("tb")
        }
        sizes = {"struct_size": ffi.sizeof("rf_sequence"), "steps": len(x), "batch": self.batch}
        memory = {"state": self.state.pointer, "workspace": self.scratch.pointer}
        check(self.lib.rf_net_forward(self.net.net, ffi.new("rf_sequence *", sizes | strides | pointers | memory)))
        return y

    def read(self, shape: tuple[int, ...], part: int = 0) -> tuple[Array, Array]:
        """The states h and c of a part, c of this shape; it is zeros where there is none."""
        ffi, size = library()[0], library()[0].new("int64_t *")
        check(self.lib.rf_net_part_state_size(self.net.net, part, size))
        arrays = [np.zeros((*shape[:-1], size[0]), self.dtype), np.zeros(shape, self.dtype)]
        pointers = [ffi.from_buffer("void *", array) for array in arrays]
        check(self.lib.rf_net_state_read(self.net.net, part, self.batch, self.state.pointer, *pointers))
        return arrays[0], arrays[1]
