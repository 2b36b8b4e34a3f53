"""Steps from a file, chunk by chunk: a sound, or an array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from rnnfast.commands import wav
from rnnfast.commands.model import Sizes
from rnnfast.examples.errors import UserError
from rnnfast.problem import Array


@dataclass(frozen=True)
class Input:
    """A file of steps, of some rows that advance together."""

    steps: int
    rows: int
    source: Array | IO[bytes]
    has_rows: bool
    """Whether the file's array has an axis of rows."""
    is_bare: bool
    """Whether it has no axis of features."""
    dtype: np.dtype[np.floating]
    sound: wav.Format | None = None

    @property
    def features(self) -> int:
        """Numbers of one step of one row."""
        if isinstance(self.source, np.ndarray):
            return int(self.source.shape[-1])
        return self.sound.channels // self.rows if self.sound else 1

    def chunks(self, length: int) -> Iterator[Array]:
        """Return steps (n, rows, features), or (n, rows) where they are indices, at most so many at a time."""
        for start in range(0, self.steps, length):
            count = min(length, self.steps - start)
            if isinstance(self.source, np.ndarray):
                yield np.ascontiguousarray(self.source[start : start + count])
            elif self.sound is not None:
                samples = wav.decoded(self.source.read(count * self.sound.frame), self.sound, self.dtype)
                yield samples.reshape(count, self.rows, -1)


@contextmanager
def opened(path: Path, sizes: Sizes) -> Iterator[Input]:
    """Give a file of steps for a model of these sizes. Raises UserError where it cannot be read, or does not fit."""
    readers = {".wav": _sound, ".npy": _array}
    if (suffix := path.suffix.lower()) not in readers:
        raise UserError(f"{path} ends in {path.suffix!r}, expected .wav or .npy")
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    with file:
        yield readers[suffix](path, file, sizes)


def _sound(path: Path, file: IO[bytes], sizes: Sizes) -> Input:
    """Return a sound: its channels are a model's features, or rows of their own where the model takes one."""
    if sizes.takes_indices:
        raise UserError(f"{path} is a sound, this model takes indices: expected an .npy of integers")
    kind, frames = wav.read_header(file, str(path))
    if sizes.inputs not in (1, None, kind.channels):
        raise UserError(f"{path} has {kind.channels} channels, this model takes {sizes.inputs} features")
    rows = kind.channels if sizes.inputs == 1 else 1
    return Input(frames, rows, file, has_rows=rows > 1, is_bare=rows > 1, dtype=sizes.dtype, sound=kind)


def _array(path: Path, file: IO[bytes], sizes: Sizes) -> Input:
    """Return an array (T, I), (T, B, I) or, where the model takes one feature, (T,); of indices (T,) or (T, B)."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path} is no whole .npy file: {error}") from None
    is_bare = not sizes.takes_indices and array.ndim == 1 and sizes.inputs in (1, None)
    steps = array[:, None] if is_bare else array
    least = 1 if sizes.takes_indices else 2
    has_rows = steps.ndim == least + 1
    if steps.ndim == least:
        steps = steps[:, None]
    if steps.ndim != least + 1 or not (sizes.takes_indices or sizes.inputs in (None, steps.shape[-1])):
        features = f", {sizes.inputs or 'I'})"
        expected = "(T,) or (T, B)" if sizes.takes_indices else f"(T{features} or (T, B{features}"
        raise UserError(f"{path} has shape {array.shape}, this model takes {expected}")
    if not steps.shape[1]:
        raise UserError(f"{path} has shape {array.shape}, expected at least one row")
    return Input(len(steps), steps.shape[1], steps, has_rows, is_bare, sizes.dtype)
