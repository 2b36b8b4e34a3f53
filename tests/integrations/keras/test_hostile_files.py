"""Files of Keras's kind that claim what is not so."""

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

from keras_files import numbers, saved  # noqa: E402
from keras_layers import L  # noqa: E402

import rnnfast  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # Keras 3.15, NumPy 2


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


def test_groups_in_circles(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for n in range(20):
            file[f"layers/{n}"] = file["/"]
    with pytest.raises(ValueError, match=f"^{path}: .* is one group too many"):
        rnnfast.load_model(path)
