"""The functions for JAX beside the reference: outputs, final states and all gradients."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnfast.backends.c.library import is_built

jax = pytest.importorskip("jax", reason="jax is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

from jax_calls import assert_close, expected, net_of, random, results  # noqa: E402
from nets import map_state, parts  # noqa: E402

import rnnfast  # noqa: E402
from rnnfast.calls.states import joined  # noqa: E402
from rnnfast.integrations.jax import gru, lstm, rnn  # noqa: E402

T, B, I, H = 7, 5, 3, 17  # noqa: E741 (I is the input size)
LENGTHS = np.array([7, 0, 3, 5, 7], np.int32)
MASK = np.random.default_rng(5).random((T, B)) > 0.2
RESETS = np.random.default_rng(6).random((T, B)) > 0.8
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {"num_layers": 2, "bidirectional": True}),
    "lstm batch first": ("LSTM", {"batch_first": True}),
    "lstm projected": ("LSTM", {"num_layers": 2, "proj_size": 5}),
    "lstm ragged": ("LSTM", {"lengths": LENGTHS, "mask": MASK, "resets": RESETS, "bidirectional": True}),
    "lstm held": ("LSTM", {"lengths": LENGTHS, "masked_output": "hold"}),
    "gru": ("GRU", {"num_layers": 2}),
    "gru before": ("GRU", {"reset_after": False, "bias": False}),
    "gru ragged": ("GRU", {"batch_first": True, "mask": MASK.T, "bidirectional": True}),
    "rnn": ("RNN", {"bias": False}),
    "rnn relu": ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
    "rnn linear": ("RNN", {"nonlinearity": "linear", "resets": RESETS}),
}


def precision(dtype: str) -> Any:
    """What lets JAX have this dtype."""
    return jax.enable_x64(True) if dtype == "float64" else nullcontext()


def numbers(net: Any, steps: int, batch: int, dtype: str) -> tuple[Any, Any, Any, Any]:
    """x, state, dy, d_state of a call."""
    form = net.net
    first = (batch, steps) if form.batch_first else (steps, batch)
    shapes = [(form.num_layers * form.num_directions, batch, size) for size in form.state_sizes]
    state, d_state = ([random(*shape, seed=seed, dtype=dtype) for shape in shapes] for seed in (1, 2))
    x, dy = (random(*first, size, dtype=dtype) for size in (form.input_size, form.output_size))
    return x, joined(state), dy, joined(d_state)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case: str, dtype: str) -> None:
    kind, options = CASES[case]
    call = {name: options[name] for name in ("lengths", "mask", "resets") if name in options}
    net = net_of(kind, (I, H), dtype, **{name: value for name, value in options.items() if name not in call})
    arrays = numbers(net, T, B, dtype)
    with precision(dtype):
        assert_close(results(net, *arrays, **call), expected(net, *arrays, **call), dtype)


@given(st.tuples(st.integers(1, 20), st.integers(1, 9), st.integers(1, 40), st.integers(1, 40)), st.data())
@settings(max_examples=4)
def test_sizes_of_all_kinds(sizes: tuple[int, int, int, int], data: st.DataObject) -> None:
    steps, batch, inputs, hidden = sizes
    kind, both = data.draw(st.sampled_from(["RNN", "LSTM", "GRU"])), data.draw(st.booleans())
    lengths = np.array(data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch)), np.int32)
    net = net_of(kind, (inputs, hidden), bidirectional=both)
    arrays = numbers(net, steps, batch, "float32")
    assert_close(results(net, *arrays, lengths=lengths), expected(net, *arrays, lengths=lengths), "float32", times=16)


@pytest.mark.parametrize(("kind", "function"), [("RNN", rnn), ("LSTM", lstm), ("GRU", gru)])
def test_outside_of_jit_it_has_the_bits_of_a_net(kind: str, function: Any) -> None:
    net = getattr(rnnfast, kind)(I, H, num_layers=2, seed=3, backend="c")
    x = random(T, B, I)
    for inputs in (x, x[:, 0]):  # with a batch axis, and without
        (y, final), (right, state) = function(net.state_dict(), inputs), net(inputs)
        assert np.array_equal(y, right)
        assert all(np.array_equal(one, other) for one, other in zip(parts(final), parts(state), strict=True))


def test_instruction_sets_and_threads_change_no_bit() -> None:
    parameters, x = net_of("LSTM", (I, H)).state_dict(), random(64, 32, I)
    right = lstm(parameters, x)[0]
    for backend in rnnfast.backends():
        if backend.startswith("c:") and rnnfast.backends()[backend] is None and backend != "c:scalar":
            assert np.array_equal(lstm(parameters, x, backend=backend)[0], right)
    assert np.array_equal(lstm(parameters, x, num_threads=1)[0], right)


def test_no_steps_and_no_rows() -> None:
    parameters, state = net_of("LSTM", (I, H)).state_dict(), (random(1, B, H), random(1, B, H, seed=1))

    def total(parameters: Any, x: Any, state: Any) -> Any:
        y, (h, c) = lstm(parameters, x, state)
        return y.sum() + 2 * h.sum() + 3 * c.sum(), y

    for shape in ((0, B, I), (T, 0, I)):
        start = map_state(lambda part, rows=shape[1]: part[:, :rows], state)
        gradients, y = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(parameters, np.zeros(shape, "float32"), start)
        of_parameters, dx, (dh, dc) = gradients
        assert y.shape == (*shape[:2], H) and dx.shape == shape
        assert all((np.asarray(gradient) == 0).all() for gradient in of_parameters.values())
        assert (np.asarray(dh) == 2).all() and (np.asarray(dc) == 3).all()


def test_lengths_of_every_integer_and_of_one_sequence() -> None:
    parameters, x = net_of("GRU", (I, H)).state_dict(), random(T, B, I)
    right = gru(parameters, x, lengths=LENGTHS)[0]
    for dtype in ("int8", "uint8", "uint32", "uint64"):
        assert np.array_equal(gru(parameters, x, lengths=LENGTHS.astype(dtype))[0], right)
    for dtype in ("int8", "uint32"):
        assert np.array_equal(gru(parameters, x, lengths=jax.numpy.asarray(LENGTHS, dtype))[0], right)
    assert np.array_equal(gru(parameters, x, lengths=LENGTHS.tolist())[0], right)
    with jax.enable_x64(True):
        assert np.array_equal(gru(parameters, x, lengths=LENGTHS.astype("int64"))[0], right)
        assert np.array_equal(gru(parameters, x, lengths=jax.numpy.asarray(LENGTHS, "int64"))[0], right)
    assert np.array_equal(gru(parameters, x[:, 2], lengths=np.int32(3))[0], right[:, 2])


def test_nan_stays_in_its_row() -> None:
    parameters, x = net_of("LSTM", (I, H)).state_dict(), random(T, B, I)
    x[3, 2] = np.nan
    y, (h, c) = lstm(parameters, x)
    rows = np.arange(B) != 2
    clean, (clean_h, _) = lstm(parameters, x[:, rows])
    assert np.array_equal(np.asarray(y)[:, rows], clean) and np.array_equal(np.asarray(h)[:, rows], clean_h)
    assert np.isnan(np.asarray(y)[3:, 2]).all() and np.isnan(np.asarray(c)[:, 2]).all()


def test_dropout_is_that_of_a_net_with_the_same_seed() -> None:
    key = jax.random.key(5)
    high, low = map(int, jax.random.bits(key, (2,), "uint32"))
    options = {"num_layers": 2, "dropout": 0.4}
    net = net_of("LSTM", (I, H), **options)
    x, dy = random(T, B, I), random(T, B, H)
    y, _, tape = net.record(x, dropout_seed=high << 32 | low)

    def loss(parameters: Any, x: Any) -> Any:
        y, _ = lstm(parameters, x, dropout=0.4, key=key)
        return (y * dy).sum(), y

    dx, got = jax.grad(loss, argnums=1, has_aux=True)(net.state_dict(), x)
    np.testing.assert_allclose(got, y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, tape.backward(dy).x, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(got, lstm(net.state_dict(), x)[0])
