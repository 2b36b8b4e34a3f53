"""LSTMs whose h is a projection: shapes, states, streams, files and models of theirs."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, assert_same, normal

import rnnfast
from rnnfast import nn

T, B, I, H, P = 6, 3, 4, 9, 5  # noqa: E741 (I is the input size)
SUFFIXES = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])


def net_of(*sizes: Any, **options: Any) -> Any:
    """A projected LSTM in float64 with reproducible parameters."""
    options = {"proj_size": P, "dtype": "float64", "seed": 0, "backend": BACKEND} | options
    return rnnfast.LSTM(*(sizes or (I, H)), **options)


def test_shapes_and_names_are_pytorchs() -> None:
    net = net_of(I, H, 2, bidirectional=True)
    assert net.net.shapes["weight_ih_l1"] == (4 * H, 2 * P) and net.net.shapes["weight_hh_l0"] == (4 * H, P)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    assert list(net.state_dict())[5:10] == [f"{name}_l0_reverse" for name in names]
    y, (h, c) = net(normal(T, B, I))
    assert (y.shape, h.shape, c.shape) == ((T, B, 2 * P), (4, B, P), (4, B, H))
    _, _, tape = net.record(normal(T, I))
    assert tape.cell_states.shape == (4, T, H) and tape.gates()["o"].shape == (4, T, H)
    grads = tape.backward(np.ones((T, 2 * P)))
    assert [a.shape for a in grads.state] == [(4, P), (4, H)]
    assert grads.params["weight_hr_l1_reverse"].shape == (P, H)


def test_initial_values_lie_within_one_over_the_root_of_the_hidden_size() -> None:
    values = rnnfast.LSTM(3, 100, proj_size=50, seed=0).parameters["weight_hr_l0"]
    assert 0.095 < abs(values).max() <= 0.1


def test_its_constructor_says_it() -> None:
    assert repr(rnnfast.LSTM(3, 4, proj_size=2)) == "LSTM(3, 4, proj_size=2)"
    assert repr(rnnfast.LSTM(3, 4, proj_size=0)) == "LSTM(3, 4)"


@pytest.mark.parametrize("wrong", [4, 5, -1])
def test_sizes_out_of_range(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"proj_size is {wrong}, expected"):
        rnnfast.LSTM(3, 4, proj_size=wrong)


@pytest.mark.parametrize("wrong", [2.0, "2", True, None])
def test_what_is_no_size(wrong: Any) -> None:
    with pytest.raises(TypeError, match="proj_size must be a whole number"):
        rnnfast.LSTM(3, 4, proj_size=wrong)


def test_chunks_that_hand_on_the_state_into_given_arrays() -> None:
    net, x = net_of(I, H, 2), normal(T, B, I)
    y, final = net(x)
    first, state = net(x[:2])
    out = np.empty((T - 2, B, P))
    second, state = net(x[2:], state, out=out)
    assert second is out
    assert_same((np.concatenate([first, second]), state), (y, final))


def test_states_of_other_sizes() -> None:
    net, h, c = net_of(), np.zeros((1, B, P)), np.zeros((1, B, H))
    for state, name in (((c, c), r"state\[0\]"), ((h, h), r"state\[1\]")):
        with pytest.raises(ValueError, match=name):
            net(normal(T, B, I), state)
        with pytest.raises(ValueError, match=name):
            net.stream(B).state = state


def test_gradients_into_given_arrays_and_in_segments() -> None:
    net, x, dy = net_of(I, H, 2, recurrent_dropout=0.2), normal(150, B, I), normal(150, B, P)
    expected = net.record(x, dropout_seed=1)[2].backward(dy)
    out = copy.deepcopy(expected)
    tape = net.record(x, dropout_seed=1, memory="checkpoint")[2]
    assert tape.nbytes < net.record(x)[2].nbytes
    assert_same(tape.backward(dy, out=out), expected)
    assert_same(
        net.record(x, dropout_seed=1)[2].backward(dy, out=out, accumulate=True).params,
        {name: 2 * a for name, a in expected.params.items()},
    )


def test_streams() -> None:
    net, x = net_of(I, H, 2), normal(T, B, I)
    y, final = net(x)
    stream = net.stream(B)
    steps = [stream.step(x_t) for x_t in x[:2]]
    twin = pickle.loads(pickle.dumps(stream))
    rest = stream.run(x[2:])
    assert_same((np.concatenate([steps, rest]), stream.state), (y, final))
    assert_same((twin.run(x[2:]), twin.state), (rest, final))
    stream.reset(np.array([True, False, True]))
    h, c = stream.state
    assert not h[:, [0, 2]].any() and not c[:, [0, 2]].any() and h[:, 1].all()


@SUFFIXES
def test_files(tmp_path: Path, suffix: str) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    net, path = net_of(), tmp_path / f"net{suffix}"
    net.save(path)
    other = net_of(seed=1)
    other.load(path)
    assert_same(other.state_dict(), net.state_dict())
    with pytest.raises(ValueError, match=r"proj_size=5 \(0 here\)"):
        net_of(proj_size=0).load(path)
    with pytest.raises(ValueError, match=r"proj_size=5 \(4 here\)"):
        net_of(proj_size=4).load(path, strict=False)
    net_of(proj_size=0).save(path)
    with pytest.raises(ValueError, match=r"proj_size=0 \(5 here\)"):
        net.load(path)


def test_a_model_with_states_that_were_learned(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = nn.Sequential(net=net_of(I, H, 2), head=nn.Linear(P, 2, seed=1, dtype="float64"))
    model.set_initial_state("net", (normal(2, P, seed=1), normal(2, H, seed=2)))
    x = normal(T, B, I)
    y, states = model(x)
    model.save(tmp_path / "model.safetensors")
    loaded = rnnfast.load_model(tmp_path / "model.safetensors", backend=BACKEND)
    assert_same((loaded(x)[0], tuple(loaded(x)[1][0])), (y, tuple(states[0])))
    assert_same(loaded.stream(B).run(x), y)
