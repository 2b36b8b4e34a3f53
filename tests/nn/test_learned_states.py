"""Initial states that were learned: in calls, in streams, in files, and in C as in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, assert_same, normal

import rnnfast
from rnnfast import nn
from rnnfast.backends.c import backend as c

T, B, I, H = 6, 3, 4, 5  # noqa: E741 (I is the input size)
RNG = np.random.default_rng(7)
H0, C0, G0 = (RNG.standard_normal((count, H)) for count in (2, 2, 1))


def made(learned: bool = True, **options: Any) -> nn.Sequential:
    kinds = {"dtype": "float64", "backend": BACKEND, **options}
    model = nn.Sequential(
        lower=rnnfast.LSTM(I, H, 2, seed=0, **kinds),
        between="tanh",
        upper=rnnfast.GRU(H, H, seed=2, **kinds),
        head=nn.Linear(H, 2, dtype="float64", seed=3),
    )
    if learned:
        model.set_initial_state("lower", (H0, C0[:, None]))
        model.set_initial_state("upper", G0)
    return model


def states(batch: int = B) -> list[Any]:
    h, c0, g = (np.repeat(array[:, None], batch, 1) for array in (H0, C0, G0))
    return [(h, c0), g]


def test_a_call_begins_with_them() -> None:
    x = normal(T, B, I)
    expected = made(learned=False)(x, states())
    assert_same(made()(x)[0], expected[0])
    assert_same(tuple(made()(x)[1]), tuple(expected[1]))
    assert_same(made()(x, [None, states()[1]])[0], expected[0])
    assert_same(made()(x[:, 0])[0], expected[0][:, 0])
    turned = made(batch_first=True)(x.swapaxes(0, 1).copy())[0]
    assert_same(turned.swapaxes(0, 1), expected[0])
    zeros = made(learned=False)(x)
    given = [tuple(map(np.zeros_like, states()[0])), np.zeros_like(states()[1])]
    assert_same(made()(x, given)[0], zeros[0])


@pytest.mark.parametrize("backend", [BACKEND, "reference"])
def test_a_stream_begins_with_them_and_again(backend: str) -> None:
    model, x = made(backend=backend), normal(T, B, I)
    stream, expected = model.stream(B), model(x)[0]
    assert_same(tuple(stream.copy().states), tuple(states()))
    assert_same(stream.run(x), expected)
    after = stream.states
    rows = np.array([1, 0, 1], np.uint8)
    stream.reset(rows)
    for now, then, first in zip(flat(stream.states), flat(after), flat(states()), strict=True):
        assert_same(now[:, 1], then[:, 1])
        assert_same(now[:, ::2], first[:, ::2])
    stream.reset()
    assert_same(stream.run(x), expected)
    stream.states = [None, None]
    assert_same(stream.run(x), expected)


def flat(given: list[Any]) -> list[Any]:
    (h, c0), g = given
    return [h, c0, g]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_have_them(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    model, x = made(), normal(T, B, I)
    model.save(tmp_path / f"model{suffix}")
    again = rnnfast.load_model(tmp_path / f"model{suffix}", backend=BACKEND)
    assert_same(again.initial_states["lower"], (H0, C0))
    assert_same(again.initial_states["upper"], G0)
    np.testing.assert_array_equal(again(x)[0], model(x)[0])
    with pytest.raises(ValueError, match=r"unexpected lower\.h0; .* by rnnfast\.load_model"):
        rnnfast.LSTM(I, H, 2, dtype="float64").load(tmp_path / f"model{suffix}", prefix="lower.")


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_c_begins_as_python_does(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    from handles import Rows, loaded

    model, x = made(), normal(T, B, I)
    model.set_initial_state("lower", (None, C0))
    model.save(tmp_path / "model.safetensors")
    rows = Rows(loaded((tmp_path / "model.safetensors").read_bytes()), B, "float64", steps=T)
    np.testing.assert_allclose(rows.forward(x), model(x)[0], rtol=1e-12)


def test_what_is_no_initial_state_is_refused() -> None:
    model = made()
    for part in ("head", "none"):
        with pytest.raises(ValueError, match="is no recurrent part of this model, expected one of lower, upper"):
            model.set_initial_state(part, G0)
    with pytest.raises(ValueError, match=r"the initial state of upper has shape \(2, 5\), expected \(1, 5\)"):
        model.set_initial_state("upper", H0)
    with pytest.raises(TypeError, match="the initial state of upper has dtype"):
        model.set_initial_state("upper", G0.astype(np.float32))
    with pytest.raises(TypeError, match="two states: pass the tuple"):
        model.set_initial_state("lower", H0)
    assert_same(model.initial_states["upper"], G0)
    model.set_initial_state("upper", None)
    assert list(model.initial_states) == ["lower"]
