"""A reserve that backward leaves as it is, and its size, which is a formula."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES
from bits import DROPOUT, EVERY_NET, EVERY_VARIANT, NETS, assert_same_bits, make
from c_records import Call
from support import Spec, copy_of, make_problem, outputs_of, with_outputs

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.record import Template
from rnnfast.backends.c.reserve_size import reserve_bytes
from rnnfast.problem import Problem

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

# A batch that is one block of its own, blocks of many steps, and no step at all.
SIZES: dict[str, dict[str, Any]] = {
    "many rows": {"steps": 3, "batch": 300, "hidden_size": 5},
    "many steps": {"steps": 150, "batch": 5, "hidden_size": 9},
    "no steps": {"steps": 0},
}


@pytest.fixture(autouse=True)
def number_of_threads_restored() -> Any:
    n = c.get_num_threads()
    yield
    c.set_num_threads(n)


def recorded(problem: Problem, *, keep: bool, num_threads: int = 1) -> Call:
    """A call after rf_forward, its buffers as large as the library says and poison around them."""
    call = Call(problem, num_threads)
    call.record.keep_reserve = keep
    call.give("workspace")
    call.succeed("rf_forward")
    return call


def assert_keeps(problem: Problem, num_threads: int = 1) -> None:
    """Two backwards give the bits of one that consumes the reserve, of which not a byte changes."""
    consuming = recorded(copy_of(problem), keep=False)
    consuming.succeed("rf_backward")
    expected, call = outputs_of(consuming.problem), recorded(problem, keep=True, num_threads=num_threads)
    before = call.memory["reserve"].copy()
    for _ in range(2):
        for name, array in outputs_of(problem).items():
            if name not in ("y", "h_n", "c_n"):
                array.fill(0 if name.startswith(("d_w", "d_b")) else np.nan)
        call.memory["workspace"][4096:][: call.record.workspace_bytes] = 0xA5
        call.succeed("rf_backward")
        assert np.array_equal(call.memory["reserve"], before)
        assert_same_bits(outputs_of(problem), expected)


@ALL_CELLS
@EVERY_VARIANT
@EVERY_NET
def test_a_reserve_that_is_kept_does_not_change(net: str, variant: str, cell: str) -> None:
    assert_keeps(make(variant, cell, "float32", **NETS[net]))


@ALL_CELLS
@pytest.mark.parametrize("size", SIZES)
def test_in_blocks_of_any_size(size: str, cell: str) -> None:
    words = SIZES[size] | {"lengths": True, "resets": True, "recurrent_dropout": 0.3, "input_dropout": 0.2}
    assert_keeps(make_problem(Spec(cell, **words), "float64"))


@ALL_CELLS
@pytest.mark.parametrize("batch", [2, 64], ids=["by units", "by rows"])
def test_with_threads(batch: int, cell: str) -> None:
    words = {"steps": 7, "batch": batch, "input_size": 160, "hidden_size": 250, "layers": 2, "mask": True}
    assert_keeps(make_problem(Spec(cell, masked_output="hold", **words), "float32"), num_threads=3)


def test_backwards_of_one_forward_at_a_time() -> None:
    problem = make_problem(Spec("lstm", steps=80, batch=8, hidden_size=40, layers=2, **DROPOUT), "float32")
    call = recorded(problem, keep=True)
    call.succeed("rf_backward")
    twins = [recorded(with_outputs(problem), keep=True) for _ in range(4)]
    for twin in twins:
        twin.record.reserve = call.record.reserve
    threads = [threading.Thread(target=twin.succeed, args=("rf_backward",)) for twin in twins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for twin in twins:
        assert_same_bits(outputs_of(twin.problem), outputs_of(problem))


def test_the_workspace_grows_by_the_gates_of_a_block() -> None:
    """Not by those of the sequence, of every layer and direction; and without `keep_reserve` not at all."""
    words = {"batch": 32, "hidden_size": 64, "layers": 2, "directions": 2}
    more = []
    for steps in (64, 640):
        call = Call(make_problem(Spec(steps=steps, **words), "float32"))
        without = call.record.workspace_bytes
        call.record.keep_reserve = 1
        call.give("workspace")
        more.append(call.record.workspace_bytes - without)
        call.succeed("rf_forward")
        call.record.workspace_bytes -= 1
        call.refuse("RF_ERROR_WORKSPACE_BYTES", "rf_backward")
    gates, pointers = 256 * (4 * 64 + 16) * 4, 32 * 8
    assert more == [gates + pointers] * 2


def test_held_outputs_are_kept_of_all_steps_at_once() -> None:
    problem = make_problem(Spec(steps=100, masked_output="hold", mask=True))
    call = recorded(problem, keep=True)
    call.record.t0 = 64
    call.refuse("RF_ERROR_RANGE", "rf_backward")
    call.record.keep_reserve = 0
    call.succeed("rf_backward")
    zeros = recorded(make_problem(Spec(steps=100, mask=True)), keep=True)
    zeros.record.t0 = 64
    zeros.succeed("rf_backward")


@ALL_CELLS
@BOTH_DTYPES
@EVERY_VARIANT
def test_the_size_of_a_reserve_is_a_formula(variant: str, dtype: str, cell: str) -> None:
    shapes = [(1, 1, 0, 3), (2, 1, 5, 1), (1, 2, 7, 3), (3, 2, 70, 4)]
    for hidden in (1, 8, 15, 16, 17, 63, 100, 128, 250, 256, 257, 512):
        for layers, directions, steps, batch in shapes:
            for hold in (False, True):
                words = {"layers": layers, "directions": directions, "steps": steps, "batch": batch}
                problem = sized(cell, dtype, hidden, hold=hold, **words)
                asked = Template(replace(problem, variant=variant), Layout()).size("reserve")
                sizes = layers, directions, hidden, steps, batch
                assert reserve_bytes(cell, dtype, *sizes, hold=hold) == asked, (sizes, hold)


@pytest.mark.parametrize("dropout", ["dropout", "input_dropout", "recurrent_dropout", "bias"])
def test_no_option_changes_the_size_of_a_reserve(dropout: str) -> None:
    problem = make_problem(Spec(layers=2, bias=dropout != "bias", **({} if dropout == "bias" else {dropout: 0.5})))
    sizes = 2, 1, problem.hidden_size, problem.steps, problem.batch
    assert Template(problem, Layout()).size("reserve") == reserve_bytes("lstm", "float64", *sizes)


def sized(
    cell: str, dtype: str, hidden_size: int, *, hold: bool, layers: int, directions: int, **sizes: int
) -> Problem:
    """A problem of sizes alone: no weight is read."""
    kind, held = np.dtype(dtype), "hold" if hold else "zero"
    return Problem(cell, kind, layers, directions, **sizes, input_size=3, hidden_size=hidden_size, masked_output=held)


class Symbol:
    """A polynomial with whole coefficients in T and B, of which nothing but sums and products can be taken."""

    def __init__(self, terms: dict[tuple[int, int], int]) -> None:
        self.terms = {powers: factor for powers, factor in terms.items() if factor}

    def __add__(self, other: Symbol | int) -> Symbol:
        terms = dict(self.terms)
        for powers, factor in as_symbol(other).terms.items():
            terms[powers] = terms.get(powers, 0) + factor
        return Symbol(terms)

    def __mul__(self, other: Symbol | int) -> Symbol:
        product = Symbol({})
        for (t, b), factor in as_symbol(other).terms.items():
            product += Symbol({(t + s, b + c): factor * own for (s, c), own in self.terms.items()})
        return product

    __radd__, __rmul__ = __add__, __mul__


def as_symbol(value: Symbol | int) -> Symbol:
    """The value itself, or the constant."""
    return value if isinstance(value, Symbol) else Symbol({(0, 0): value})


@ALL_CELLS
def test_the_formula_takes_sizes_that_are_not_known(cell: str) -> None:
    t: Any = Symbol({(1, 0): 1})
    b: Any = Symbol({(0, 1): 1})
    found: Any = reserve_bytes(cell, "float32", 2, 2, 40, t, b, hold=True)
    assert found.terms.keys() == {(1, 1), (0, 1)}
    known = reserve_bytes(cell, "float32", 2, 2, 40, 9, 7, hold=True)
    assert sum(factor * 9**s * 7**c for (s, c), factor in found.terms.items()) == known
