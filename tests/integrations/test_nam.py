"""Neural Amp Modeler's LSTMs: random files against their documentation in NumPy, one against PyTorch; refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_models import nam_file, nam_output
from handles import Rows, loaded
from nets import BACKEND

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.integrations.models import read

FILES = Path(__file__).parent / "files"


def written(folder: Path, file: dict[str, Any]) -> Path:
    """The file in a folder."""
    path = folder / "amp.nam"
    path.write_text(json.dumps(file))
    return path


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (1, 3, 2, 1), (2, 5, 3, 3), (3, 17, 1, 2)])
def test_random_files(sizes: tuple[int, int, int, int], tmp_path: Path, rng: np.random.Generator) -> None:
    file = nam_file(rng, *sizes, version="0.7.0", metadata={"name": "x", "loudness": None}, sample_rate=44100.0)
    x = rng.standard_normal((40, sizes[0]))
    expected = nam_output(file, x)
    model = rnnfast.load_model(written(tmp_path, file), dtype="float64", backend=BACKEND)
    np.testing.assert_allclose(model(x)[0], expected, rtol=1e-12, atol=1e-13)
    model, x = rnnfast.load_model(tmp_path / "amp.nam"), x.astype(np.float32)
    y = model(x)[0]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=3e-6)
    stream = model.stream()
    np.testing.assert_array_equal(stream.run(x), y)
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), y)
    h0, c0 = model.initial_states["lstm"]
    assert h0.shape == c0.shape == (sizes[2], sizes[1])
    found = read(tmp_path / "amp.nam")
    assert found.sample_rate == 44100 and found.remarks == ["name x"]


@pytest.mark.parametrize("through_c", [False, True])
def test_what_pytorch_computes(through_c: bool, tmp_path: Path) -> None:
    file = json.loads((FILES / "small.nam").read_text())
    x, y = (np.array(file[name], np.float32) for name in "xy")
    model = rnnfast.load_model(FILES / "small.nam")
    if not through_c:
        np.testing.assert_allclose(model(x[:, None])[0][:, 0], y, rtol=1e-5, atol=1e-6)
        return
    if c.reason() is not None:
        pytest.skip(str(c.reason()))
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model.save(tmp_path / "small.safetensors")
    rows = Rows(loaded((tmp_path / "small.safetensors").read_bytes()), 1, np.float32)
    np.testing.assert_allclose([rows.step(row[None, None])[0, 0] for row in x], y, rtol=1e-5, atol=1e-6)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "other": ({"architecture": "WaveNet"}, "architecture is 'WaveNet', which is not supported, expected one of 'LSTM'"),
    "later": ({"version": "0.8.0"}, "version is 0.8.0, formats that are known are 0.5.0 to before 0.8.0"),
    "older": ({"version": "0.4.9"}, "version is 0.4.9"),
    "no version": ({"version": 5}, "version is 5, expected a text"),
    "odd version": ({"version": "0.5"}, "version is '0.5', expected a version such as"),
    "weights": ({"weights": [0.5] * 61}, "weights has 61 numbers, by its config there are"),
    "no list": ({"weights": {}}, "weights is an object, expected an array"),
    "nested": ({"weights": [[0.5]] * 70}, "weights has more than 1 axes"),
    "rate": ({"sample_rate": -1}, "sample_rate is -1, expected a number above 0"),
    "text rate": ({"sample_rate": "48k"}, "sample_rate holds a text, expected numbers"),
    "config": ({"config": {"input_size": 1}}, "config.hidden_size is missing"),
}
SIZES: dict[str, tuple[dict[str, Any], str]] = {
    "bidirectional": ({"bidirectional": True}, "config.bidirectional is not known"),
    "channels": ({"in_channels": 2}, "config.in_channels is 2, expected 1, as input_size"),
    "larger": ({"hidden_size": 10**400}, "config.hidden_size is 1000"),
    "no layers": ({"num_layers": 0}, "config.num_layers is 0, expected a whole number from 1 to"),
    "huge": ({"hidden_size": 10**9}, "weights has 70 numbers, by its config there are 4000000011000000001"),
    "many": ({"num_layers": 10**9}, "weights has 70 numbers"),
    "truth": ({"hidden_size": True}, "config.hidden_size is true or false"),
}


@pytest.mark.parametrize("fault", [*FAULTS, *SIZES])
def test_what_is_refused(fault: str, tmp_path: Path, rng: np.random.Generator) -> None:
    file = nam_file(rng, 1, 3, 1)
    if fault in SIZES:
        file["config"] |= SIZES[fault][0]
    else:
        file |= FAULTS[fault][0]
    path = written(tmp_path, file)
    words = (FAULTS | SIZES)[fault][1]
    with pytest.raises(ValueError, match=rf"^{path}: {words}"):
        rnnfast.load_model(path)
