"""Arrays that share memory: results are refused where they would destroy one another, and inputs are copied."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import KINDS, assert_same, normal
from numpy.lib.stride_tricks import as_strided

from rnnfast.backends.c.library import is_built
from rnnfast.calls.given import GivenGradients
from rnnfast.calls.gradients import Gradients
from rnnfast.checks.overlap import overlaps_itself

T, B, I, H = 7, 4, 6, 6  # noqa: E741 (I is the input size)
X = normal(T, B, I).astype(np.float32)


def zeros(*shape: int) -> Any:
    """A float32 array."""
    return np.zeros(shape, np.float32)


def recorded(**options: Any) -> tuple[Any, Any]:
    """A GRU whose matrices have one shape, and a tape of it that serves again and again."""
    net = KINDS["gru"](I, H, seed=0, **options)
    return net, net.record(X, keep=True)[2]


def shares(one: str, other: str) -> Any:
    """The `with` block refuses these two arrays."""
    return pytest.raises(ValueError, match=re.escape(f"{one} shares memory with {other}"))


def test_gradients_in_one_place() -> None:
    _, tape = recorded()
    grads = tape.backward()
    twice = grads.params | {"weight_hh_l0": grads.params["weight_ih_l0"]}
    for accumulate in (False, True):
        with shares("out['weight_ih_l0']", "out['weight_hh_l0']"):
            tape.backward(out=twice, accumulate=accumulate)
    memory = zeros(2 * 3 * H * H)
    some = {"weight_ih_l0": memory[:108].reshape(18, 6), "weight_hh_l0": memory[107:215].reshape(18, 6)}
    with shares("out['weight_ih_l0']", "out['weight_hh_l0']"):
        tape.backward(out=grads.params | some)


@pytest.mark.parametrize("place", ["x", "state", "bias_hh_l0"])
@pytest.mark.parametrize("below", ["weights", "gradient"])
def test_gradients_on_weights_or_on_another_gradient(place: str, below: str) -> None:
    net, tape = recorded()
    params = {name: np.zeros_like(array) for name, array in net.parameters.items()}
    parts = {"x": zeros(T, B, I), "state": zeros(1, B, H)}
    memory = net.parameters["weight_ih_l0"].base if below == "weights" else zeros(T * B * I)
    if below == "gradient":
        params["bias_ih_l0"] = memory[: 3 * H]
    kind = params if place in params else parts
    kind[place] = memory[: kind[place].size].reshape(kind[place].shape)
    before = net.state_dict()
    with pytest.raises(ValueError, match="shares memory with"):
        tape.backward(out=Gradients(**parts, params=params))
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters.items())


def test_gradients_in_the_gaps_of_others_are_apart() -> None:
    _, tape = recorded()
    expected, params = tape.backward(X), tape.backward().params
    wide = zeros(T, B, I + 3 * H)
    bias = wide[0, 0, I:]
    parts = Gradients(wide[:, :, :I], zeros(1, B, H), params | {"bias_ih_l0": bias})
    for _ in range(2):
        assert_same(tape.backward(X, out=parts), expected)


@pytest.mark.parametrize("on", ["dy", "x", "dx"])
def test_inputs_that_gradients_lie_on_are_copied(on: str) -> None:
    net, _ = recorded()
    x, dy = X.copy(), X.copy()
    expected = net.record(x)[2].backward(dy)
    memory = {"x": x, "dy": dy, "dx": dy}[on].reshape(-1)
    tape = net.record(x)[2]
    params = {name: np.zeros_like(array) for name, array in net.parameters.items()}
    some = params | {"weight_ih_l0": memory[:108].reshape(18, 6)}
    out = Gradients(dy, None, params) if on == "dx" else some
    assert_same(tape.backward(dy, out=out), expected)


@pytest.mark.parametrize("on", ["x", "dy"])
def test_inputs_on_gradients_that_were_given_before(on: str) -> None:
    wide = 40  # so that results are written while there is still something to read
    net = KINDS["gru"](wide, wide, seed=0)
    read = {name: normal(T, B, wide, seed=seed).astype(np.float32) for seed, name in enumerate(["x", "dy"])}

    def backward(out: Any = None) -> Any:
        return net.record(read["x"])[2].backward(read["dy"], out=out)

    expected, out = backward(), backward()
    memory = out.params["weight_ih_l0"].reshape(-1)
    for _ in range(2):
        assert_same(backward(out), expected)
    part = memory[: T * B * wide].reshape(T, B, wide)
    part[:] = read[on]
    read[on] = part
    assert_same(backward(out), expected)


@pytest.mark.skipif(not is_built(), reason="the C library was not built: every array is looked at anew")
@pytest.mark.parametrize("number", range(8))
def test_whatever_a_backward_reads_is_asked_for_its_memory(number: int) -> None:
    memory, arrays = zeros(2 * H), [zeros(H) for _ in range(8)]
    given = GivenGradients([zeros(H), memory[:H]], ["weight"])

    def apart() -> bool:
        x, dy, mask, resets, *states = arrays
        return given.surely_apart(x, dy, mask, resets, states[:2], states[2:])

    assert apart()
    own, arrays[number] = arrays[number], memory[H:]
    assert not apart()
    arrays[number] = np.frombuffer(bytearray(4 * H), np.float32)  # whose memory no array owns
    assert not apart()
    arrays[number] = own[1:]
    assert apart()


def test_given_gradients_whose_names_are_exchanged() -> None:
    _, tape = recorded()
    expected = tape.backward(X)
    a, b = "weight_ih_l0", "weight_hh_l0"
    out = tape.backward()
    tape.backward(X, out=out)
    params = out.params
    names = [{a: b, b: a}.get(name, name) for name in params]
    exchanged = Gradients(out.x, out.state, dict(zip(names, params.values(), strict=True)))
    assert_same(tape.backward(X, out=exchanged).params, expected.params)


def test_an_output_on_the_weights() -> None:
    net, _ = recorded()
    weights = net.parameters["weight_hh_l0"].reshape(-1)
    with shares("out", "the parameter weight_hh_l0"):
        net(X[:1], out=weights[: B * H].reshape(1, B, H))
    mask = np.ones((T, B), bool)
    memory = zeros(T, B, H)
    flags = memory.reshape(-1).view(np.uint8)[: T * B].reshape(T, B)
    flags[...] = 1
    np.testing.assert_array_equal(net(X, mask=flags, out=memory)[0], net(X, mask=mask)[0])


@pytest.mark.parametrize("strides", [(0, 24), (24, 0), (24, 24), (-24, 24), (48, 4), (20, 140)])
def test_outputs_that_overlap_themselves(strides: tuple[int, int]) -> None:
    memory = zeros(1000)
    out = as_strided(memory[500:], (T, B, H), (*strides, 4))
    for call in (KINDS["gru"](I, H), KINDS["gru"](I, H).freeze()):
        with pytest.raises(ValueError, match="out has strides .* which put several elements in one place"):
            call(X, out=out)
    assert not memory.any()
    with pytest.raises(ValueError, match="out has strides"):
        KINDS["gru"](I, H).stream(B).step(X[0], out=as_strided(memory, (B, H), (0, 4)))


def test_outputs_with_free_strides() -> None:
    net = KINDS["gru"](I, H)
    expected = net(X)[0]
    outputs = [zeros(T, B, H)[::-1], zeros(B, T, H).swapaxes(0, 1), zeros(2 * T, B, H + 3)[::2, ::-1, :H]]
    for out in outputs:
        assert net(X, out=out)[0] is out
        np.testing.assert_array_equal(out, expected)
    for shape in ((1, 1), (0, 3), (1, 3)):
        x = zeros(*shape, I)
        assert net(x, out=as_strided(zeros(99), (*shape, H), (0, 24, 4)))[0].shape == (*shape, H)


COUNTS, STRIDES = st.integers(0, 5), st.integers(-12, 12)


@given(t=COUNTS, b=COUNTS, k=st.integers(1, 3), stride_t=STRIDES, stride_b=STRIDES)
def test_self_overlap_is_found_exactly(t: int, b: int, k: int, stride_t: int, stride_b: int) -> None:
    places = np.arange(-200, 200)
    strides = (8 * stride_t, 8 * stride_b, 8)
    array = as_strided(places.astype(np.int64)[200:], (t, b, k), strides)
    assert overlaps_itself(array) == (np.unique(array).size < array.size)


def test_loading_parameters_from_one_another() -> None:
    net = KINDS["gru"](I, H)
    values = net.state_dict()
    swapped = {"weight_ih_l0": "weight_hh_l0", "weight_hh_l0": "weight_ih_l0"}
    net.load_state_dict({name: net.parameters[swapped.get(name, name)] for name in values})
    for name, array in net.parameters.items():
        np.testing.assert_array_equal(array, values[swapped.get(name, name)])
