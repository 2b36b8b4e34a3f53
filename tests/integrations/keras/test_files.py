"""Models from files that Keras writes: random weights against Keras's own outputs, what is refused, hostile files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

from keras_layers import LAYERS, L, randomised  # noqa: E402
from nets import BACKEND  # noqa: E402

import rnnfast  # noqa: E402
from rnnfast.problem import Array  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # Keras 3.15, NumPy 2
ROWS, STEPS, FEATURES = 3, 8, 5


def x_of(index: bool) -> Array:
    """Rows of padded steps, as Keras takes them."""
    rng = np.random.default_rng(2)
    x = rng.integers(1, 9, (ROWS, STEPS)) if index else rng.standard_normal((ROWS, STEPS, FEATURES)).astype("float32")
    x[0, 5:] = 0
    x[1, 2] = 0
    return x


def words(*layers: Any, mask_zero: bool = False) -> list[Any]:
    return [L.Input((None,)), L.Embedding(9, 6, mask_zero=mask_zero), *layers]


def numbers(*layers: Any) -> list[Any]:
    return [L.Input((None, FEATURES)), *layers]


STACKS: dict[str, Callable[[], list[Any]]] = {
    **{kind: lambda kind=kind: numbers(LAYERS[kind](7, return_sequences=True)) for kind in LAYERS},  # type: ignore[misc]
    **{f"{kind} last": lambda kind=kind: numbers(LAYERS[kind](1), L.Dense(4)) for kind in LAYERS},  # type: ignore[misc]
    "no biases": lambda: numbers(*[LAYERS[kind](3, use_bias=False, return_sequences=True) for kind in LAYERS]),
    "backwards": lambda: numbers(L.GRU(4, go_backwards=True, return_sequences=True), L.LSTM(3, go_backwards=True)),
    "bidirectional": lambda: numbers(
        L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.GRU(3, reset_after=False))
    ),
    "activations": lambda: numbers(
        L.Dense(9, "tanh"),
        L.Activation("relu"),
        L.LSTM(4),
        L.Dense(3, "sigmoid", use_bias=False),
        L.Dense(2, "softmax"),
    ),
    "inert": lambda: numbers(
        L.Dropout(0.5), L.LSTM(4, dropout=0.5, recurrent_dropout=0.5, unroll=False), L.Dropout(0.2)
    ),
    "activations as layers": lambda: numbers(
        L.Dense(9), L.ReLU(), L.GRU(4, return_sequences=True), L.Activation("tanh"), L.LSTM(3), L.Softmax()
    ),
    "step by step": lambda: numbers(
        L.TimeDistributed(L.Dense(6, "tanh")),
        L.LSTM(4, return_sequences=True),
        L.TimeDistributed(L.Dropout(0.5)),
        L.TimeDistributed(L.Dense(3, use_bias=False)),
        L.TimeDistributed(L.Softmax()),
    ),
    "idle": lambda: numbers(
        *[L.SpatialDropout1D(0.5), L.GaussianNoise(0.5), L.GaussianDropout(0.5), L.AlphaDropout(0.5), L.Identity()],
        *[L.ActivityRegularization(0.1), L.LSTM(4)],
    ),
    "masking, then a softmax": lambda: numbers(L.Masking(), L.LSTM(4), L.Dense(3), L.Softmax()),
    "masking, step by step": lambda: numbers(
        *[L.Masking(), L.Dropout(0.5), L.GRU(4, return_sequences=True), L.ReLU()],
        *[L.TimeDistributed(L.Dense(3)), L.LSTM(2)],
    ),
    "masking": lambda: numbers(L.Masking(), L.LSTM(4, return_sequences=True), L.Dense(3), L.GRU(2)),
    "masking of 3": lambda: numbers(L.Masking(3.0), L.LSTM(4, return_sequences=True)),
    "masking, all steps": lambda: numbers(L.Masking(), L.SimpleRNN(4, return_sequences=True), L.Activation("tanh")),
    "masking, zeros": lambda: numbers(L.Masking(), L.GRU(4, return_sequences=True, zero_output_for_mask=True)),
    "masking, two directions": lambda: numbers(
        L.Masking(), L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.LSTM(3))
    ),
    "masking, backwards": lambda: numbers(L.Masking(), L.GRU(4, go_backwards=True), L.Dense(1)),
    "words": lambda: words(L.LSTM(5), L.Dense(1, "sigmoid")),
    "masked words": lambda: words(L.Bidirectional(L.GRU(5, return_sequences=True)), L.LSTM(3), mask_zero=True),
}


def saved(layers: list[Any], path: Path, functional: bool = False) -> Any:
    """A model of these layers with random weights, written to a file."""
    if functional:
        tensor = layers[0]
        for layer in layers[1:]:
            tensor = layer(tensor)
        model = keras.Model(layers[0], tensor)
    else:
        model = keras.Sequential(layers)
    randomised(model).save(path)
    return model


def outputs(model: rnnfast.nn.Sequential, x: Array) -> Array:
    """y as Keras gives it, rows first."""
    y: Array = model(np.swapaxes(x, 0, 1))[0]
    return np.swapaxes(y, 0, 1) if y.ndim == 3 else y


@pytest.mark.parametrize("functional", [False, True], ids=["sequential", "functional"])
@pytest.mark.parametrize("stack", STACKS)
def test_models(stack: str, functional: bool, tmp_path: Path) -> None:
    model = saved(STACKS[stack](), tmp_path / "model.keras", functional)
    x = x_of("words" in stack)
    expected = keras.ops.convert_to_numpy(model(x))
    (tmp_path / "model.keras").rename(tmp_path / "a.bin")
    found = rnnfast.load_model(tmp_path / "a.bin", backend=BACKEND)
    np.testing.assert_allclose(outputs(found, x), expected, rtol=1e-5, atol=2e-6)
    wide = rnnfast.load_model(tmp_path / "a.bin", dtype="float64")
    y = outputs(wide, x.astype("float64") if x.dtype.kind == "f" else x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-6)
    found.save(tmp_path / "again.npz")
    again = rnnfast.load_model(tmp_path / "again.npz", backend=BACKEND)
    np.testing.assert_array_equal(outputs(again, x), outputs(found, x))


def test_what_streams_and_c_take(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = saved(numbers(L.GRU(6, return_sequences=True), L.LSTM(5), L.Dense(2, "tanh")), tmp_path / "model.keras")
    x = x_of(False)
    found = rnnfast.load_model(tmp_path / "model.keras")
    expected = keras.ops.convert_to_numpy(model(x))
    y = found.stream(ROWS).run(np.swapaxes(x, 0, 1))
    np.testing.assert_allclose(y[-1], expected, rtol=1e-5, atol=2e-6)
    found.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(outputs(rnnfast.load_model(tmp_path / "model.safetensors"), x), outputs(found, x))


def test_double_precision(tmp_path: Path) -> None:
    randomised(keras.Sequential(numbers(L.LSTM(3, dtype="float64")))).save(tmp_path / "model.keras")
    found = rnnfast.load_model(tmp_path / "model.keras")
    assert {array.dtype.name for array in found.parameters.values()} == {"float64"}


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


def repacked(path: Path, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> None:
    """Write a .keras again with other contents."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def of_weights(change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """A change of the HDF5 within."""

    def changed(members: dict[str, bytes]) -> None:
        file = io.BytesIO(members["model.weights.h5"])
        with h5py.File(file, "r+") as opened:
            change(opened)
        members["model.weights.h5"] = file.getvalue()

    return changed


def of_config(change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """A change of the architecture within."""

    def changed(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        change(config)
        members["config.json"] = json.dumps(config).encode()

    return changed


VARS = "layers/lstm/cell/vars"


def swap(place: str, value: Any) -> Callable[[Any], None]:
    """A change of what is at a place in HDF5: None removes it."""

    def change(file: Any) -> None:
        del file[place]
        if value is not None:
            file[place] = value

    return change


def unwritten(file: Any) -> None:
    del file[f"{VARS}/0"]
    file.create_dataset(f"{VARS}/0", shape=(2**20, 12), dtype="f4", chunks=(1024, 12))


def elsewhere(file: Any) -> None:
    del file[f"{VARS}/0"]
    file.create_dataset(f"{VARS}/0", shape=(5, 12), dtype="f4", external=[("/etc/hostname", 0, 240)])


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "no weights": (lambda m: [m.pop("model.weights.h5")][:0].clear(), "model.weights.h5 is missing"),
    "no HDF5": (lambda m: m.update({"model.weights.h5": b"PK"}), "the HDF5 file: "),
    "no JSON": (lambda m: m.update({"config.json": b"{"}), "not a JSON file"),
    "no object": (lambda m: m.update({"config.json": b"[]"}), "the file is an array, expected an object"),
    "bomb": (lambda m: m.update({"config.json": b" " * 2**24}), "config.json is damaged: would unpack"),
    "a dataset less": (of_weights(swap(f"{VARS}/2", None)), f"{VARS} has 2 arrays, expected 3"),
    "a group less": (of_weights(swap("layers/lstm", None)), f"{VARS}: expected a group"),
    "another shape": (
        of_weights(swap(f"{VARS}/1", np.ones((4, 12), "f4"))),
        rf"{VARS}/1 has shape \(4, 12\), expected \(3, 12\)",
    ),
    "whole numbers": (of_weights(swap(f"{VARS}/1", np.ones((3, 12), "i4"))), f"{VARS}/1: dtype int32"),
    "a group for an array": (
        of_weights(lambda f: [swap(f"{VARS}/1", None)(f), f.create_group(f"{VARS}/1")][:0].clear()),
        f"{VARS}/1: expected an array",
    ),
    "unwritten": (of_weights(unwritten), f"{VARS}/0: would unpack to 50331648 bytes"),
    "elsewhere": (of_weights(elsewhere), f"{VARS}/0: its numbers are in other files"),
    "external link": (
        of_weights(swap(f"{VARS}/0", h5py.ExternalLink("/etc/hostname", "/"))),
        f"{VARS}/0: '?0'? is a link to elsewhere",
    ),
    "soft link": (
        of_weights(swap(f"{VARS}/0", h5py.SoftLink(f"/{VARS}/1"))),
        f"{VARS}/0: '?0'? is a link to elsewhere",
    ),
    "huge": (
        of_config(lambda c: c["config"]["layers"][1]["config"].update(units=10**9)),
        r"expected \(any, 4000000000\)",
    ),
    "no units": (of_config(lambda c: c["config"]["layers"][1]["config"].pop("units")), "layer lstm.units is missing"),
    "truth": (
        of_config(lambda c: c["config"]["layers"][1]["config"].update(use_bias=1)),
        "layer lstm.use_bias is 1, expected true or false",
    ),
    "unknown": (
        of_config(lambda c: c["config"]["layers"][1]["config"].update(peepholes=True)),
        "layer lstm.peepholes is not known",
    ),
    "another model": (of_config(lambda c: c.update(class_name="Own")), "class_name is 'Own', which is not supported"),
    "names": (
        of_config(lambda c: c["config"]["layers"][0]["config"].update(name="lstm")),
        "is called lstm, as another layer",
    ),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_files(fault: str, tmp_path: Path) -> None:
    change, said = HOSTILE[fault]
    path = tmp_path / "model.keras"
    saved(numbers(L.LSTM(3, name="lstm"), L.Dense(2)), path)
    repacked(path, change, zipfile.ZIP_DEFLATED if fault == "bomb" else zipfile.ZIP_STORED)
    with pytest.raises(ValueError, match=rf"^{path}: .*{said}"):
        rnnfast.load_model(path)


def test_words_are_refused(tmp_path: Path) -> None:
    saved(numbers(L.LSTM(3)), tmp_path / "model.keras")
    with pytest.raises(ValueError, match="this file of Keras tells its parts: leave them out"):
        rnnfast.load_model(tmp_path / "model.keras", parts={"lstm": "LSTM"})
    with pytest.raises(ValueError, match="^.*old.h5: the HDF5 file: "):
        (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
        rnnfast.load_model(tmp_path / "old.h5")


def weights(path: Path) -> Any:
    layers = [
        L.Embedding(9, 6, name="words"),
        L.Bidirectional(L.LSTM(4, return_sequences=True), name="both"),
        L.GRU(5, return_sequences=True, name="after"),
        L.GRU(3, return_sequences=True, reset_after=False, name="before"),
        L.SimpleRNN(4, return_sequences=True, activation="relu", name="relu"),
        L.Dense(2, "tanh", name="head"),
    ]
    model = randomised(keras.Sequential([L.Input((None,)), *layers]))
    model.save_weights(path)
    return model


PARTS = {"words": "Embedding", "both": "LSTM", "after": "GRU", "before": "GRU", "relu": "RNN_RELU", "head": "Linear"}


def test_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model, x = weights(path), x_of(True)
    found = rnnfast.load_model(path, parts=PARTS | {"out": "tanh"}, backend=BACKEND)
    np.testing.assert_allclose(outputs(found, x), keras.ops.convert_to_numpy(model(x)), rtol=1e-5, atol=2e-6)
    with pytest.raises(ValueError, match=f"^{path}: the file does not tell what its arrays belong to: name the parts"):
        rnnfast.load_model(path)
    with pytest.raises(ValueError, match=f"^{path}: head.weight, head.bias belong to none of the parts"):
        rnnfast.load_model(path, parts={name: kind for name, kind in PARTS.items() if name != "head"})
    with pytest.raises(ValueError, match="after"):
        rnnfast.load_model(path, parts=PARTS | {"after": "LSTM"})


def test_weights_of_one_layer_need_no_word(tmp_path: Path) -> None:
    path, x = tmp_path / "a.weights.h5", x_of(False)
    for layer in (L.LSTM(3, return_sequences=True), L.GRU(3, reset_after=False, return_sequences=True)):
        model = randomised(keras.Sequential(numbers(layer)))
        model.save_weights(path)
        expected = keras.ops.convert_to_numpy(model(x))
        np.testing.assert_allclose(outputs(rnnfast.load_model(path), x), expected, rtol=1e-5, atol=2e-6)
    model = randomised(keras.Sequential(numbers(L.GRU(3, use_bias=False))))
    model.save_weights(path)
    with pytest.raises(ValueError, match=f"^{path}: .* is a GRU without a bias, .* does not tell reset_after"):
        rnnfast.load_model(path)


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(numbers(L.LSTM(3)), tmp_path / "model.keras")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"need the package h5py: pip install 'rnnfast\[keras\]'"):
        rnnfast.load_model(tmp_path / "model.keras")


def test_groups_in_circles(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for n in range(20):
            file[f"layers/{n}"] = file["/"]
    with pytest.raises(ValueError, match=f"^{path}: .* is one group too many"):
        rnnfast.load_model(path)
