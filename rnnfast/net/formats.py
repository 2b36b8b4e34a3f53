"""The two kinds of file, .npz and .safetensors: arrays by name and words about them, as bytes and back."""

from __future__ import annotations

import io
import json
import math
import os
from types import ModuleType
from typing import IO, Any

import numpy as np

from rnnfast.net.disk import Disk, named
from rnnfast.problem import Array

Content = tuple[dict[str, Array], dict[str, str]]
"""Arrays by name, and words about them."""
MARK = b'{"__metadata__": '
"""How the comment of an .npz that holds metadata begins; archives of others may have comments too."""
LONGEST_COMMENT = 2**16 - 1
"""Bytes of a comment, as the format of .zip has it."""
NO_NPZ = "is not an .npz file, or not the whole of it"
BFLOAT16 = np.dtype([("bfloat16", "<u2")])
"""The upper half of a float32, for which NumPy has no dtype: its bits."""
DTYPES = {
    "BOOL": np.dtype("?"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "BF16": BFLOAT16,
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}
"""Names of dtypes in .safetensors; others, such as F8_E4M3, are told by name alone."""


def write_npz(file: IO[bytes], arrays: dict[str, Array], metadata: dict[str, str]) -> None:
    """Write an archive as np.savez does, which has no way to add words. Raises ValueError for too many of them."""
    import zipfile  # here and below, because importing it takes longer than most of this package

    comment = json.dumps({"__metadata__": metadata}).encode() if metadata else b""
    if len(comment) > LONGEST_COMMENT:
        raise ValueError(
            f"metadata of {len(comment)} bytes do not fit an .npz, which takes {LONGEST_COMMENT}: use .safetensors"
        )
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
        archive.comment = comment


def read_npz(path: str) -> Content:
    """Return what an .npz holds.

    Raises, all with its name, ValueError for what is none, is damaged or holds objects, MemoryError where there is too
    little memory for it, OSError where it cannot be read.
    """
    with open(path, "rb", buffering=0) as raw, Disk(raw) as disk:
        try:
            return _content_of(path, io.BufferedReader(disk))
        except MemoryError as error:
            raise named(error, path) from error
        except Exception as error:
            if disk.error is not None:
                raise named(disk.error, path) from error
            raise


def _content_of(path: str, file: IO[bytes]) -> Content:
    import zipfile

    if not zipfile.is_zipfile(file):  # np.load would take it for another of its formats
        raise ValueError(f"{path} {NO_NPZ}")
    file.seek(0)  # in an archive without entries that has moved it
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays, comment = _arrays_of(archive), archive.zip.comment
        file.seek(-len(comment) - 2, os.SEEK_END)  # where its length is told, which nobody else compares
        is_whole = len(comment) == int.from_bytes(file.read(2), "little")
    except ValueError as error:
        raise ValueError(f"{path} holds what is no array of numbers, which is never read: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # of zipfile, zlib, tokenize and NumPy, which make what they can of any header
        raise ValueError(f"{path} is damaged: {error}") from error
    if not is_whole:
        raise ValueError(f"{path} {NO_NPZ}")
    try:
        return arrays, json.loads(comment)["__metadata__"] if comment.startswith(MARK) else {}
    except ValueError as error:
        raise ValueError(f"{path} is damaged: the words about its arrays cannot be read: {error}") from error


def _arrays_of(archive: Any) -> dict[str, Array]:
    found = {}
    for name in archive:
        try:
            found[name] = archive[name]
        except MemoryError:
            if _is_cut(archive.zip, f"{name}.npy"):
                raise EOFError(f"the entry {name} is shorter than its header says") from None
            raise
        if not isinstance(found[name], np.ndarray):  # bytes of an entry that is no .npy
            raise ValueError(f"the entry {name}")
    return found


def _is_cut(archive: Any, name: str) -> bool:
    """Return whether an entry, as far as its archive tells, has fewer bytes than the array that its header tells of."""
    if name not in archive.namelist():
        return False
    with archive.open(name) as entry:
        version = np.lib.format.read_magic(entry)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(entry)
        return bool(math.prod(shape) * dtype.itemsize > archive.getinfo(name).file_size - entry.tell())


def write_safetensors(file: IO[bytes], arrays: dict[str, Array], metadata: dict[str, str]) -> None:
    """Write a .safetensors file. Raises ImportError where the package is missing."""
    safetensors = _safetensors()
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # the package reads them as that
    if not any(array.dtype == BFLOAT16 for array in dense.values()):
        file.write(safetensors.numpy.save(dense, metadata or None))
        return
    file.write(_with_bfloat16(dense, metadata))


def _with_bfloat16(arrays: dict[str, Array], metadata: dict[str, str]) -> bytes:
    """Return the bytes of a .safetensors file, which the package writes for dtypes of NumPy's alone.

    The length of the header, the header, padded to 8 bytes, and the numbers, those of more bytes first.
    """
    names = {dtype: name for name, dtype in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    numbers, end = [], 0
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        offsets = [end, end := end + array.nbytes]
        header[name] = {"dtype": names[little.dtype], "shape": array.shape, "data_offsets": offsets}
        numbers.append(little.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *numbers])


def read_safetensors(path: str) -> Content:
    """Return what a .safetensors file holds. Raises as `read_npz`, and ImportError as above.

    bfloat16 comes as `BFLOAT16`, as bits; other dtypes that NumPy lacks come as a dtype of that name without numbers.
    """
    safetensors = _safetensors()
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.readall()
        tensors = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a .safetensors file: {error}") from error
    except (OSError, MemoryError) as error:
        raise named(error, path) from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    words = header.pop("__metadata__", None) or {}
    return {name: _array_of(tensors[name]) for name in header}, words


def _array_of(tensor: dict[str, Any]) -> Array:
    if (dtype := DTYPES.get(tensor["dtype"])) is None:
        return np.broadcast_to(np.zeros((), [(tensor["dtype"].lower(), "V1")]), tensor["shape"])
    array: Array = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])
    return array.astype(dtype.newbyteorder("="), copy=False)


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("a .safetensors file needs the package safetensors: install it, or use .npz") from error
    return safetensors
