"""What the functions for JAX do not take: errors that name it, from Python or, where only a run shows it, from C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import python

from rnnfast.backends.c.library import is_built

jax = pytest.importorskip("jax", reason="jax is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

from jax_calls import net_of, random  # noqa: E402

from rnnfast.integrations.jax import gru, lstm, rnn  # noqa: E402

T, B, I, H = 4, 3, 2, 5  # noqa: E741 (I is the input size)
LSTM, GRU = (net_of(kind, (I, H)).state_dict() for kind in ("LSTM", "GRU"))
X, STATE = random(T, B, I), random(1, B, H)
FAULTS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "list": (lambda: lstm(LSTM, [[0.0]]), TypeError, "x is of type list, expected an array"),
    "integers": (lambda: lstm(LSTM, X.astype(int)), TypeError, "x has dtype int64, expected float32 or float64"),
    "half": (lambda: lstm(LSTM, jax.numpy.asarray(X, "bfloat16")), TypeError, "x has dtype bfloat16, expected float32"),
    "cast by JAX": (lambda: lstm(LSTM, X.astype("float64")), TypeError, "x has dtype float64, which JAX would cast"),
    "features": (lambda: lstm(LSTM, X[..., :1]), ValueError, "x has 1 features, this LSTM was made for 2"),
    "axes": (lambda: lstm(LSTM, X[0, 0]), ValueError, r"x has shape \(2,\), expected \(T, B, 2\)"),
    "no dict": (lambda: lstm([1], X), TypeError, "parameters is of type list, expected a dict"),
    "no layer": (lambda: lstm({}, X), ValueError, r"parameters\['weight_ih_l0'\] is missing"),
    "another cell": (lambda: gru(LSTM, X), ValueError, r"parameters: weight_hh_l0 has shape \(20, 5\), expected"),
    "a bias": (lambda: lstm(without(LSTM, "bias_hh_l0"), X), ValueError, "not those of one LSTM, see bias_hh_l0"),
    "a layer": (lambda: lstm(LSTM | {"weight_hh_l2": LSTM["weight_hh_l0"]}, X), ValueError, "not those of one LSTM"),
    "a shape": (lambda: gru(GRU | {"bias_ih_l0": np.ones(3, "f")}, X), ValueError, r"bias_ih_l0 has shape \(3,\)"),
    "one state": (lambda: lstm(LSTM, X, STATE), TypeError, r"pass the tuple \(h, c\)"),
    "two states": (lambda: gru(GRU, X, (STATE, STATE)), TypeError, "state is of type tuple, this GRU has one state"),
    "state": (lambda: gru(GRU, X, STATE[:, :2]), ValueError, r"state has shape \(1, 2, 5\), expected \(1, 3, 5\)"),
    "lengths": (lambda: gru(GRU, X, lengths=np.ones(2, int)), ValueError, r"lengths has shape \(2,\), expected \(3,\)"),
    "real lengths": (
        lambda: gru(GRU, X, lengths=np.ones(B)),
        TypeError,
        "lengths has dtype float64, expected integers",
    ),
    "mask": (lambda: gru(GRU, X, mask=np.ones((T, B))), TypeError, "mask has dtype float64, expected bool or uint8"),
    "resets": (lambda: gru(GRU, X, resets=np.ones((B, T), bool)), ValueError, r"resets has shape \(3, 4\), expected"),
    "option": (lambda: lstm(LSTM, X, num_layers=2), TypeError, "lstm has no option num_layers, expected some of"),
    "no key": (lambda: gru(GRU, X, dropout=0.5), ValueError, "dropout=0.5 needs a key"),
    "probability": (lambda: gru(GRU, X, dropout=1), ValueError, "dropout is 1, expected"),
    "threads": (lambda: gru(GRU, X, num_threads=0), ValueError, "num_threads is 0, expected at least 1"),
    "backend": (lambda: gru(GRU, X, backend="reference"), ValueError, "backend is 'reference', expected 'c'"),
    "instruction set": (lambda: gru(GRU, X, backend="c:x87"), ValueError, "names no form of backend 'c'"),
    "activation": (lambda: rnn(GRU, X, nonlinearity="cos"), ValueError, "nonlinearity is 'cos', expected one of"),
}


def without(parameters: dict[str, Any], name: str) -> dict[str, Any]:
    """The others."""
    return {other: value for other, value in parameters.items() if other != name}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named(fault: str) -> None:
    call, error, words = FAULTS[fault]
    with pytest.raises(error, match=words):
        call()


def test_the_advice_is_the_dtype_of_the_parameters_that_jax_has() -> None:
    parameters = {name: value.astype("float64") for name, value in GRU.items()}
    for x64, dtype in ((True, "float64"), (False, "float32")):
        with jax.enable_x64(x64), pytest.raises(TypeError, match=rf"x has .* with \.astype\('{dtype}'\)"):
            gru(parameters, X.astype(int))
    with jax.enable_x64(True), pytest.raises(TypeError, match=r"state has .* with \.astype\('float64'\)"):
        gru(parameters, X.astype("float64"), STATE.astype(int))


OUT_OF_RANGE = r"rnnfast: lengths\[2\] is .*, expected 0 to 4"


@pytest.mark.parametrize("length", [-1, T + 1, 2**40])
def test_a_length_out_of_range_is_an_error_when_it_runs(length: int) -> None:
    lengths = np.array([0, 1, length])
    with pytest.raises((ValueError, jax.errors.JaxRuntimeError), match=OUT_OF_RANGE):
        jax.block_until_ready(gru(GRU, X, lengths=lengths))
    if abs(length) < 2**31:  # else JAX passes on its lower 32 bits
        with pytest.raises((ValueError, jax.errors.JaxRuntimeError), match=OUT_OF_RANGE):
            jax.block_until_ready(jax.jit(gru)(GRU, X, lengths=lengths))


@pytest.mark.parametrize("dtype, length", [("uint32", 2**32 - 1), ("uint64", 2**32 + 3), ("uint64", 2**64 - 1)])
@pytest.mark.parametrize("is_traced", [False, True])
def test_unsigned_lengths_out_of_range_stay_so(dtype: str, length: int, is_traced: bool) -> None:
    with jax.enable_x64(True):
        lengths = jax.numpy.array([0, 1, length], dtype)
        call = jax.jit(gru) if is_traced else gru
        with pytest.raises((ValueError, jax.errors.JaxRuntimeError), match=OUT_OF_RANGE):
            jax.block_until_ready(call(GRU, X, lengths=lengths))


WITHOUT_THREADS = """
import numpy as np, rnnfast
from rnnfast.integrations.jax import gru
try:
    gru(rnnfast.GRU(2, 3, backend="reference").state_dict(), np.ones((4, 5, 2), "f"))[0].block_until_ready()
except Exception as error:
    print(error)
"""


def test_a_number_of_threads_that_is_none_is_an_error_when_it_runs() -> None:
    said = python(WITHOUT_THREADS, RNNFAST_NUM_THREADS="many")
    assert "RNNFAST_NUM_THREADS) is out of range" in said


WITHOUT_THE_LIBRARY = """
import sys
sys.modules["rnnfast._rnnfast"] = None
import numpy as np, rnnfast
from rnnfast.integrations.jax import gru
try:
    gru(rnnfast.GRU(2, 3, backend="reference").state_dict(), np.ones((4, 5, 2), "f"))
except RuntimeError as error:
    print(error)
"""


def test_without_the_c_library_a_call_says_so() -> None:
    assert python(WITHOUT_THE_LIBRARY).startswith("the C library was not built: ")
