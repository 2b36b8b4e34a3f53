"""Advice of errors: the way out that is named is one that the value has, and it works."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from bad_values import B, H, T, X, fails, lstm
from programs import python

from rnnfast.checks.arrays import MOST, check_steps


def advised(call: Any) -> str:
    """The message of a TypeError that a call raises."""
    with pytest.raises(TypeError) as raised:
        call()
    return str(raised.value)


def test_arrays_of_numpy() -> None:
    for wrong in (X.astype(">f4"), X.astype("f2"), X.astype("g"), np.ones(X.shape, np.int16)):
        assert advised(lambda wrong=wrong: lstm()(wrong)).endswith("convert it with .astype('float32')")
        lstm()(wrong.astype("float32"))
    assert "convert it with .astype('bool')" in advised(lambda: lstm()(X, mask=np.ones((T, B), int)))


def test_lists() -> None:
    text = advised(lambda: lstm()(X.tolist()))
    assert "convert it with np.array(..., 'float32'), or make the LSTM with dtype='float64'" in text
    assert ".astype" not in text
    lstm()(np.array(X.tolist(), "float32"))
    assert "np.array(..., 'bool')" in advised(lambda: lstm()(X, mask=[[1] * B] * T))


def test_tensors_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    net, x, h = lstm(), torch.from_numpy(X), torch.zeros(1, B, H)
    stream, tape = net.stream(B), net.record(X)[2]
    for kind in (torch.float16, torch.bfloat16, torch.float64, torch.int32):
        for call in (
            lambda kind=kind: net(x.to(kind)),
            lambda kind=kind: net(x, (h.to(kind), h)),
            lambda kind=kind: tape.backward(torch.ones(T, B, H, dtype=kind)),
            lambda kind=kind: stream.step(x[0].to(kind)),
            lambda kind=kind: net.load_state_dict(
                {name: torch.from_numpy(array).to(kind) for name, array in net.parameters.items()}
            ),
        ):
            text = advised(call)
            assert "convert it with .to(torch.float32)" in text and ".astype" not in text
    np.testing.assert_array_equal(net(x.double().to(torch.float32))[0], net(X)[0])
    assert "use tensor.detach()" in advised(lambda: net(x.clone().requires_grad_()))
    assert "convert it with .to(torch.bool)" in advised(lambda: net(x, mask=torch.ones(T, B)))


OF_JAX = """
import jax.numpy, numpy, rnnfast
net = rnnfast.LSTM(3, 4)
for kind in ("float16", "bfloat16"):
    x = jax.numpy.ones((2, 1, 3), kind)
    try:
        net(x)
    except TypeError as error:
        print(str(error).rpartition(": ")[2])
    net(x.astype("float32"))
"""


def test_arrays_of_jax() -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    assert python(OF_JAX).splitlines() == ["convert it with .astype('float32')"] * 2  # JAX warns of all later forks


def test_what_is_no_number_is_not_to_be_converted() -> None:
    for wrong in (np.array([["a"]]), np.array([[None]]), np.ones((1, 1), "V4"), np.ones((1, 1), "c8")):
        text = advised(lambda wrong=wrong: lstm()(wrong))
        assert text.endswith("pass an array of float32 numbers")


def test_more_steps_or_rows_than_are_counted() -> None:
    check_steps(MOST, MOST)
    with fails(ValueError, f"x has {2**31} time steps, expected at most {2**31 - 1}: cut it and carry the state"):
        check_steps(2**31, 1)
    with fails(ValueError, f"x has {2**31} rows, expected at most {2**31 - 1}: call the net with a part of them"):
        check_steps(1, 2**31)
