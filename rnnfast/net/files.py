"""Arrays by name in files: .npz with NumPy alone, .safetensors where that package is installed; replaced as a whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO

from rnnfast.net import formats
from rnnfast.problem import Array

FORMATS = {
    ".npz": (formats.read_npz, formats.write_npz),
    ".safetensors": (formats.read_safetensors, formats.write_safetensors),
}
OF_TORCH = (".pt", ".pth", ".bin", ".ckpt")
"""Suffixes of what torch.save writes: pickles, which may run any code when they are read."""


def save(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name, and words about them; the suffix of `path` says how.

    A file that was there is replaced whole or not at all. In .safetensors the metadata is `__metadata__`, in .npz it is
    the archive's comment, at most 65,535 bytes: np.load sees the arrays alone. Raises OSError where the file cannot be
    written, ValueError for another suffix, ImportError where safetensors is needed and not installed.

    >>> import numpy as np
    >>> save("numbers.npz", {"a": np.arange(3)}, metadata={"of": "three"})
    >>> load_with_metadata("numbers.npz")
    ({'a': array([0, 1, 2])}, {'of': 'three'})
    """
    name, suffix = _checked(path, "write .safetensors, which safetensors.torch.load_file reads")
    with replacement(name) as file:
        FORMATS[suffix][1](file, dict(arrays), dict(metadata or {}))


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Return the arrays by name of a file that `save`, NumPy, PyTorch through safetensors, or another one wrote.

    Raises OSError where it cannot be read, MemoryError where it holds more than there is memory for, ValueError for
    another suffix or a file that is not what its suffix says, ImportError as `save`.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays as `load` does, and the words that were saved with them, empty where there are none.

    Arrays of numbers that NumPy has no dtype for have a dtype of one field that is called as the file calls it, such
    as "bfloat16"; see `rnnfast.net.formats`.
    """
    advice = "pass torch.load(path, weights_only=True) to load_state_dict, or write it with safetensors.torch.save_file"
    name, suffix = _checked(path, advice)
    return FORMATS[suffix][0](name)


@contextmanager
def replacement(path: str) -> Iterator[IO[bytes]]:
    """Give a new file that takes the place of `path` at the end of the block, or leaves no trace if that raises.

    Its name is its own, so any number of threads and processes may replace one file at the same time: readers see one
    of theirs, whole, also after a crash of the machine. Permission bits stay as they were, and a symbolic link stays a
    link: what it leads to is replaced. Raises OSError, which names `path`.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    unfinished = os.path.join(folder, f".rnnfast-{os.urandom(8).hex()}.part")
    try:
        mode = _permissions(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(unfinished, flags, 0o666 if mode is None else mode), "wb") as file:
            if mode is not None:
                os.chmod(unfinished, mode)  # the umask may have taken some bits away
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
        _settle(folder)
    except OSError as error:
        if error.errno is None or error.filename not in (None, unfinished):
            raise
        raise OSError(error.errno, error.strerror, path) from error  # the name that the caller knows
    finally:
        with suppress(OSError):  # as a rule because it is no longer there
            os.unlink(unfinished)


def _permissions(path: str) -> int | None:
    """Return the permission bits of a file, None where there is none yet."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o777
    except FileNotFoundError:
        return None


def _settle(folder: str) -> None:
    """Have the new name of a file on the disk too, on systems where folders can be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _checked(path: str | os.PathLike[str], advice: str) -> tuple[str, str]:
    """Return the path as a str, and its suffix. Raises TypeError and ValueError, with advice for files of PyTorch."""
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or a path, got {type(path).__name__}")
    suffix = os.path.splitext(name)[1]
    if suffix not in FORMATS:
        hint = f"; of PyTorch's own files, {advice}" if suffix in OF_TORCH else ""
        raise ValueError(f"{name} ends in {suffix!r}, expected one of {', '.join(FORMATS)}{hint}")
    return name, suffix
