"""Bad options of nets, backends and seeds: every one is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bad_values import CLASSES, EVERY_CLASS, SWAPPED, B, H, I, T, X, fails, lstm, zeros
from nets import BACKEND

import rnnfast


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
@EVERY_CLASS
def test_sizes(kind: str, name: str) -> None:
    sizes: dict[str, Any] = {"input_size": I, "hidden_size": H}
    for bad in (0, -1):
        with fails(ValueError, f"{name} is {bad}, expected at least 1"):
            CLASSES[kind](**sizes | {name: bad})
    for wrong in (2.0, "2", None, True):
        with fails(TypeError, f"{name} must be a whole number, got {type(wrong).__name__}"):
            CLASSES[kind](**sizes | {name: wrong})
    assert (
        CLASSES[kind](**sizes | {name: np.int32(2)}, backend=BACKEND)(zeros(T, B, 2 if name == "input_size" else I))[
            0
        ].shape[0]
        == T
    )


@pytest.mark.parametrize("name", ["dropout", "input_dropout", "recurrent_dropout"])
@EVERY_CLASS
def test_dropout_outside_its_range(kind: str, name: str) -> None:
    for bad in (1, 1.5, -0.1, float("nan"), float("inf")):
        with fails(ValueError, f"{name} is {bad}, expected a probability in [0, 1)"):
            CLASSES[kind](I, H, **{name: bad})
    with fails(TypeError, f"{name} must be a probability in [0, 1), got str"):
        CLASSES[kind](I, H, **{name: "0.5"})


def test_options() -> None:
    with fails(ValueError, "masked_output is 'last', expected one of 'zero', 'hold'"):
        rnnfast.GRU(I, H, masked_output="last")  # type: ignore[arg-type]
    with fails(ValueError, "nonlinearity is 'sigmoid', expected one of 'tanh', 'relu', 'linear'"):
        rnnfast.RNN(I, H, nonlinearity="sigmoid")  # type: ignore[arg-type]
    with fails(ValueError, "forget_bias is 1.0, but bias=False"):
        rnnfast.LSTM(I, H, bias=False, forget_bias=1.0)
    for seed in (-1, 2**64):
        with fails(ValueError, f"dropout_seed is {seed}, expected 0 to {2**64 - 1}"):
            lstm().record(X, dropout_seed=seed)
    with fails(TypeError, "dropout_seed must be a whole number, got float"):
        lstm().record(X, dropout_seed=1.0)


@pytest.mark.parametrize("name", ["bias", "batch_first", "bidirectional"])
@EVERY_CLASS
def test_switches_are_true_or_false(kind: str, name: str) -> None:
    with fails(TypeError, f"{name} must be True or False, got str"):
        CLASSES[kind](I, H, **{name: "false"})
    with fails(TypeError, "reset_after must be True or False, got int"):
        rnnfast.GRU(I, H, reset_after=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64", None, "longdouble", SWAPPED, "no such type"])
@EVERY_CLASS
def test_dtypes_nets_do_not_have(kind: str, dtype: Any) -> None:
    with pytest.raises(TypeError):
        CLASSES[kind](I, H, dtype=dtype)


def test_unknown_backend() -> None:
    with fails(ValueError, "backend= names no backend: 'fast', expected one of c, "):
        rnnfast.GRU(I, H, backend="fast")
    assert BACKEND in rnnfast.backends()


def test_the_parameters_cannot_be_replaced() -> None:
    with pytest.raises(AttributeError):
        lstm().parameters = {}
