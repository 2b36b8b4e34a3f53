"""The buffers that a caller of librnnfast brings, too small or made for another net, and callers of other versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits
from c_records import GUARD, Call
from programs import run, tool
from support import Spec, copy_of, make_problem, outputs_of

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.c.memory import Block
from rnnfast.problem import Problem

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

TESTS = Path(__file__).parents[1] / "helpers"
CSRC = TESTS.parents[1] / "csrc"
NET = Spec(steps=6, batch=3, input_size=5, hidden_size=9, layers=2, directions=2, dropout=0.2, masked_output="hold")
MANY_ROWS = Spec(steps=20, batch=64, input_size=24, hidden_size=64, lengths=True)
BUFFERS = {"workspace": "WORKSPACE", "reserve": "RESERVE", "packed": "PACKED"}
RUNNABLE = [name for name in c.variants() if c.reason(name) is None]


@pytest.fixture(autouse=True)
def number_of_threads_restored() -> Any:
    n = c.get_num_threads()
    yield
    c.set_num_threads(n)


def recorded(problem: Problem) -> Call:
    call = Call(problem)
    call.succeed("rf_forward")
    return call


@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bytes_that_were_asked_for_are_enough(cell: str, dtype: str) -> None:
    problem = make_problem(replace(NET, cell=cell), dtype)
    call = recorded(problem)
    out = np.empty((problem.steps, problem.batch, problem.hidden_size), dtype)
    call.succeed("rf_activation", 3, 0, call.ffi.from_buffer("void *", out))
    call.succeed("rf_backward")
    assert all(np.isfinite(array).all() for array in outputs_of(problem).values())


@pytest.mark.parametrize("name", BUFFERS)
def test_a_byte_less_is_refused(name: str) -> None:
    call = recorded(make_problem(NET))
    size = getattr(call.record, name + "_bytes")
    calls: list[tuple[Any, ...]] = {
        "workspace": [("rf_backward",)],
        "reserve": [("rf_forward",), ("rf_backward",), ("rf_activation", 0, 0, call.record.y)],
        "packed": [("rf_forward",), ("rf_pack", call.record.packed)],
    }[name]
    for less in (size - 1, size // 2, 1, 0):
        setattr(call.record, name + "_bytes", less)
        for arguments in calls:
            call.refuse(f"RF_ERROR_{BUFFERS[name]}_BYTES", *arguments)


def test_forward_needs_its_part_of_the_workspace() -> None:
    call = recorded(make_problem(NET))
    call.record.reserve = call.ffi.NULL
    call.give("workspace")
    call.succeed("rf_forward")
    call.record.workspace_bytes -= 1
    call.refuse("RF_ERROR_WORKSPACE_BYTES", "rf_forward")


@pytest.mark.parametrize("name", BUFFERS)
def test_buffers_are_aligned(name: str) -> None:
    call = recorded(make_problem(NET))
    start = call.ffi.cast("char *", getattr(call.record, name))
    for off in (1, 8, 32):
        setattr(call.record, name, start + off)
        call.refuse("RF_ERROR_ALIGNMENT", "rf_forward")
    call.refuse("RF_ERROR_ALIGNMENT", "rf_pack", start + 8)


def test_a_workspace_measured_for_one_thread_is_used_by_one() -> None:
    problem = make_problem(MANY_ROWS, "float32")
    c.set_num_threads(1)
    one = Call(copy_of(problem), num_threads=0)
    c.set_num_threads(64)
    many = Call(copy_of(problem), num_threads=0)
    assert many.record.workspace_bytes > one.record.workspace_bytes
    for call in (one, many):
        call.succeed("rf_forward")
        call.succeed("rf_backward")
    got, expected = outputs_of(one.problem), outputs_of(many.problem)
    assert all(np.array_equal(got[name], array) for name, array in expected.items())


def test_a_number_of_threads_that_is_asked_for_needs_its_room() -> None:
    call = Call(make_problem(MANY_ROWS, "float32"), num_threads=1)
    call.record.reserve = call.ffi.NULL  # backward's workspace may have room for several threads of a forward
    call.give("workspace")
    call.record.num_threads = 8
    call.refuse("RF_ERROR_WORKSPACE_BYTES", "rf_forward")
    call.give("workspace")
    call.succeed("rf_forward")


def compile_against_the_library(source: Path, target: Path) -> None:
    libraries, header = Path(c.describe()["library"]).parent, Path(rnnfast.__file__).parent / "include"
    flags = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread", f"-I{header}")
    run(tool("cc"), *flags, source, "-o", target, f"-L{libraries}", "-lrnnfast", f"-Wl,-rpath,{libraries}")


def test_a_thread_that_changes_the_number_of_threads_meanwhile_harms_nobody(tmp_path: Path) -> None:
    compile_against_the_library(TESTS / "threads_toggled.c", tmp_path / "toggled")
    assert run(tmp_path / "toggled", 3000) == "the same bits\n"


def packed_for(problem: Problem) -> Call:
    return Call(replace(problem, record=False))


@pytest.mark.parametrize(
    "other",
    [Spec("gru"), Spec("rnn_tanh"), Spec(input_size=3), Spec(hidden_size=4), Spec(layers=2), Spec(directions=2)],
)
def test_weights_packed_for_another_net_are_refused(other: Spec) -> None:
    call, stranger = packed_for(make_problem(Spec())), packed_for(make_problem(other))
    call.record.packed, call.record.packed_bytes = stranger.record.packed, 1 << 20
    call.refuse("RF_ERROR_PACKED", "rf_forward")


def test_weights_packed_for_another_number_type_are_refused() -> None:
    call, stranger = (packed_for(make_problem(Spec(), dtype)) for dtype in ("float32", "float64"))
    call.record.packed, call.record.packed_bytes = stranger.record.packed, 1 << 20
    call.refuse("RF_ERROR_PACKED", "rf_forward")


@pytest.mark.skipif(len(RUNNABLE) < 2, reason="this processor runs a single instruction set")
def test_weights_packed_for_another_instruction_set_are_refused() -> None:
    call, stranger = (packed_for(replace(make_problem(Spec()), variant=name)) for name in RUNNABLE[:2])
    call.record.packed, call.record.packed_bytes = stranger.record.packed, 1 << 20
    call.refuse("RF_ERROR_PACKED", "rf_forward")


def test_every_byte_of_what_packed_weights_begin_with_counts() -> None:
    call = packed_for(make_problem(Spec()))
    start = call.memory["packed"][GUARD:]
    for i in range(80):
        start[i] ^= 0x40
        call.refuse("RF_ERROR_PACKED", "rf_forward")
        start[i] ^= 0x40
    call.succeed("rf_forward")
    start[:80] = 0
    call.refuse("RF_ERROR_PACKED", "rf_forward")


def test_packed_weights_serve_a_copy_elsewhere() -> None:
    call = packed_for(make_problem(Spec()))
    block = Block(call.record.packed_bytes).bytes
    block[:] = call.memory["packed"][GUARD:][: block.size]
    call.record.packed = call.ffi.from_buffer("void *", block)
    call.succeed("rf_forward")


@pytest.mark.parametrize("only_direction", [1, 2])
def test_one_direction_of_several_layers_is_refused(only_direction: int) -> None:
    one, two = (Call(make_problem(Spec(layers=layers))) for layers in (1, 2))
    one.record.only_direction = two.record.only_direction = only_direction
    one.succeed("rf_forward")
    two.refuse("RF_ERROR_SHAPE", "rf_forward")
    two.refuse("RF_ERROR_SHAPE", "rf_workspace_bytes", two.ffi.new("size_t *"))


def test_a_record_of_another_size_is_refused() -> None:
    call = Call(make_problem(Spec()))
    size = call.record.struct_size
    oldest = call.ffi.offsetof("rf_problem", "packed_bytes") + call.ffi.sizeof("size_t")
    for other in (size + 8, 2 * size, size - 4, oldest - 8, 8, 0):
        call.record.struct_size = other
        for function, *arguments in (("rf_forward",), ("rf_workspace_bytes", call.ffi.new("size_t *"))):
            call.refuse("RF_ERROR_STRUCT_SIZE", function, *arguments)


def test_an_older_record_ends_where_it_says() -> None:
    """What lies behind its end is none of the record."""
    problem = make_problem(NET)
    old, expected = recorded(copy_of(problem)), recorded(problem)
    expected.succeed("rf_backward")
    old.record.keep_reserve = 1
    old.record.struct_size = old.ffi.offsetof("rf_problem", "packed_bytes") + old.ffi.sizeof("size_t")
    before = old.memory["reserve"].copy()
    old.succeed("rf_backward")
    assert not np.array_equal(old.memory["reserve"], before)
    assert_same_bits(outputs_of(old.problem), outputs_of(problem))


@pytest.fixture
def longer_header(tmp_path: Path) -> Callable[[], Path]:
    """A folder with the rnnfast.h of a later version, whose record has two more fields at its end."""

    def make() -> Path:
        header = (CSRC / "include" / "rnnfast.h").read_text()
        later = header.replace("\n} rf_problem;", "\n  int64_t later;\n  void *latest;\n} rf_problem;")
        assert later != header
        (tmp_path / "include").mkdir()
        (tmp_path / "include" / "rnnfast.h").write_text(later)
        return tmp_path

    return make


def test_a_later_library_serves_callers_of_this_one(longer_header: Callable[[], Path]) -> None:
    folder = longer_header()
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{folder}", f"-I{CSRC}")
    run(tool("cc"), *flags, TESTS / "older_record.c", CSRC / "api" / "record.c", "-o", folder / "older")
    ffi, _ = library()
    assert run(folder / "older", ffi.sizeof("rf_problem")) == "read\n"
