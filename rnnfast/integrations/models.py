"""Models from files of this library and of others: told apart by what the files hold, each by its own reader."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from rnnfast.checks.arrays import DTYPES
from rnnfast.checks.values import float_dtype
from rnnfast.integrations import json_values, nam, rtneural, state_dicts, torch_files
from rnnfast.integrations.content import Content, of_dtype
from rnnfast.integrations.keras import archive, files
from rnnfast.net import formats, saved
from rnnfast.nn.model_file import made_of
from rnnfast.nn.sequential import Sequential
from rnnfast.nn.stored_parts import naming
from rnnfast.problem import Array

KNOWN = (
    ".safetensors or .npz, JSON of RTNeural, .nam of Neural Amp Modeler, .onnx, .keras or .weights.h5 of Keras 3, or "
    "what torch.save wrote"
)
ONNX = b"\x08"
"""How such files begin: the version of the format, a small number, is the first field of a model."""
HDF5 = b"\x89HDF\r\n\x1a\n"
"""How such files begin."""
NEXT = {number << 3 | 2 for number in range(2, 26)}
"""Then comes another field, a text or a part."""


def load_model(
    path: str | os.PathLike[str],
    *,
    parts: Mapping[str, str] | None = None,
    prefix: str = "",
    dtype: DTypeLike | None = None,
    backend: str | None = None,
) -> Sequential:
    """Return the model that a file holds, whatever the file is called: its content says which library wrote it.

    Files of `Sequential.save` and of a net's own `save`; RTNeural's JSON; Neural Amp Modeler's .nam, LSTM, with the
    states it begins with; where onnx is installed, ONNX graphs that are a plain chain of such parts, others run by
    `rnnfast.integrations.onnx.prepare`; state dicts of PyTorch in .safetensors, .npz, JSON or, where torch is
    installed, .pt; where h5py is installed, .keras and .weights.h5 of Keras 3, for which Keras need not be.

    Of Keras's models every layer that computes is a part, called as there, `Masking`, `Reverse` and `Last` where its
    options ask for them: without return_sequences, y is the last output alone, (B, ·). A .weights.h5 tells no more than
    a state dict: `parts` names its layers, each of which then gives the outputs of all steps.

    Models of other libraries take sequences (T, B, ·), whatever theirs were. What `save` writes of one, C reads.

    parts: of a state dict, which tells neither order nor activations: the names of its modules, in the order in which
        they run, and their kinds, LSTM, GRU, RNN_TANH, RNN_RELU, Linear, Embedding or an activation, of any name:
        {"rnn": "LSTM", "head": "Linear", "out": "tanh"}. One LSTM or GRU alone needs no word.
    prefix: of a state dict: what the names of its modules begin with, such as "model."; others are passed over.
    dtype: "float32" or "float64", to convert to. None: as in the file; of JSON, which has none, float32.
    backend: of the recurrent parts, as in their constructors.

    Raises ValueError, which names the file and the place in it, for what is damaged, unknown or not supported, which
    is never approximated; OSError where the file cannot be read, ImportError where a package is missing for that.

    >>> import rnnfast
    >>> rnnfast.GRU(3, 4).save("gru.npz")
    >>> rnnfast.load_model("gru.npz")
    Sequential(net=GRU(3, 4))
    """
    found = read(path, parts=parts, prefix=prefix, dtype=dtype)
    return made_of(found.parts, found.arrays, os.fspath(path), backend)


def read(
    path: str | os.PathLike[str],
    *,
    parts: Mapping[str, str] | None = None,
    prefix: str = "",
    dtype: DTypeLike | None = None,
) -> Content:
    """Return what `load_model` makes a model of. Arguments and errors as there.

    >>> rnnfast.GRU(3, 4).save("gru.npz")
    >>> read("gru.npz").library
    'rnnfast'
    """
    file, number = os.fspath(path), None if dtype is None else float_dtype(dtype)
    _check_words(parts, prefix)
    kind = _kind(file)
    if kind == "json":
        with naming(file):
            return _of_json(json_values.load(file), parts, prefix, number or DTYPES[0])
    if kind == "onnx":
        with naming(file):
            _refuse_words("ONNX", parts, prefix)
            found = _of_onnx(file)
            return replace(found, arrays=of_dtype(found.arrays, number))
    if kind in ("keras", "hdf5"):
        with naming(file):
            if kind == "keras":
                _refuse_words("Keras", parts, prefix)
            found = files.content(file) if kind == "keras" else files.weights_content(file, parts, prefix)
            return replace(found, arrays=of_dtype(found.arrays, number))
    arrays, metadata = _arrays(kind, file)
    described = saved.parts_in(metadata, file)
    with naming(file):
        if described:
            _refuse_words("rnnfast", parts, prefix)
            if number is None:
                return Content("rnnfast", described, arrays)
            if any("weights" in part["options"] for part in described):
                raise ValueError("it holds frozen nets with rounded weights, of float32 alone: leave dtype out")
            return Content("rnnfast", saved.without_dtype(described), of_dtype(arrays, number))
        found = state_dicts.content(arrays, parts, prefix)
        return replace(found, arrays=of_dtype(found.arrays, number))


def _arrays(kind: str, file: str) -> formats.Content:
    if kind == "torch":
        with naming(file):
            return torch_files.arrays_of(file), {}
    return formats.read_npz(file) if kind == "npz" else formats.read_safetensors(file)


def _of_onnx(file: str) -> Content:
    """Return what an ONNX file holds. Raises ImportError where onnx is not installed."""
    from rnnfast.integrations.onnx import chain

    return chain.content(file)


def _of_json(value: json_values.Value, parts: Mapping[str, str] | None, prefix: str, dtype: np.dtype[Any]) -> Content:
    """Return what a JSON file holds, told apart by the names in it."""
    if nam.is_nam(value) or rtneural.is_rtneural(value):
        found = nam.content(value, dtype) if nam.is_nam(value) else rtneural.content(value, dtype)
        _refuse_words(found.library, parts, prefix)
        return found
    names = value.keys()
    if not names or not all(isinstance(value[name].value, list) for name in names):
        said = ", ".join(map(json_values.shown, names[:8])) or "nothing"
        raise ValueError(f"holds {said}: neither a file of RTNeural or Neural Amp Modeler nor arrays by name")
    arrays: dict[str, Array] = {name: value[name].numbers(None, dtype) for name in names}
    return state_dicts.content(arrays, parts, prefix)


def _check_words(parts: Any, prefix: Any) -> None:
    """Raise TypeError unless these are a mapping from text to text, or None, and a text."""
    words = [prefix] if parts is None else [prefix, *parts, *parts.values()] if isinstance(parts, Mapping) else [None]
    if not all(isinstance(word, str) for word in words):
        expected = "parts must map names of modules to kinds, such as {'rnn': 'LSTM'}, prefix be a str"
        raise TypeError(f"{expected}, got {parts!r} and {prefix!r}")


def _refuse_words(library: str, parts: Mapping[str, str] | None, prefix: str) -> None:
    if parts is not None or prefix:
        raise ValueError(
            f"parts and prefix are for state dicts, this file of {library} tells its parts: leave them out"
        )


def _kind(file: str) -> str:
    """Return what a file is, such as "json" or "safetensors", by how it begins. Raises ValueError for others."""
    with open(file, "rb") as opened:
        head, size = opened.read(512), os.fstat(opened.fileno()).st_size
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:  # first: it may look like others
        return "safetensors"
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(file) as zipped:
                names = zipped.namelist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(f"{file} is damaged: {error}") from error
        if archive.is_keras(names):
            return "keras"
        return "torch" if any(name.endswith("data.pkl") for name in names) else "npz"
    if head.startswith(HDF5):
        return "hdf5"
    if head.startswith(torch_files.PICKLES):
        return "torch"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "json"
    # Of these the readers say what is wrong.
    ends = {".safetensors": "safetensors", ".npz": "npz", ".onnx": "onnx", ".h5": "hdf5"}
    if found := ends.get(os.path.splitext(file)[1]):
        return found
    if head[:1] == ONNX and len(head) > 2 and 0 < head[1] < 128 and head[2] in NEXT:
        return "onnx"
    raise ValueError(f"{file} is no file of a model that is known here, expected {KNOWN}")
