"""Nets of the C library made once: what stands above their layers, linear layers and activations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handles import ACTIVATIONS, Rows, expected, handle, problem_of, x_of

from rnnfast.backends.c import backend as c
from rnnfast.problem import Array

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


BOTH = pytest.mark.parametrize("dtype", ["float32", "float64"])


VARIANTS = [name for name in c.variants() if c.reason(name) is None]


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


def test_a_head_that_does_not_fit_is_refused() -> None:
    problem = problem_of(hidden_size=5)
    good = np.zeros((2, 5), "float32")
    with pytest.raises(ValueError, match="size is negative"):
        handle(problem, [(np.zeros((0, 5), "float32"), None)])
    with pytest.raises(ValueError, match="out of range"):
        handle(problem, threads=-1)
    assert handle(problem, [(good, None)]).sizes.output_size == 2
