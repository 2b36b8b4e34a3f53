"""Tapes: gradients into given arrays, over chunks and left out, how often a tape serves, and its gates."""

from __future__ import annotations

import threading
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states
from sequences import OPTIONS, B, H, I, T

import rnnfast


@EVERY_KIND
def test_backward_into_given_arrays(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    d_state = states(kind, 2, B, H)

    def backward(**options: Any) -> Any:
        return net.record(x)[2].backward(dy, d_state, **options)

    expected = backward()
    given = backward()
    assert_same(backward(out=given), expected)
    again = backward(out=given, accumulate=True)
    assert again.x is given.x and again.params is given.params
    assert all(a is b for a, b in zip(parts(again.state), parts(given.state), strict=True))
    assert_same(again.params, {name: 2 * grad for name, grad in expected.params.items()})
    assert_same((again.x, again.state), (expected.x, expected.state))
    only = {name: np.full_like(grad, np.nan) for name, grad in expected.params.items()}
    assert backward(out=only).params is only
    assert_same(only, expected.params)
    for _ in range(2):  # what is missing in gradients that were given before is made anew each time
        filled = backward(out=replace(given, x=None, state=map_state(lambda _: None, given.state)))
        assert_same((filled.x, filled.state), (expected.x, expected.state))
    without = backward(need_x=False)
    assert without.x is None
    assert_same((without.state, without.params), (expected.state, expected.params))


@EVERY_KIND
def test_results_over_inputs_still_to_be_read(kind: str) -> None:
    net, steps = KINDS[kind](H, H, **OPTIONS), 300
    x, dy, state = normal(steps, B, H), normal(steps, B, H, seed=4), states(kind, 1, B, H)
    y, final, tape = net.record(x, state)
    expected = tape.backward(dy, state)
    buffer = np.concatenate([x, x[:1]])
    assert_same(net(buffer[:-1], state, out=buffer[1:]), (y, final))  # y_t lies where x_{t+1} was
    _, _, tape = net.record(x, state)
    buffer = np.concatenate([dy[:1], dy])
    onto = replace(net.record(x)[2].backward(), x=buffer[:-1], state=map_state(np.copy, state))
    assert_same(tape.backward(buffer[1:], onto.state, out=onto), expected)  # dx_t lies where dy_{t-1} was


@EVERY_KIND
def test_truncated_backward_hands_on_the_state_gradient(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, **OPTIONS), normal(6, B, I), normal(6, B, H)
    whole = net.record(x)[2].backward(dy)
    _, state, first = net.record(x[:3])
    _, _, second = net.record(x[3:], state)
    grads = second.backward(dy[3:])
    grads = first.backward(dy[:3], grads.state, out=grads, accumulate=True)  # d_state is where dh0 goes
    assert_same((grads.state, grads.params), (whole.state, whole.params))


@EVERY_KIND
def test_gradients_left_out_are_zeros(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, B, I)
    grads = net.record(x)[2].backward()
    assert not any(a.any() for a in (grads.x, *parts(grads.state), *grads.params.values()))
    zeros = map_state(np.zeros_like, states(kind, 1, B, H))
    dy = normal(T, B, H)
    assert_same(net.record(x)[2].backward(dy), net.record(x)[2].backward(dy, zeros))


@EVERY_KIND
def test_a_tape_serves_once_unless_kept(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    _, _, tape = net.record(x)
    with pytest.raises(ValueError, match="dy has shape"):
        tape.backward(dy[1:])
    expected = tape.backward(dy)
    for use in (tape.backward, tape.gates):
        with pytest.raises(RuntimeError, match="keep=True"):
            use()
    _, _, kept = net.record(x, keep=True)
    gates = kept.gates()
    assert_same(kept.backward(dy), expected)
    assert_same(kept.backward(dy), expected)
    assert_same(kept.gates(), gates)


# Few units: the C backend keeps such a reserve small. Segments: some recomputed, and all kept, but cut.
KEPT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "few units": ({"hidden_size": 3, "dtype": "float32"}, {}),
    "held": ({"masked_output": "hold"}, {}),
    "layers": ({"num_layers": 2, "bidirectional": True, "masked_output": "hold"}, {}),
    "dropout": ({"num_layers": 2, "dropout": 0.4, "input_dropout": 0.3, "recurrent_dropout": 0.2}, {}),
    "segments": ({"num_layers": 2, "masked_output": "hold"}, {"memory": "checkpoint"}),
    "two directions in segments": ({"bidirectional": True}, {"memory": "checkpoint"}),
    "truncated": ({"num_layers": 2}, {"truncate": 70}),
}
RUNNABLE = [name for name, reason in rnnfast.backends().items() if reason is None]


@EVERY_KIND
@pytest.mark.parametrize("backend", RUNNABLE)
@pytest.mark.parametrize("options", KEPT)
def test_a_kept_tape_gives_the_same_bits_every_time(options: str, backend: str, kind: str) -> None:
    of_net, of_call = KEPT[options]
    net = KINDS[kind](**{"input_size": I, "hidden_size": H, **OPTIONS, **of_net, "backend": backend})
    steps, rng = 150, np.random.default_rng(1)
    x, lengths = normal(steps, 4, I).astype(net.parameters["bias_hh_l0"].dtype), np.array([steps, 0, 31, 140])
    ragged = {"lengths": lengths, "mask": rng.random((steps, 4)) < 0.8, "resets": rng.random((steps, 4)) < 0.1}
    y, state, tape = net.record(x, **ragged, **of_call, dropout_seed=2)
    expected = tape.backward(y, state)
    y, state, kept = net.record(x, **ragged, **of_call, dropout_seed=2, keep=True)
    gates = kept.gates()
    for _ in range(3):
        got = kept.backward(y, state)
        for one, other in ((got.x, expected.x), *zip(parts(got.state), parts(expected.state), strict=True)):
            np.testing.assert_array_equal(one, other)
        for name, gradient in expected.params.items():
            np.testing.assert_array_equal(got.params[name], gradient, err_msg=name)
    for name, gate in kept.gates().items():
        np.testing.assert_array_equal(gate, gates[name])
    assert kept.nbytes


@pytest.mark.parametrize("backend", ["c", "reference"])
def test_a_kept_tape_is_not_copied(backend: str) -> None:
    if backend not in RUNNABLE:
        pytest.skip(str(rnnfast.backends()[backend]))
    net = rnnfast.LSTM(8, 64, seed=0, backend=backend)
    x = normal(200, 8, 8).astype(np.float32)
    y, _, tape = net.record(x, keep=True)
    gradients = tape.backward(y)
    tracemalloc.start()
    tape.backward(y, out=gradients)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < tape.nbytes / 2


@EVERY_KIND
def test_outputs_are_the_callers_to_change(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    expected = net.record(x)[2].backward(dy)
    y, state, tape = net.record(x)
    for array in (y, *parts(state)):
        array.fill(np.nan)
    assert_same(tape.backward(dy), expected)


def test_gates_and_cell_states_obey_the_equations() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I)
    y, (_, c_n), tape = net.record(x)
    i, f, g, o = tape.gates().values()
    c = tape.cell_states
    before = np.concatenate([np.zeros((1, 1, B, H)), c[:, :-1]], axis=1)
    assert_same(f * before + i * g, c)
    assert_same((o * np.tanh(c))[0], y)
    assert_same(c[:, -1], c_n)
    with pytest.raises(AttributeError, match="no cell states"):
        _ = KINDS["gru"](I, H, **OPTIONS).record(x)[2].cell_states


@EVERY_KIND
def test_gate_shapes_and_names(kind: str) -> None:
    names = {"rnn": ["h"], "lstm": list("ifgo"), "gru": list("rzn"), "gru_before": list("rzn")}[kind]
    net = KINDS[kind](I, H, num_layers=2, bidirectional=True, batch_first=True, **OPTIONS)
    for x, shape in ((normal(B, T, I), (4, T, B, H)), (normal(T, I), (4, T, H))):
        gates = net.record(x)[2].gates()
        assert list(gates) == names and all(gate.shape == shape for gate in gates.values())


def test_of_threads_that_share_a_tape_one_is_served() -> None:
    net = rnnfast.LSTM(10, 32, seed=0, backend=BACKEND)
    x = normal(50, 8, 10).astype(np.float32)
    y, _, tape = net.record(x, dropout_seed=0)
    expected = net.record(x, dropout_seed=0)[2].backward(y)
    served, start = [], threading.Barrier(4)

    def serve() -> None:
        start.wait()
        with suppress(RuntimeError):
            served.append(tape.backward(y))

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 1
    np.testing.assert_array_equal(served[0].params["weight_hh_l0"], expected.params["weight_hh_l0"])
