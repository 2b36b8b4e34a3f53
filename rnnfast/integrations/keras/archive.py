"""What a .keras file holds: a zip archive of the architecture, JSON, and the weights, HDF5; nothing in it is run."""

from __future__ import annotations

import zipfile
import zlib

from rnnfast.integrations.content import SMALL, SWOLLEN
from rnnfast.integrations.json_values import Value, parsed

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, LookupError)
"""What reading a damaged archive may raise."""


def is_keras(names: list[str]) -> bool:
    """Return whether an archive with these names is such a file.

    >>> is_keras(["metadata.json", "config.json", "model.weights.h5"])
    True
    """
    return CONFIG in names and METADATA in names


def opened(path: str) -> tuple[Value, bytes]:
    """Return the architecture, and the bytes of the weights. Raises ValueError that names a member that is damaged."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if WEIGHTS not in names:
            sharded = f", those in {found[0]} are not supported" if (found := _others(names)) else ""
            raise ValueError(f"{WEIGHTS} is missing{sharded}")
        config = _read(archive, CONFIG)
        weights = _read(archive, WEIGHTS)
    return parsed(config), weights


def _others(names: list[str]) -> list[str]:
    return [name for name in names if name.endswith((".weights.json", ".h5", ".npz"))]


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
        if info.file_size > SWOLLEN * info.compress_size + SMALL:
            raise ValueError(f"would unpack {info.compress_size} bytes to {info.file_size}")
        return archive.read(info)
    except ERRORS as error:
        raise ValueError(f"{name} is damaged: {error}") from error
