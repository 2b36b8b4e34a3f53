"""Streams of models: what is refused moves no state, and copies have states of their own."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, assert_same, normal

import rnnfast
from rnnfast import nn
from rnnfast.nn.sequential_stream import SequentialStream
from rnnfast.problem import Array

T, B, I, H = 6, 3, 4, 5  # noqa: E741 (I is the input size)


def made(**first: Any) -> nn.Sequential:
    kinds = {"dtype": "float64", "backend": BACKEND}
    return nn.Sequential(
        **first,
        lower=rnnfast.LSTM(I, H, seed=0, **kinds),
        upper=rnnfast.GRU(H, H, seed=2, **kinds),
        head=nn.Linear(H, 2, dtype="float64", seed=3),
        out="sigmoid",
    )


def begun(batch: int = B) -> SequentialStream:
    stream = made().stream(batch)
    stream.step(normal(batch, I))
    return stream


@pytest.mark.parametrize("first", [{}, {"below": nn.Linear(I, I, dtype="float64")}])
def test_an_out_that_does_not_fit_moves_nothing(first: dict[str, Any]) -> None:
    stream, x = made(**first).stream(B), normal(T, B, I)
    before = stream.states
    read_only = np.empty((B, 2))
    read_only.flags.writeable = False
    for out in (np.empty((B, 3)), np.empty((B, 2), np.float32), read_only, [0.0]):
        with pytest.raises((ValueError, TypeError), match="out "):
            stream.step(x[0], out)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out has shape"):
        stream.run(x, np.empty((T, B, 3)))
    assert_same(tuple(stream.states), tuple(before))
    with pytest.raises(ValueError, match=r"x has shape|chunk has"):  # which is told of first
        stream.step(x[0, :2], np.empty((2, 2)))
    out = np.empty((T, B, 2))
    assert stream.run(x, out) is out
    assert_same(out, made(**first)(x)[0])


def test_states_are_assigned_together_or_not_at_all() -> None:
    stream = begun()
    before, wrong = stream.states, np.zeros((1, B, H + 1))
    with pytest.raises(ValueError, match=r"states\[1\] has shape"):
        stream.states = [(np.ones((1, B, H)), np.ones((1, B, H))), wrong]
    assert_same(tuple(stream.states), tuple(before))
    stream.states = [None, before[1]]
    assert not stream.states[0][0].any()
    assert_same(stream.states[1], before[1])


def pickled(stream: SequentialStream) -> Any:
    return pickle.loads(pickle.dumps(stream))


@pytest.mark.parametrize("copied", [SequentialStream.copy, copy.copy, copy.deepcopy, pickled])
def test_copies_go_on_alone(copied: Callable[[SequentialStream], SequentialStream]) -> None:
    stream, x = begun(), normal(T, B, I)
    twin = copied(stream)
    before = stream.states
    first: Array = twin.run(x)
    assert_same(tuple(stream.states), tuple(before))
    assert_same(stream.run(x), first)
    assert_same(tuple(stream.states), tuple(twin.states))


def test_a_mask_that_does_not_fit_resets_nothing() -> None:
    stream = begun()
    before = stream.states
    with pytest.raises(ValueError, match="mask has shape"):
        stream.reset(np.ones(B + 1, bool))
    assert_same(tuple(stream.states), tuple(before))
