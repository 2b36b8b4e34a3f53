"""Files of models cut off or changed anywhere: an error that names the file, or a model, and never anything else."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from foreign_models import nam_file, rtneural_file
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnfast
from rnnfast.net import files

KINDS = ("rtneural", "nam", "json", "npz", "safetensors", "pt", "onnx", "keras", "h5")
FILES = Path(__file__).parent / "files"


@cache
def whole(kind: str, folder: Path) -> bytes:
    """A good file of each kind."""
    rng = np.random.default_rng(0)
    state = rnnfast.GRU(1, 2, seed=0).state_dict()
    if kind == "rtneural":
        return json.dumps(rtneural_file(rng, 1, [("gru", 2, "tanh"), ("dense", 1, "relu")])).encode()
    if kind == "nam":
        return json.dumps(nam_file(rng, 1, 2, 2)).encode()
    if kind == "json":
        return json.dumps({name: array.tolist() for name, array in state.items()}).encode()
    if kind == "pt":
        torch = pytest.importorskip("torch", reason="torch is not installed")
        torch.save({name: torch.from_numpy(array) for name, array in state.items()}, folder / "good.pt")
        return (folder / "good.pt").read_bytes()
    if kind == "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed")
        from rnnfast.integrations import onnx

        model = rnnfast.nn.Sequential(net=rnnfast.LSTM(1, 2, seed=0), head=rnnfast.nn.Linear(2, 1, seed=1), out="tanh")
        model.set_initial_state("net", (np.ones((1, 2), np.float32), None))
        onnx.export(model, folder / "good.onnx")
        return (folder / "good.onnx").read_bytes()
    if kind in ("keras", "h5"):
        pytest.importorskip("h5py", reason="h5py is not installed")
        return (FILES / ("small.keras" if kind == "keras" else "small.weights.h5")).read_bytes()
    if kind == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    files.save(folder / f"good.{kind}", state)
    return (folder / f"good.{kind}").read_bytes()


def read(path: Path, data: bytes) -> None:
    """Load a file of these bytes; ValueError is fine, if it names the file."""
    path.write_bytes(data)
    try:
        rnnfast.load_model(path)
    except ValueError as error:
        assert str(path) in str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(st.data())
def test_cut_off(kind: str, folder: Path, data: st.DataObject) -> None:
    good = whole(kind, folder)
    length = data.draw(st.integers(0, len(good) - 1))
    path = folder / "damaged.model"
    path.write_bytes(good[:length])
    with pytest.raises(ValueError, match=str(path)):
        rnnfast.load_model(path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pt"])
@settings(max_examples=120)
@given(st.data())
def test_changed(kind: str, folder: Path, data: st.DataObject) -> None:
    good = whole(kind, folder)
    place = data.draw(st.integers(0, len(good) - 1))
    replaced = data.draw(st.binary(max_size=4))
    removed = data.draw(st.integers(0, 4))
    read(folder / "damaged.model", good[:place] + replaced + good[place + removed :])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=60)
@given(VALUES, st.data())
def test_anything_in_place_of_anything(folder: Path, value: object, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["rtneural", "nam"]))
    file = json.loads(whole(kind, folder))
    inner = file
    while True:
        key = data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else list(range(len(inner)))))
        if not (isinstance(inner[key], dict | list) and inner[key]) or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = value
    read(folder / "damaged.model", json.dumps(file).encode())
