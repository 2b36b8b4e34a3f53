"""Parameters in files: .npz with NumPy alone, .safetensors where that package is installed."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rnnfast.problem import Array

SUFFIXES = (".npz", ".safetensors")
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
"""What reading an .npz raises where its bytes are wrong; the last two for foreign compression or encryption."""


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write arrays by name; the suffix of `path` says how. An old file is replaced only once the new one is whole.

    Raises OSError where it cannot be written, ValueError for another suffix, ImportError where safetensors is needed
    and not installed.
    """
    path = _checked(path)
    safetensors = _safetensors() if path.suffix == ".safetensors" else None
    named: dict[str, Any] = dict(arrays)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            if safetensors is None:
                np.savez(file, **named)
            else:
                file.write(safetensors.numpy.save(named))
        unfinished.replace(path)
    except OSError as error:
        if error.filename is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # the name that the caller knows
    finally:
        with suppress(OSError):
            unfinished.unlink()


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Arrays by name from a file that `save`, NumPy or safetensors wrote.

    Raises ValueError for another suffix or a file that is not what its suffix says, ImportError as `save`.
    """
    path = _checked(path)
    return _load_npz(path) if path.suffix == ".npz" else _load_safetensors(path)


def _load_npz(path: Path) -> dict[str, Array]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):  # np.load would take it for another of its formats
            raise ValueError(f"{path} is not an .npz file, or not the whole of it")
        try:
            with np.load(file, allow_pickle=False) as archive:
                return dict(archive)
        except DAMAGE as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path} holds what is no array of numbers, which is never read: {error}") from error


def _load_safetensors(path: Path) -> dict[str, Array]:
    safetensors = _safetensors()
    try:
        arrays: dict[str, Array] = safetensors.numpy.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a .safetensors file: {error}") from error
    return arrays


def _checked(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a path, got {type(path).__name__}")
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    return path


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("a .safetensors file needs the package safetensors: install it, or use .npz") from error
    return safetensors
