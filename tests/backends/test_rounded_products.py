"""Products of numbers rounded to bfloat16, precision="bfloat16": what is computed, its bits, and who refuses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, MEDIUM, RAGGED, truth_and_reference
from bits import EVERY_NET, NETS, assert_same_bits, promised, rows_of, rows_of_results, run_as_calls
from support import OUTPUTS, Results, Spec, error, make_problem, pick, run

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.c.record import Template
from rnnfast.backends.reference import backend as reference
from rnnfast.backends.reference.product import rounded
from rnnfast.problem import CELLS, Array, Problem

WHY_NOT = c.reason(precision="bfloat16")
ON_C = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
BACKENDS = [name for name in ("c", "numba", "reference") if rnnfast.backends()[name] is None]
ROUNDED = "products of numbers rounded to bfloat16"
CPU = Path("/proc/cpuinfo")
WITHIN = 1e-2
"""Of the norm of a result, what rounding the operands may change."""
OPTIONS: dict[str, dict[str, Any]] = {
    "bare": {"bias": False, "states": False},
    "ragged": {**RAGGED, "batch": 33, "masked_output": "hold"},
    "long": {"steps": 150, "batch": 13, "hidden_size": 16},
    "two directions": {**RAGGED, "directions": 2, "layers": 2},
    "dropout": {"dropout": 0.5, "input_dropout": 0.25, "recurrent_dropout": 0.3, "layers": 2, "batch": 20},
}


def rounding(spec: Spec) -> Problem:
    return replace(make_problem(spec, "float32"), precision="bfloat16")


def distances(got: Results, expected: Results) -> dict[str, float]:
    """By name, how far results are from what was expected, over the norm of that; zeros must be met."""
    assert got.keys() == expected.keys()
    norms = {name: float(np.linalg.norm(a.ravel())) for name, a in expected.items()}
    return {
        name: error(got[name], a) / norms[name] if norms[name] else error(got[name], a) for name, a in expected.items()
    }


@ON_C
@ALL_CELLS
@pytest.mark.parametrize("shape", [(1, 9, 7, 33), (1, 33, 300, 17), (1, 4, 65, 150)], ids=str)
def test_one_step_multiplies_rounded_numbers(cell: str, shape: tuple[int, int, int, int]) -> None:
    """A number that sums of another order leave on the other side of a tie is one among hundreds, if there is any."""
    spec = Spec(cell, *shape)
    got, expected = run(c, rounding(spec)), run(reference, rounding(spec))
    found = distances(got, expected)
    assert max(found.values()) < 5e-4, found
    if len(CELLS[cell].phases) == 1 and not CELLS[cell].projects:
        assert found["y"] < 1e-6
    assert distances(got, truth_and_reference(spec, "float32")[0])["y"] > 1e-4


@ON_C
@ALL_CELLS
@pytest.mark.parametrize("option", OPTIONS)
def test_sequences_are_those_of_rounded_products(cell: str, option: str) -> None:
    spec = Spec(cell, **{**MEDIUM, **OPTIONS[option]})
    found = distances(run(c, rounding(spec)), run(reference, rounding(spec)))
    assert max(found.values()) < 2e-3, found


@pytest.mark.parametrize("backend", [pytest.param(c, marks=ON_C, id="c"), pytest.param(reference, id="reference")])
@ALL_CELLS
def test_errors_are_those_that_are_promised(backend: Any, cell: str) -> None:
    spec = Spec(cell, steps=40, batch=32, input_size=64, hidden_size=128)
    found = distances(run(backend, rounding(spec)), truth_and_reference(spec, "float32")[0])
    if cell == "rnn_relu":  # whose gradient jumps where rounding moves a sum across zero
        found = {name: distance for name, distance in found.items() if name in ("y", "h_n")}
    assert max(found.values()) < WITHIN, found
    assert min(found[name] for name in ("y", "h_n")) > 1e-4, found


@ON_C
@ALL_CELLS
@EVERY_NET
def test_rows_have_the_same_bits_in_every_batch(cell: str, net: str) -> None:
    problem = rounding(Spec(cell, **NETS[net], batch=37))
    expected = promised(problem)
    for first, size in ((0, 1), (1, 2), (3, 7), (10, 27)):
        part = replace(rows_of(problem, slice(first, first + size)), first_row=first)
        assert_same_bits(pick(promised(part), OUTPUTS), rows_of_results(expected, slice(first, first + size)))


@ON_C
@ALL_CELLS
@EVERY_NET
@pytest.mark.parametrize("batch", [1, 37])
def test_any_number_of_threads_gives_the_same_bits(cell: str, net: str, batch: int) -> None:
    problem = rounding(Spec(cell, **NETS[net], batch=batch))
    expected = promised(replace(problem, num_threads=1))
    for threads in (2, 3):
        assert_same_bits(promised(replace(problem, num_threads=threads)), expected)


@ON_C
@ALL_CELLS
def test_chunks_of_steps_have_the_same_bits(cell: str) -> None:
    problem = rounding(Spec(cell, steps=24, batch=5, input_size=20, hidden_size=33, layers=2, **RAGGED))
    assert_same_bits(run_as_calls(problem, [1, 2, 9, 17, 23]), pick(promised(problem), OUTPUTS))


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


@ON_C
@pytest.mark.parametrize("memory", ["checkpoint", "full"])
def test_gradients_are_the_same_with_any_memory_and_again(memory: Any) -> None:
    net, x, dy = rnnfast.LSTM(9, 33, seed=0, precision="bfloat16", backend="c"), normal(200, 5, 9), normal(200, 5, 33)
    expected = net.record(x)[2].backward(dy)
    tape = net.record(x, keep=memory == "full", memory=memory)[2]
    for _ in range(2 if memory == "full" else 1):
        found = tape.backward(dy)
        assert_same_bits({**found.params, "x": found.x}, {**expected.params, "x": expected.x})
    if memory == "full":
        assert tape.ran_on in (f"c: {ROUNDED}, by {way}" for way in ("AVX512_BF16", "AMX"))
    else:
        assert "products of bfloat16" in tape.ran_on


@pytest.mark.skipif(not CPU.exists(), reason="needs Linux's /proc/cpuinfo")
def test_processors_that_gain_nothing_do_not_have_it() -> None:
    """Intel's AVX512_BF16 takes longer than float32: there, AMX has it."""
    words = set(CPU.read_text().split())
    gains = "avx512_bf16" in words and ("GenuineIntel" not in words or "amx_bf16" in words)
    assert gains or WHY_NOT is not None


@ON_C
def test_what_is_no_number_stays_in_its_row() -> None:
    net, x = rnnfast.GRU(7, 33, seed=0, precision="bfloat16", backend="c"), normal(4, 3, 7)
    expected = net(x)[0]
    x[1, 1] = np.nan
    found = net(x)[0]
    np.testing.assert_array_equal(found[:, [0, 2]], expected[:, [0, 2]])
    assert np.isnan(found[1:, 1]).all() and np.isfinite(found[0]).all()


@ON_C
def test_what_is_no_number_is_not_left_in_memory() -> None:
    """Behind rows of 33 numbers stand zeros, not what row 130 of x, of 60, left there: 128 rows are copied at once."""
    net, x = rnnfast.RNN(60, 33, seed=0, precision="bfloat16", backend="c"), normal(32, 5, 60)
    expected = net(x)[0]
    x[26, 0] = np.nan
    np.testing.assert_array_equal(net(x)[0][:, 1:], expected[:, 1:])


@ON_C
def test_nets_learn_with_it() -> None:
    """The mean of a sequence, told at its end: 60 steps of plain gradient descent, as far as with float32."""
    x = normal(12, 32, 5)
    target, last = x.mean(axis=0), []
    for precision in ("float32", "bfloat16"):
        net = rnnfast.LSTM(5, 16, seed=0, precision=precision, backend="c")
        for _ in range(60):
            y, _, tape = net.record(x)
            dy = np.zeros_like(y)
            dy[-1, :, :5] = 2 * (y[-1, :, :5] - target) / target.size
            gradients = tape.backward(dy)
            for name, gradient in gradients.params.items():
                net.parameters[name] -= 2 * gradient
        last.append(float(np.square(net(x)[0][-1, :, :5] - target).mean()))
    assert last[0] < 0.7 * float(np.square(target).mean())
    assert last[1] == pytest.approx(last[0], rel=0.2)


@pytest.mark.parametrize("backend", ["c", "c:avx2", "c:scalar", "numba"])
def test_who_cannot_refuses(backend: str) -> None:
    if rnnfast.backends().get(backend, "") is not None:
        pytest.skip(f"{backend} does not run here")
    if backend == "c" and WHY_NOT is None:
        pytest.skip("it can here")
    with pytest.raises(
        ValueError, match=f"precision is 'bfloat16', which backend '{backend}' cannot give here: .*leave"
    ):
        rnnfast.LSTM(3, 4, precision="bfloat16", backend=backend)


def test_no_other_backend_is_taken_in_place_of_one_that_cannot() -> None:
    net = rnnfast.LSTM(3, 4, precision="bfloat16", backend="reference")
    net.backend = None
    if "numba" in BACKENDS:
        with (
            rnnfast.use_backend("numba"),
            pytest.raises(ValueError, match="the numba backend has no products of bfloat16"),
        ):
            net(normal(2, 3, 3))


def test_wrong_precisions_are_refused() -> None:
    with pytest.raises(ValueError, match="precision is 'float16', expected one of 'float32', 'bfloat16'"):
        rnnfast.GRU(3, 4, precision="float16")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="precision must be one of"):
        rnnfast.RNN(3, 4, precision=16)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="precision is 'bfloat16', of float32 nets alone"):
        rnnfast.LSTM(3, 4, precision="bfloat16", dtype="float64", backend="reference")


def test_files_and_frozen_nets_are_those_of_float32(tmp_path: Any) -> None:
    net = rnnfast.LSTM(3, 20, seed=0, precision="bfloat16", backend="reference")
    assert repr(net) == "LSTM(3, 20, precision='bfloat16', backend='reference')"
    net.save(tmp_path / "net.npz")
    other = rnnfast.LSTM(3, 20, backend="reference")
    other.load(tmp_path / "net.npz")
    x = normal(6, 4, 3)
    np.testing.assert_array_equal(net.freeze()(x)[0], other(x)[0])
    assert net.freeze().net.precision == "float32"
    assert 1e-4 < float(np.linalg.norm(net(x)[0] - other(x)[0])) < WITHIN * float(np.linalg.norm(other(x)[0]))


def test_rounding_is_to_nearest_even() -> None:
    """The last bit that is kept of numbers from 1 to 2 counts 2^-7."""
    ulp = 2.0**-7
    numbers = [
        1,
        1 + ulp / 2,
        1 + 3 * ulp / 2,
        1 + 0.51 * ulp,
        -1 - 0.49 * ulp,
        0,
        -0.0,
        3.4e38,
        np.inf,
        -np.inf,
        np.nan,
    ]
    expected = [1, 1, 1 + 2 * ulp, 1 + ulp, -1, 0, -0.0, np.inf, np.inf, -np.inf, np.nan]
    found = rounded(np.array(numbers, np.float32))
    np.testing.assert_array_equal(found, np.array(expected, np.float32))
    np.testing.assert_array_equal(np.signbit(found[:-1]), np.signbit(expected[:-1]))


@pytest.mark.parametrize(
    "dtype, weights, product, status",
    [
        ("float32", None, 0, "OK"),
        ("float32", None, 1, "ERROR_DTYPE"),
        ("float32", None, 2**40, "ERROR_DTYPE"),
        ("float64", None, 2, "ERROR_DTYPE"),
        ("float32", "int8", 2, "ERROR_DTYPE"),
        ("float32", None, 2, "OK" if WHY_NOT is None else "ERROR_UNSUPPORTED"),
    ],
)
@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_the_library_checks_what_products_multiply(dtype: str, weights: Any, product: int, status: str) -> None:
    ffi, lib = library()
    problem = make_problem(Spec(states=False), dtype)
    problem.weights = weights
    template, size, net = Template(problem, Layout()), ffi.new("size_t *"), ffi.new("rf_net **")
    template.record.product_dtype = product
    assert ffi.typeof("rf_status").elements[lib.rf_packed_bytes(template.record, size)] == f"RF_{status}"
    assert status != "OK" or (template.rounds_rows() in (1, 2)) == (product != 0)
    assert product == 0 or lib.rf_net_create(template.record, ffi.NULL, 0, net) == lib.RF_ERROR_DTYPE
