"""RTNeural's JSON files: random ones against their documentation in NumPy, and one that Keras made; what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_models import Layers, rtneural_file, rtneural_output
from handles import Rows, loaded
from nets import BACKEND

import rnnfast
from rnnfast.backends.c import backend as c

FILES = Path(__file__).parent / "files"
STACKS: dict[str, tuple[int, Layers]] = {
    "one unit": (1, [("lstm", 1, "")]),
    "lstm": (1, [("lstm", 7, "tanh"), ("dense", 3, "sigmoid")]),
    "gru": (3, [("gru", 5, "tanh"), ("dense", 2, "no bias"), ("activation", 2, "tanh"), ("activation", 2, "")]),
    "all": (
        2,
        [("dense", 9, "relu"), ("gru", 13, ""), ("lstm", 11, "tanh"), ("time-distributed-dense", 4, "softmax")],
    ),
}


def written(folder: Path, file: Any) -> Path:
    """The file in a folder, called so that its name tells nothing."""
    path = folder / "model.bin"
    path.write_text(json.dumps(file))
    return path


@pytest.mark.parametrize("stack", STACKS)
def test_random_files(stack: str, tmp_path: Path, rng: np.random.Generator) -> None:
    inputs, layers = STACKS[stack]
    file = rtneural_file(rng, inputs, layers)
    x = rng.standard_normal((40, inputs))
    expected = rtneural_output(file, x)
    model = rnnfast.load_model(written(tmp_path, file), dtype="float64", backend=BACKEND)
    np.testing.assert_allclose(model(x)[0], expected, rtol=1e-12, atol=1e-13)
    model, x = rnnfast.load_model(tmp_path / "model.bin"), x.astype(np.float32)
    y = model(x)[0]
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=3e-6)
    stream = model.stream()
    np.testing.assert_array_equal(stream.run(x), y)
    stream.reset()
    np.testing.assert_allclose([stream.step(row) for row in x[:5]], y[:5], rtol=1e-6, atol=1e-7)


def test_what_keras_made() -> None:
    file = json.loads((FILES / "keras.json").read_text())
    x, y = (np.array(file[name], np.float32) for name in "xy")
    model = rnnfast.load_model(FILES / "keras.json")
    np.testing.assert_allclose(model(x)[0], y, rtol=1e-5, atol=1e-6)
    names = ["dense0", "dense0_tanh", "gru1", "lstm2", "dense3", "dense3_relu", "dense4", "activation5"]
    assert list(model.parts) == names


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_what_is_saved_is_what_c_reads(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = rnnfast.load_model(FILES / "keras.json")
    model.save(tmp_path / "model.safetensors")
    x = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    rows = Rows(loaded((tmp_path / "model.safetensors").read_bytes()), 1, np.float32)
    np.testing.assert_allclose([rows.step(row[None])[0] for row in x], model(x)[0], rtol=1e-6)


def changed(place: list[Any], value: Any) -> dict[str, Any]:
    """A good file with another value at one place."""
    file: Any = copy.deepcopy(rtneural_file(np.random.default_rng(0), 2, [("gru", 3, ""), ("dense", 1, "")]))
    inner = file
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return dict(file)


FAULTS: dict[str, tuple[list[Any], Any, str]] = {
    "convolution": (["layers", 0, "type"], "conv1d", r"layers\[0\].type is 'conv1d', which is not supported"),
    "normalisation": (["layers", 1, "type"], "batchnorm", r"layers\[1\].type is 'batchnorm', which is not supported"),
    "prelu": (["layers", 1, "type"], "prelu", "'prelu', which is not supported"),
    "unknown": (["layers", 1, "type"], "unknown", "'unknown', which is not supported"),
    "no type": (["layers", 1], {}, r"layers\[1\].type is missing"),
    "elu": (["layers", 1, "activation"], "elu", r"layers\[1\].activation is 'elu', which is not supported"),
    "hard": (
        ["layers", 0, "activation"],
        "relu",
        r"layers\[0\].activation is 'relu', which is not supported, expected one of '', 'tanh'",
    ),
    "image": (["in_shape"], [None, 4, 4, 1], "in_shape has 4 axes"),
    "residual": (["in_skip"], 1, "in_skip is 1, which is not supported"),
    "loudness": (["out_gain"], -3.5, "out_gain is -3.5, which is not supported"),
    "single bias": (["layers", 0, "weights", 2], [0.0] * 9, r"weights\[2\] has shape \(9,\), expected \(2, 9\)"),
    "huge": (["layers", 0, "shape"], [10**9], r"has shape \(2, 9\), expected \(2, 3000000000\)"),
    "huger": (["layers", 0, "shape"], [10**400], r"shape\[0\] is 1000000000.*, expected a whole number from 1"),
    "units": (["layers", 1, "shape"], [None, None], r"layers\[1\].shape\[1\] is null, expected a whole number"),
    "no shape": (["layers", 1, "shape"], [], "shape has 0 axes"),
    "fraction": (["in_shape", 2], 2.0, r"in_shape\[2\] is 2.0, expected a whole number"),
    "truth": (["layers", 1, "weights", 1], [True], "weights.1. holds true or false, expected numbers"),
    "text": (["layers", 1, "weights", 1], ["1"], "weights.1. holds a text, expected numbers"),
    "ragged": (["layers", 1, "weights", 0], [[1.0], [1.0, 2.0], [3.0]], "holds rows of different lengths"),
    "deep": (["layers", 1, "weights", 0], [[[1.0]]] * 3, r"has more than 2 axes, expected \(3, 1\)"),
    "beyond": (["layers", 1, "weights", 1], [1e39], "weights.1. holds numbers beyond float32"),
    "count": (["layers", 0, "weights"], [[1.0]], r"layers\[0\].weights has 1 arrays, expected 3"),
    "none": (["layers"], [], "layers has no layer that computes anything"),
    "object": (["layers"], {}, "layers is an object, expected an array"),
    "sizes": (["layers", 1, "type"], "activation", r"layers\[1\].shape ends in 1, expected 3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_refused(fault: str, tmp_path: Path) -> None:
    place, value, words = FAULTS[fault]
    path = written(tmp_path, changed(place, value))
    with pytest.raises(ValueError, match=rf"^{path}: .*{words}"):
        rnnfast.load_model(path)


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"in_shape": [1], "layers": NaN}', "holds NaN, expected finite numbers"),
        ('{"in_shape": [1], "layers": [], "layers": []}', "'layers' twice"),
        ('{"in_shape": [1], "layers": [', "not a JSON file, or not the whole of it"),
        ('{"layers": ' + "[" * 100_000, "too many brackets"),
        ('{"weights": 3, "bias": [1]}', "holds weights, bias: neither a file of RTNeural"),
        ("{}", "holds nothing: neither"),
    ],
)
def test_text_that_is_no_model(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ValueError, match=rf"^{tmp_path / 'model.json'}: .*{words}"):
        rnnfast.load_model(tmp_path / "model.json")


def test_words_for_state_dicts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="this file of RTNeural tells its parts: leave them out"):
        rnnfast.load_model(FILES / "keras.json", parts={"a": "LSTM"})
    with pytest.raises(TypeError, match="parts must map names of modules to kinds"):
        rnnfast.load_model(FILES / "keras.json", parts=["LSTM"])  # type: ignore[arg-type]
