"""Keras's recurrent layers run by rnnfast, against Keras's own loops, on the backend that Keras has here."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed")

from foreign_models import keras_gru, keras_lstm  # noqa: E402
from keras_layers import LAYERS, L, arrays, both, built, compare, nothing_by_keras  # noqa: E402

from rnnfast.backends.c import backend as c  # noqa: E402
from rnnfast.integrations.keras import accelerate, accelerated, report, restore  # noqa: E402

pytestmark = [
    pytest.mark.skipif(c.reason() is not None, reason=str(c.reason())),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),  # Keras 3.15 on NumPy 2
]
SIZES = [(1, 1, 1, 1), (3, 7, 5, 4), (2, 19, 3, 33)]
"""Rows, steps, features, units."""


def x_of(*shape: int, dtype: str = "float32", seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"use_bias": False}, {"unroll": True}], ids=str)
def test_layers(kind: str, sizes: tuple[int, int, int, int], options: dict[str, Any]) -> None:
    rows, steps, features, units = sizes
    for more in ({}, {"return_sequences": True, "return_state": True}):
        layer = built(LAYERS[kind](units, **options, **more), rows, steps, features)
        compare(*both(layer, x_of(rows, steps, features)))


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru before"])
def test_double_precision(kind: str) -> None:
    """Keras multiplies float64 matrices in float32."""
    layer, x = built(LAYERS[kind](6, return_sequences=True, dtype="float64"), 2, 30, 3), x_of(2, 30, 3, dtype="float64")
    expected, found = both(layer, x)
    compare(expected, found, tolerance=2e-6)
    formula = keras_lstm if kind == "lstm" else keras_gru
    truth = [formula(row, *arrays([weight.value for weight in layer.weights])) for row in x]
    np.testing.assert_allclose(found[0], truth, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("use_bias", [True, False])
def test_initial_weights_in_double_precision(kind: str, use_bias: bool) -> None:
    """Keras's NumPy backend has them in float32 until others are set."""
    layer, x = LAYERS[kind](6, use_bias=use_bias, dtype="float64"), x_of(2, 7, 3, dtype="float64")
    layer(x)
    expected, found = both(layer, x)
    compare(expected, found, tolerance=2e-6)


def masks(rows: int, steps: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, steps + 1, rows)[:, None]
    return {
        "right": np.arange(steps) < lengths,
        "left": np.arange(steps) >= steps - lengths,
        "holes": rng.random((rows, steps)) < 0.5,
        "none live": np.zeros((rows, steps), bool),
        "whole numbers": (rng.random((rows, steps)) < 0.5).astype("int32"),
    }


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru before", "tanh"])
@pytest.mark.parametrize("mask", masks(4, 9))
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_masks(kind: str, mask: str, zero: bool, go_backwards: bool) -> None:
    options = {"return_sequences": True, "return_state": True, "go_backwards": go_backwards}
    layer = built(LAYERS[kind](5, **options, **({"zero_output_for_mask": True} if zero else {})), 4, 9, 3)
    states = [x_of(4, 5, seed=n) for n in range(2 if kind == "lstm" else 1)]
    flags = keras.ops.convert_to_tensor(masks(4, 9)[mask])
    for state in (None, states):
        compare(*both(layer, x_of(4, 9, 3), mask=flags, initial_state=state))


@pytest.mark.parametrize("merge", ["concat", "sum", "ave", "mul", None])
@pytest.mark.parametrize("kind", ["lstm", "gru", "gru before", "relu"])
def test_bidirectional(kind: str, merge: str | None) -> None:
    for options in ({}, {"return_sequences": True}, {"return_state": True}):
        layer = built(L.Bidirectional(LAYERS[kind](5, **options), merge_mode=merge), 3, 8, 4)
        compare(*both(layer, x_of(3, 8, 4)))
        if kind == "gru":
            compare(*both(layer, x_of(3, 8, 4), mask=keras.ops.convert_to_tensor(masks(3, 8)["right"])))


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh"])
def test_stateful_layers_go_on_and_are_reset(kind: str) -> None:
    plain, layer = [LAYERS[kind](5, stateful=True, return_sequences=True) for _ in range(2)]
    for made in (plain, layer):
        built(made, 2, 6, 3)
    accelerate(layer)
    for n in range(3):
        with nothing_by_keras():
            found = arrays(layer(x_of(2, 6, 3, seed=n)))
        compare(arrays(plain(x_of(2, 6, 3, seed=n))), found)
    for made in (plain, layer):
        made.reset_state()
    compare(arrays(plain(x_of(2, 6, 3))), arrays(layer(x_of(2, 6, 3))))


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru before", "tanh"])
def test_dropout_draws_kerass_numbers(kind: str) -> None:
    plain, layer = [LAYERS[kind](5, dropout=0.4, seed=3, return_sequences=True) for _ in range(2)]
    for made in (plain, layer):
        built(made, 2, 6, 30)
    accelerate(layer)
    for training in (True, False, True):
        with nothing_by_keras():
            found = arrays(layer(x_of(2, 6, 30), training=training))
        compare(arrays(plain(x_of(2, 6, 30), training=training)), found)
    assert np.abs(arrays(layer(x_of(2, 6, 30), training=True))[0] - found[0]).max() > 1e-3


@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh"])
def test_what_is_keras_in_training_alone(kind: str) -> None:
    layer = built(LAYERS[kind](5, recurrent_dropout=0.4, seed=3), 2, 6, 3)
    assert "inference is served" in report(accelerate(layer))[layer.name]
    restore(layer)
    compare(*both(layer, x_of(2, 6, 3)))
    accelerate(layer)
    with pytest.raises(AssertionError, match="Keras's own loop ran"), nothing_by_keras():
        layer(x_of(2, 6, 3), training=True)


def test_cells_within_rnn() -> None:
    for cell in (L.LSTMCell(4), L.GRUCell(4), L.SimpleRNNCell(4)):
        compare(*both(built(L.RNN(cell, return_sequences=True, return_state=True), 2, 6, 3), x_of(2, 6, 3)))


def model() -> Any:
    return keras.Sequential(
        [
            L.Input((None,)),
            L.Embedding(10, 6, mask_zero=True),
            L.Bidirectional(L.LSTM(5, return_sequences=True), name="both"),
            L.GRU(4, name="last"),
            L.Dense(2),
        ]
    )


def test_models_and_their_copies(tmp_path: Any) -> None:
    net = model()
    index = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    expected = net.predict(index, verbose=0)
    assert accelerate(net) is net and report(net) == {}
    with nothing_by_keras():
        np.testing.assert_allclose(net.predict(index, verbose=0), expected, atol=2e-6)
    net.save(tmp_path / "net.keras")
    clone = keras.models.clone_model(net)
    clone.set_weights(net.get_weights())
    copies = copy.deepcopy(net), pickle.loads(pickle.dumps(net)), keras.models.load_model(tmp_path / "net.keras"), clone
    for twin in copies:
        assert [*report(twin).values()] == ["it was not accelerated"] * 3
        np.testing.assert_allclose(twin.predict(index, verbose=0), expected, atol=2e-6)
        with nothing_by_keras():
            np.testing.assert_allclose(accelerate(twin).predict(index, verbose=0), expected, atol=2e-6)
    assert restore(net) is net
    with pytest.raises(AssertionError, match="Keras's own loop ran"), nothing_by_keras():
        net(index)


def test_accelerated_within_a_block_alone() -> None:
    net = model()
    accelerate(net.get_layer("last"))
    with pytest.raises(KeyError), accelerated(net) as found:
        assert found is net and report(net) == {}
        raise KeyError
    assert [*report(net).values()] == ["it was not accelerated"] * 2 and report(net.get_layer("last")) == {}
    with pytest.raises(TypeError, match="expected a model or layer of Keras"), accelerated(3):
        pass


def test_weights_and_options_changed_between_calls_are_seen() -> None:
    plain, layer = [built(L.LSTM(5, return_sequences=True), 2, 6, 3) for _ in range(2)]
    accelerate(layer)
    x = x_of(2, 6, 3)
    for change in ("assign", "in place", "bias", "options"):
        for made in (plain, layer):
            if change == "assign":
                made.cell.kernel.assign(keras.ops.multiply(made.cell.kernel, 1.5))
            elif change == "in place":
                made.cell.recurrent_kernel.value.data[0, 0] += 2.0
            elif change == "options":
                made.go_backwards, made.return_sequences = True, False
            elif change == "bias":
                made.cell.bias.assign(np.ones(20))
        expected, before = arrays(plain(x)), None
        with nothing_by_keras():
            compare(expected, arrays(layer(x)))
            compare(expected, arrays(layer(x)))
        assert before is None or np.abs(before - expected[0]).max() > 1e-3
        before = expected[0]


def test_what_is_not_served_runs_as_before() -> None:
    stacked = L.RNN([L.LSTMCell(3), L.LSTMCell(2)], name="stacked")
    hard = L.LSTM(3, recurrent_activation="hard_sigmoid", return_sequences=True, name="hard")
    half = L.GRU(3, dtype="float16", recurrent_initializer="zeros", return_sequences=True, name="half")
    relu = L.SimpleRNN(3, activation="elu", return_sequences=True, name="elu")

    class Own(L.GRU):
        def inner_loop(self, *args: Any, **kwargs: Any) -> Any:
            return super().inner_loop(*args, **kwargs)

    own = Own(3, return_sequences=True, name="own")
    bound = L.GRU(3, return_sequences=True, name="bound")
    bound.__dict__["inner_loop"] = lambda *args, **kwargs: L.GRU.inner_loop(bound, *args, **kwargs)
    net = keras.Sequential([L.Input((4, 3)), hard, half, relu, own, bound, stacked])
    expected = arrays(net(x_of(2, 4, 3)))
    accelerate(net)
    compare(expected, arrays(net(x_of(2, 4, 3))), tolerance=0)
    words = {
        "hard": "its recurrent_activation hard_sigmoid, a LSTMCell of tanh and sigmoid is served",
        "half": "it computes in float16",
        "elu": "its activation is elu, a SimpleRNNCell of tanh, relu or linear is served",
        "own": "its class, Own, has an inner_loop of its own",
        "bound": "an inner_loop of its own is bound to it",
        "stacked": "its cell is a StackedRNNCells",
    }
    found = report(net)
    assert list(found) == list(words)
    assert all(word in found[name] for name, word in words.items()), found
    with pytest.raises(TypeError, match="model is of type list, expected a model or layer of Keras"):
        accelerate([net])


def test_single_calls_that_are_kerass_own() -> None:
    layer = accelerate(built(L.GRU(3, unroll=True), 2, 4, 3))
    assert "with a mask its unrolled steps are Keras's own" in report(layer)[layer.name]
    flags = keras.ops.convert_to_tensor(masks(2, 4)["right"])
    found = arrays(layer(x_of(2, 4, 3), mask=flags))
    compare(arrays(restore(layer)(x_of(2, 4, 3), mask=flags)), found, tolerance=0)
