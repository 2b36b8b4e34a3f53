"""Nets of the C library made once: the memory that they and their calls need, and weights packed before."""

from __future__ import annotations

import gc
import itertools
from dataclasses import replace

import numpy as np
import pytest
from handles import Rows, expected, handle, problem_of, x_of

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c import stepping
from rnnfast.backends.c.handle import Handle
from rnnfast.backends.c.library import check, library
from rnnfast.backends.c.memory import Block
from rnnfast.backends.c.record import Template

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


def test_a_net_reads_weights_that_were_packed_before() -> None:
    ffi, lib = library()
    problem = problem_of(steps=3, batch=2, layers=2)
    y, template = expected(problem), Template(problem, Layout())
    packed, net = template.pack(problem), ffi.new("rf_net **")
    check(lib.rf_net_create(template.record, ffi.NULL, 0, net))
    np.testing.assert_array_equal(Rows(Handle(net[0], packed), 2, "float32", steps=3).forward(x_of(problem)), y)
    begun = np.frombuffer(packed.bytes[:8], "u8").copy()
    packed.bytes[0] ^= 1
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == lib.RF_ERROR_PACKED and net[0] == ffi.NULL
    packed.bytes[:8] = begun.view(np.uint8)
    template.record.packed_bytes -= 1
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == lib.RF_ERROR_PACKED_BYTES
    template.record.packed_bytes += 1
    template.record.packed = ffi.cast("char *", packed.pointer) + 8
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == lib.RF_ERROR_ALIGNMENT


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
@pytest.mark.parametrize("weights", [None, "bfloat16", "int8"])
def test_scratch_serves_fewer_steps_and_rows(weights: str | None, cell: str, threads: int) -> None:
    problem = replace(problem_of(cell=cell, steps=8, batch=64, input_size=64, hidden_size=256), weights=weights)
    net = handle(problem, threads=threads)
    for steps, batch in itertools.product((1, 2, 8), (1, 2, 8, 15, 16, 31, 64)):
        x = np.ascontiguousarray(x_of(problem)[:steps, :batch])
        part = replace(problem, steps=steps, batch=batch, x=x, y=np.empty((steps, batch, 256), "float32"))
        part = replace(part, h_n=None, c_n=None)
        template = Template(part, Layout())
        template.record.num_threads = threads
        template.record.packed = template.ffi.cast("void *", 64)  # only whether there is any is asked
        needed = template.size("workspace")
        for more, rows in itertools.product((1, 2, 8), (1, 2, 8, 15, 16, 31, 64)):
            if more >= steps and rows >= batch:
                assert net.workspace_bytes(more, rows) >= needed


def test_a_small_net_takes_little_memory() -> None:
    net = handle(problem_of(input_size=1, hidden_size=24), [(np.zeros((1, 24), "float32"), None)])
    assert net.workspace_bytes(1, 1) <= 4096


LENGTHS = [0, 4, 900, 900, 4, 0]


def test_chunks_of_any_length_have_the_scratch_that_the_library_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = rnnfast.LSTM(3, 5, seed=0, backend="c").freeze().stream().steps
    assert isinstance(steps, stepping.Stepping)
    asked, given = [steps._handle.workspace_bytes(length, 1) for length in LENGTHS], []

    def enough(size: int) -> Block:
        given.append(size)
        return Block(max(size, *asked))

    monkeypatch.setattr(stepping, "workspace", enough)
    with steps.held():
        for length in LENGTHS:
            steps.run(np.zeros((length, 1, 3), np.float32), np.empty((length, 1, 5), np.float32))
    assert given == asked


def test_a_frozen_net_and_its_streams_read_the_same_packed_weights() -> None:
    fast = rnnfast.LSTM(3, 5, seed=0, backend="c").freeze()
    x = np.ones((4, 2, 3), np.float32)
    y, _ = fast(x)
    stream = fast.stream(2)
    cache = fast._engine.cache
    assert cache["handle"].kept is cache["packed"]
    del fast, cache
    gc.collect()
    np.testing.assert_array_equal(stream.run(x), y)
