"""Parameters of the modules: initial values, names and shapes, and that they are live, also in copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, EVERY_KIND, KINDS, assert_same, normal
from sequences import OPTIONS, B, H, I, T

import rnnfast


def test_initial_values() -> None:
    one, same, other = (rnnfast.LSTM(I, 100, seed=seed, backend=BACKEND) for seed in (1, 1, 2))
    fresh, again = (rnnfast.LSTM(I, 100, backend=BACKEND) for _ in range(2))
    for name, array in one.parameters.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, same.parameters[name])
        assert not np.array_equal(array, other.parameters[name])
        assert not np.array_equal(fresh.parameters[name], again.parameters[name])
        assert 0.095 < np.abs(array).max() <= np.float32(0.1)
        assert abs(array.mean()) < 0.02 and abs(array.std() - 0.1 / np.sqrt(3)) < 0.01


def test_forget_bias_is_the_total() -> None:
    net = rnnfast.LSTM(I, H, 2, bidirectional=True, forget_bias=1.5, backend=BACKEND)
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        total = net.parameters[f"bias_ih{suffix}"] + net.parameters[f"bias_hh{suffix}"]
        assert (total[H : 2 * H] == 1.5).all()
        assert not (total[:H] == 1.5).any() and not (total[2 * H :] == 1.5).any()
    assert (rnnfast.LSTMCell(I, H, forget_bias=2, backend=BACKEND).parameters["bias_ih"][H : 2 * H] == 2).all()


@pytest.mark.parametrize("bias", [True, False])
@EVERY_KIND
def test_parameters_have_torchs_names_and_shapes(kind: str, bias: bool) -> None:
    gates = {"rnn": 1, "lstm": 4, "gru": 3, "gru_before": 3}[kind]
    net = KINDS[kind](I, H, 2, bidirectional=True, bias=bias)
    found = {name: array.shape for name, array in net.parameters.items()}
    shapes = {
        "weight_ih": (gates * H, I),
        "weight_hh": (gates * H, H),
        "bias_ih": (gates * H,),
        "bias_hh": (gates * H,),
    }
    names = list(shapes)[: 4 if bias else 2]
    expected = {f"{name}_l0{end}": shapes[name] for end in ("", "_reverse") for name in names}
    shapes["weight_ih"] = (gates * H, 2 * H)
    expected |= {f"{name}_l1{end}": shapes[name] for end in ("", "_reverse") for name in names}
    assert found == expected and list(found) == list(expected)
    assert net.net.num_parameters == sum(array.size for array in net.parameters.values())


def test_parameters_are_live_and_keep_their_arrays() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I)
    before, arrays = net(x)[0], dict(net.parameters)
    net.parameters["bias_ih_l0"] -= 0.5
    net.parameters["weight_hh_l0"] = net.parameters["weight_hh_l0"] * 2
    assert not np.allclose(net(x)[0], before)
    assert all(net.parameters[name] is array for name, array in arrays.items())
    with pytest.raises(TypeError, match="bias_ih_l0 has dtype float32"):
        net.parameters["bias_ih_l0"] = np.zeros(4 * H, np.float32)
    with pytest.raises(ValueError, match=r"bias_ih_l0 has shape \(6,\), expected \(24,\)"):
        net.parameters["bias_ih_l0"] = np.zeros(H)
    with pytest.raises(KeyError):
        net.parameters["bias"] = np.zeros(H)


@EVERY_KIND
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_whole_and_apart(kind: str, copied: Any) -> None:
    net, x = KINDS[kind](I, H, 2, dropout=0.5, **OPTIONS), normal(T, B, I)
    net.record(x)
    other = copied(net)
    assert_same(other.record(x)[0], net.record(x)[0])
    expected = net(x)
    for name in other.parameters:
        other.parameters[name] *= 2
    assert not np.allclose(other(x)[0], expected[0])
    assert_same(net(x), expected)
