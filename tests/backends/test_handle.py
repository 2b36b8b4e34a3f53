"""Nets of the C library made once: steps, sequences and states of every cell, in the bits of the general call."""

from __future__ import annotations

import gc
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handles import ACTIVATIONS, Rows, handle
from support import Spec, make_problem

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.handle import Handle
from rnnfast.backends.c.library import check, library
from rnnfast.backends.c.record import Template
from rnnfast.backends.common import whole
from rnnfast.problem import CELLS, Array, Problem

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

EVERY_CELL = pytest.mark.parametrize("cell", CELLS)
BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])
VARIANTS = [name for name in c.variants() if c.reason(name) is None]


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


@EVERY_CELL
@BOTH
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "batch, sizes, layers", [(1, (3, 5), 1), (1, (40, 40), 2), (3, (7, 33), 2), (9, (1, 24), 1), (1, (1, 130), 1)]
)
def test_steps_have_the_bits_of_a_sequence(
    cell: str, dtype: str, variant: str, batch: int, sizes: tuple[int, int], layers: int
) -> None:
    words = {"steps": 12, "batch": batch, "input_size": sizes[0], "hidden_size": sizes[1], "layers": layers}
    problem = replace(problem_of(dtype, cell=cell, **words), variant=variant)
    y, rows = expected(problem), Rows(handle(problem), batch, dtype)
    np.testing.assert_array_equal(np.stack([rows.step(x) for x in x_of(problem)]), y)
    h, c_n = rows.read((layers, batch, sizes[1]))
    np.testing.assert_array_equal(h, problem.h_n)
    if problem.c_n is not None:
        np.testing.assert_array_equal(c_n, problem.c_n)


@EVERY_CELL
@BOTH
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_thousand_steps_are_one_sequence(cell: str, dtype: str, variant: str) -> None:
    sizes = {"steps": 1000, "batch": 2, "input_size": 8, "hidden_size": 16, "layers": 2}
    problem = replace(problem_of(dtype, cell=cell, **sizes), variant=variant)
    y, net = expected(problem), handle(problem)
    stepped, run = Rows(net, 2, dtype), Rows(net, 2, dtype, steps=1000)
    np.testing.assert_array_equal(np.stack([stepped.step(x) for x in x_of(problem)]), y)
    np.testing.assert_array_equal(run.forward(x_of(problem)), y)
    np.testing.assert_array_equal(run.read((2, 2, 16)), stepped.read((2, 2, 16)))


@EVERY_CELL
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("masked_output", ["zero", "hold"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_sequence_is_the_general_call(cell: str, directions: int, masked_output: str, threads: int) -> None:
    words = {"lengths": True, "mask": True, "resets": True, "directions": directions, "layers": 2}
    problem = problem_of(cell=cell, steps=30, batch=40, hidden_size=20, masked_output=masked_output, **words)
    y, rows = expected(problem), Rows(handle(problem, threads=threads), 40, "float32", steps=30)
    flags = {"lengths": problem.lengths, "mask": problem.mask, "resets": problem.resets}
    np.testing.assert_array_equal(rows.forward(x_of(problem), **flags), y)
    np.testing.assert_array_equal(rows.read((2 * directions, 40, 20))[0], problem.h_n)


def softmax(x: Array) -> Array:
    """In plain NumPy, as the head's functions below."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


FUNCTIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
}


@BOTH
@pytest.mark.parametrize("last", ACTIVATIONS)
@pytest.mark.parametrize("width", [1, 3, 17, 300])
def test_a_head_stands_above_the_layers(dtype: str, last: str, width: int) -> None:
    rng, problem = np.random.default_rng(0), problem_of(dtype, steps=6, batch=5, hidden_size=20)
    first, second = (rng.standard_normal(shape).astype(dtype) for shape in ((9, 20), (width, 9)))
    bias = rng.standard_normal(9).astype(dtype)
    y, net = expected(problem), handle(problem, [(first, bias), "tanh", (second, None), last])
    truth = FUNCTIONS[last](np.tanh(y.astype("float64") @ first.T.astype("float64") + bias) @ second.T)
    rows = Rows(net, 5, dtype, steps=6)
    found = rows.forward(x_of(problem))
    tolerance = 2e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(found, truth, rtol=tolerance, atol=tolerance)
    rows = Rows(net, 5, dtype)
    np.testing.assert_array_equal(np.stack([rows.step(x) for x in x_of(problem)]), found)
    for b in range(5):
        alone = Rows(net, 1, dtype)
        np.testing.assert_array_equal(np.stack([alone.step(x[b : b + 1])[0] for x in x_of(problem)]), found[:, b])


@pytest.mark.parametrize("last", ACTIVATIONS)
@pytest.mark.parametrize("width", [1, 5, 40])
def test_heads_have_the_same_bits_on_every_instruction_set_with_fma(last: str, width: int) -> None:
    rng, problem = np.random.default_rng(0), problem_of(steps=4, batch=7, hidden_size=70)
    head = [(rng.standard_normal((width, 70)).astype("float32"), rng.standard_normal(width).astype("float32")), last]
    results = [
        Rows(handle(replace(problem, variant=name), head), 7, "float32", steps=4).forward(x_of(problem))
        for name in VARIANTS
        if name != "scalar"
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("last", ACTIVATIONS)
def test_what_is_no_number_stays_in_its_row(last: str) -> None:
    problem = problem_of(steps=1, batch=3, hidden_size=20)
    x_of(problem)[0, 1, 0] = np.nan
    found = Rows(handle(problem, [last]), 3, "float32").step(x_of(problem)[0])
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()


def test_states_begin_as_told_and_are_reset_copied_written_by_row() -> None:
    ffi, lib = library()
    rng, problem = np.random.default_rng(0), problem_of(steps=3, batch=4, hidden_size=5, layers=2)
    h0, c0 = (rng.standard_normal((2, 5)).astype("float32") for _ in range(2))
    net = handle(problem, h0=h0, c0=c0)
    begun = tuple(np.broadcast_to(array[:, None], (2, 4, 5)) for array in (h0, c0))
    rows, shape = Rows(net, 4, "float32"), (2, 4, 5)
    np.testing.assert_array_equal(rows.read(shape), begun)
    started = replace(problem, h0=np.ascontiguousarray(begun[0]), c0=np.ascontiguousarray(begun[1]))
    np.testing.assert_array_equal(np.stack([rows.step(x) for x in x_of(problem)]), expected(started))

    moved = rows.read(shape)
    flags = np.array([0, 7, 0, 1], np.uint8)
    check(lib.rf_net_state_reset(net.net, 4, rows.state.pointer, ffi.from_buffer("uint8_t *", flags)))
    for found, first, before in zip(rows.read(shape), begun, moved, strict=True):
        np.testing.assert_array_equal(found[:, 1::2], first[:, 1::2])
        np.testing.assert_array_equal(found[:, ::2], before[:, ::2])

    other = Rows(net, 2, "float32")
    check(lib.rf_net_state_copy(net.net, 4, rows.state.pointer, 2, 2, other.state.pointer, 0, 1))
    for found, before, first in zip(other.read((2, 2, 5)), moved, begun, strict=True):
        np.testing.assert_array_equal(found[:, 0], before[:, 2])
        np.testing.assert_array_equal(found[:, 1], first[:, 1])
    pointers = [ffi.from_buffer("void *", array) for array in moved]
    check(lib.rf_net_state_write(net.net, 0, 4, rows.state.pointer, *pointers))
    np.testing.assert_array_equal(rows.read(shape), moved)
    refused = lib.rf_net_state_copy(net.net, 4, rows.state.pointer, 3, 2, other.state.pointer, 0, 2)
    assert refused == lib.RF_ERROR_RANGE
    assert lib.rf_net_state_read(net.net, 1, 4, rows.state.pointer, *pointers) == lib.RF_ERROR_RANGE


LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    "from_batch, from_row, to_batch, to_row, count",
    [
        *[(LEAST, 0, 4, 0, 1), (LEAST, 0, LEAST, 0, MOST), (-1, 0, 4, 0, 0), (4, 0, -1, 0, 0), (4, 0, LEAST, 0, 2)],
        *[(4, MOST, 4, 0, 1), (4, 0, 4, MOST, 1), (4, LEAST, 4, 0, 1), (4, 0, 4, -1, 1), (4, 1, 4, 1, MOST)],
        *[(4, 0, 4, 0, LEAST), (4, 0, 4, 0, -1), (4, 5, 4, 0, 0), (4, 3, 4, 0, 2), (MOST, MOST, 4, 4, 1)],
    ],
)
def test_rows_that_are_not_there_are_not_copied(
    from_batch: int, from_row: int, to_batch: int, to_row: int, count: int
) -> None:
    lib = library()[1]
    rows = Rows(handle(problem_of(batch=4)), 4, "float32")
    before, state = rows.state.bytes.copy(), rows.state.pointer
    status = lib.rf_net_state_copy(rows.net.net, from_batch, state, from_row, to_batch, state, to_row, count)
    assert status == lib.RF_ERROR_RANGE
    np.testing.assert_array_equal(rows.state.bytes, before)
    assert lib.rf_net_state_copy(rows.net.net, 4, state, 4, 4, state, 4, 0) == lib.RF_OK


@pytest.mark.parametrize("size", [LEAST, -1, 0, 2**31, MOST])
@pytest.mark.parametrize("directions", [1, 2])
def test_layers_of_a_size_that_cannot_be_are_refused(size: int, directions: int) -> None:
    ffi, lib = library()
    template, net = Template(problem_of(directions=directions), Layout()), ffi.new("rf_net **")
    template.record.hidden_size = size
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == lib.RF_ERROR_SHAPE


@pytest.mark.parametrize(
    "field, status", [("state_size", "SHAPE"), ("weight_dtype", "DTYPE"), ("only_direction", "RANGE")]
)
def test_a_record_that_is_no_whole_net_is_refused(field: str, status: str) -> None:
    ffi, lib = library()
    template, net = Template(problem_of(hidden_size=5), Layout()), ffi.new("rf_net **", ffi.cast("rf_net *", 64))
    setattr(template.record, field, 1)
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == getattr(lib, f"RF_ERROR_{status}")
    assert net[0] == ffi.NULL


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


def test_lengths_out_of_range_are_refused() -> None:
    problem = problem_of(steps=3, batch=2)
    rows = Rows(handle(problem), 2, "float32", steps=3)
    for length in (-1, 4):
        with pytest.raises(ValueError, match="length"):
            rows.forward(x_of(problem), lengths=np.array([3, length]))


def test_a_head_that_does_not_fit_is_refused() -> None:
    problem = problem_of(hidden_size=5)
    good = np.zeros((2, 5), "float32")
    with pytest.raises(ValueError, match="size is negative"):
        handle(problem, [(np.zeros((0, 5), "float32"), None)])
    with pytest.raises(ValueError, match="out of range"):
        handle(problem, threads=-1)
    assert handle(problem, [(good, None)]).sizes.output_size == 2


def test_empty_calls_leave_the_state_alone() -> None:
    problem = problem_of(steps=2, batch=3)
    rows = Rows(handle(problem), 3, "float32", steps=2)
    rows.forward(x_of(problem))
    before = rows.state.bytes.copy()
    assert rows.forward(x_of(problem)[:0]).size == 0
    np.testing.assert_array_equal(rows.state.bytes, before)
    assert Rows(rows.net, 0, "float32").step(np.zeros((0, 4), "float32")).size == 0


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
def test_scratch_serves_fewer_steps_and_rows(cell: str, threads: int) -> None:
    problem = problem_of(cell=cell, steps=8, batch=64, input_size=64, hidden_size=256)
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


def test_sizes_beyond_memory_are_told() -> None:
    ffi, lib = library()
    net, size = handle(problem_of()).net, ffi.new("size_t *")
    assert lib.rf_net_state_bytes(net, -1, size) == lib.RF_ERROR_SHAPE
    assert lib.rf_net_workspace_bytes(net, 2**31, 1, size) == lib.RF_ERROR_SHAPE
    assert lib.rf_net_workspace_bytes(net, 2**31 - 1, 2**31 - 1, size) == lib.RF_ERROR_SIZE


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
