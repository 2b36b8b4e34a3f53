"""Weights files as C and Python read them: what one refuses, the other does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handles import Rows, loaded
from model_files import HEAD, READ, REFUSED, B, H, O, T, record

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.problem import Array

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")


def read_by_c(data: bytes) -> Any:
    """The handle, None where it is refused."""
    ffi, lib = library()
    net = ffi.new("rf_net **")
    if lib.rf_net_load_memory(ffi.from_buffer(data), len(data), lib.RF_ISA_AUTO, 1, net) != lib.RF_OK:
        return None
    lib.rf_net_free(net[0])
    return loaded(data)


def read_by_python(path: Path) -> Any:
    """The model, None where it is refused."""
    try:
        return rnnfast.load_model(path)
    except ValueError as error:
        assert str(path) in str(error)
        return None


def written(folder: Path, arrays: dict[str, Array], words: str) -> tuple[bytes, Path]:
    """A file, its bytes and its path."""
    data = numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"rnnfast": words})
    path = folder / "model.safetensors"
    path.write_bytes(data)
    return data, path


@pytest.mark.parametrize("name", READ)
def test_what_both_read_gives_the_same(name: str, tmp_path: Path) -> None:
    data, path = written(tmp_path, *READ[name])
    model, handle = read_by_python(path), read_by_c(data)
    assert model is not None and handle is not None
    rng, width = np.random.default_rng(0), handle.sizes.input_size
    x: Array = rng.standard_normal((T, B, width)).astype("float32")
    if handle.sizes.takes_indices:
        x = rng.integers(0, 7, (T, B))
    mask = np.array([[1, 1], [1, 0], [0, 1], [1, 1], [1, 0]], bool)
    recurrent = handle.sizes.recurrent_parts > 0
    y = model(x, mask=mask)[0] if recurrent else model(x)[0]
    found = Rows(handle, B, "float32", steps=T).forward(x, **({"mask": mask.view(np.uint8)} if recurrent else {}))
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_what_one_refuses_the_other_does(name: str, tmp_path: Path) -> None:
    data, path = written(tmp_path, *REFUSED[name])
    assert (read_by_c(data), read_by_python(path)) == (None, None)


HEADER = json.dumps(
    {
        "__metadata__": {"rnnfast": record(HEAD)},
        "head.weight": {"dtype": "F32", "shape": [O, H], "data_offsets": [0, 48]},
        "head.bias": {"dtype": "F32", "shape": [O], "data_offsets": [48, 64]},
    }
)


@pytest.mark.parametrize(
    "old, new, read",
    [
        ("", "", True),
        ('"shape": [4]', '"shape": [4], "note": {"a": [null]}', True),
        ('"shape": [4]', '"shape": [4.0]', False),
        ('"shape": [4]', '"shape": [04]', False),
        ('"shape": [4]', '"shape": [4], "shape": [4]', False),
        ('"dtype": "F32"', '"dtype": "F32", "dtype": "F32"', False),
        ("[0, 48]", "[-0, 48]", False),
        ("[0, 48]", "[48, 0]", False),
        ("[48, 64]", "[47, 63]", False),
        ("[48, 64]", "[48, 64, 64]", False),
        ('"head.bias"', '"head.weight"', False),
        ('"__metadata__": {', '"__metadata__": {"x": 3, ', False),
        ('"__metadata__": {', '"__metadata__": {}, "__metadata__": {', False),
        ('"F32"', '"\\xff"', False),
        ('"__metadata__": {', '"__metadata__": {"\xed\xa0\x80": "half a character", ', False),
        ('"__metadata__": {', '"__metadata__": {"\xc0\x80": "a zero too long", ', False),
        ('"__metadata__": {', '"__metadata__": {"\xf4\x90\x80\x80": "beyond Unicode", ', False),
        ('"__metadata__": {', '"__metadata__": {"\xe2\x82": "cut off", ', False),
        ('"__metadata__": {', '"__metadata__": {"\xe2\x82\xac": "fine", ', True),
        ('"__metadata__": {', '"__metadata__": {"\xf0\x9f\x99\x82": "fine", ', True),
    ],
)
def test_headers_are_read_alike(old: str, new: str, read: bool, tmp_path: Path) -> None:
    words = HEADER.replace(old, new, 1).encode("latin-1") if old else HEADER.encode()
    data = len(words).to_bytes(8, "little") + words + bytes(64)
    (tmp_path / "model.safetensors").write_bytes(data)
    found = read_by_c(data) is not None, read_by_python(tmp_path / "model.safetensors") is not None
    assert found == (read, read)


@pytest.mark.parametrize("begins", [b"PK", b"\x80\x02", b"\x80\x04", b" {"])
def test_no_length_of_a_header_is_taken_for_another_format(begins: bytes, tmp_path: Path) -> None:
    length = int.from_bytes(begins, "little")
    data = length.to_bytes(8, "little") + HEADER.encode().ljust(length) + bytes(64)
    (tmp_path / "model.safetensors").write_bytes(data)
    assert read_by_c(data) is not None and read_by_python(tmp_path / "model.safetensors") is not None
