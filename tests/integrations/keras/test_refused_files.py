"""Models of Keras whose files are refused, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras", reason="keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

from keras_files import FEATURES, numbers, saved  # noqa: E402
from keras_layers import L  # noqa: E402

import rnnfast  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # Keras 3.15, NumPy 2


def branching() -> Any:
    x = L.Input((None, FEATURES))
    return keras.Model(x, L.Concatenate()([L.LSTM(3, name="a")(x), L.LSTM(3, name="b")(x)]))


def shared() -> Any:
    x, layer = L.Input((None, FEATURES)), L.LSTM(FEATURES, return_sequences=True, name="twice")
    return keras.Model(x, layer(layer(x)))


def shared_within() -> Any:
    x, layer = L.Input((None, FEATURES)), L.LSTM(FEATURES, return_sequences=True, name="twice")
    return keras.Model(x, L.Dense(2)(layer(layer(x))))


def two_outputs() -> Any:
    x = L.Input((None, FEATURES))
    return keras.Model(x, [L.LSTM(3, name="a")(x), L.Dense(3)(x)])


def with_state() -> Any:
    x, h = L.Input((None, FEATURES)), L.Input((3,))
    return keras.Model([x, h], L.GRU(3)(x, initial_state=h))


def own_mask() -> Any:
    x = L.Input((None, FEATURES))
    return keras.Model(x, L.GRU(3, name="net")(x, mask=keras.ops.any(keras.ops.not_equal(x, 2.0), axis=-1)))


def of(*layers: Any) -> Callable[[], Any]:
    return lambda: keras.Sequential(numbers(*layers))


@keras.saving.register_keras_serializable("tests")
class LSTM(L.LSTM):
    """A class of the same name, which might compute anything."""


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "hard sigmoid": (
        of(L.LSTM(3, recurrent_activation="hard_sigmoid", name="net")),
        "layer net.recurrent_activation is 'hard_sigmoid', which is not supported, expected one of 'sigmoid'",
    ),
    "relu": (of(L.GRU(3, activation="relu", name="net")), "layer net.activation is 'relu', which is not supported"),
    "elu": (of(L.SimpleRNN(3, activation="elu", name="net")), "layer net.activation is 'elu'"),
    "gelu": (of(L.Dense(3, "gelu", name="head")), "layer head.activation is 'gelu'"),
    "stateful": (
        lambda: keras.Sequential([L.Input(batch_shape=(2, 4, FEATURES)), L.LSTM(3, stateful=True, name="net")]),
        "layer net.stateful is true, which is not supported",
    ),
    "sum": (of(L.Bidirectional(L.LSTM(3), merge_mode="sum", name="net")), "layer net.merge_mode is 'sum'"),
    "directions": (
        of(L.Bidirectional(L.LSTM(3), backward_layer=L.LSTM(4, go_backwards=True), name="net")),
        "layer net has two directions that differ",
    ),
    "forward first": (
        of(L.Bidirectional(L.LSTM(3, go_backwards=True), backward_layer=L.LSTM(3), name="net")),
        r"layer net.layer.go_backwards is True, which is not supported",
    ),
    "convolution": (
        of(L.Conv1D(3, 2, name="wave")),
        "layer wave is of class 'Conv1D', which is not supported, expected InputLayer",
    ),
    "own class": (of(LSTM(3, name="net")), r"is a class of its own, tests>LSTM, of which only Keras's are supported"),
    "own class within": (
        of(L.Bidirectional(LSTM(3), name="net")),
        r"layer net.layer is a class of its own, tests>LSTM, of which only Keras's are supported",
    ),
    "relu of 6": (of(L.ReLU(6.0, name="out")), "layer out.max_value is set, which is not supported"),
    "leaky": (of(L.ReLU(negative_slope=0.1, name="out")), "layer out.negative_slope is 0.1, which is not supported"),
    "threshold": (of(L.ReLU(threshold=1, name="out")), "layer out.threshold is 1, which is not supported, expected 0"),
    "leaky layer": (of(L.LeakyReLU(name="out")), "layer out is of class 'LeakyReLU', which is not supported"),
    "softmax over time": (of(L.Softmax(1, name="out")), "layer out.axis is 1, which is not supported, expected -1"),
    "softmax of two": (of(L.Softmax((1, 2), name="out")), "layer out.axis is an array, expected numbers|out.axis"),
    "masked softmax": (
        lambda: keras.Sequential([L.Input((3, FEATURES)), L.Masking(), L.Softmax(name="out")]),
        "layer out gets masked steps, which is not supported",
    ),
    "layers in time": (
        lambda: keras.Sequential([L.Input((2, 4, FEATURES)), L.TimeDistributed(L.LSTM(3), name="net")]),
        "layer net.layer.class_name is 'LSTM'|is 'LSTM', which is not supported",
    ),
    "normalised": (of(L.LayerNormalization(name="out")), "layer out is of class 'LayerNormalization'"),
    "stacked": (of(L.RNN([L.LSTMCell(3)], name="net")), "layer net is of class 'RNN', which is not supported"),
    "half": (of(L.Dense(3, dtype="mixed_float16", name="head")), "layer head.dtype.config.name is 'mixed_float16'"),
    "order": (
        of(L.Masking(), L.GRU(3, go_backwards=True, return_sequences=True), L.LSTM(2, name="net")),
        "layer net gets masked steps from a layer of go_backwards",
    ),
    "nested": (of(keras.Sequential([L.Dense(2)], name="inner")), "layer inner is of class 'Sequential'"),
    "branching": (branching, "takes other than one tensor: expected a plain chain"),
    "shared": (shared, "names other than one tensor"),
    "shared within": (shared_within, "is not the first output of a layer that is called once"),
    "two outputs": (two_outputs, "names other than one tensor"),
    "initial state": (with_state, "names other than one tensor"),
    "a mask": (own_mask, "layer net is given a mask of its own"),
    "nothing": (of(L.Dropout(0.5)), "the model has no layer that computes anything"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(fault: str, tmp_path: Path) -> None:
    make, said = REFUSED[fault]
    path = tmp_path / "model.keras"
    make().save(path)
    with pytest.raises(ValueError, match=rf"^{path}: .*{said}"):
        rnnfast.load_model(path)


def test_words_are_refused(tmp_path: Path) -> None:
    saved(numbers(L.LSTM(3)), tmp_path / "model.keras")
    with pytest.raises(ValueError, match="this file of Keras tells its parts: leave them out"):
        rnnfast.load_model(tmp_path / "model.keras", parts={"lstm": "LSTM"})
    with pytest.raises(ValueError, match="^.*old.h5: the HDF5 file: "):
        (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
        rnnfast.load_model(tmp_path / "old.h5")


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(numbers(L.LSTM(3)), tmp_path / "model.keras")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"need the package h5py: pip install 'rnnfast\[keras\]'"):
        rnnfast.load_model(tmp_path / "model.keras")
