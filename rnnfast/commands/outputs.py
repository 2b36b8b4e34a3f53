"""What a model gives, written to a file chunk by chunk: a sound like the one that came, or an array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from rnnfast.commands import wav
from rnnfast.commands.inputs import Input
from rnnfast.examples.errors import UserError
from rnnfast.net import files
from rnnfast.problem import Array


class Output:
    """A file that takes the model's outputs as they come."""

    def __init__(self, file: IO[bytes], sound: wav.Format | None) -> None:
        self._file, self._sound = file, sound
        self.beyond = 0
        """Samples that the format could not hold, cut off at its ends."""

    def write(self, y: Array) -> None:
        """Write outputs (n, rows, features). Raises UserError for NaN or inf in a sound of whole numbers."""
        if self._sound is None:
            self._file.write(np.ascontiguousarray(y).tobytes())
            return
        if self._sound.code == wav.WHOLE and not np.isfinite(y).all():
            raise UserError("the model gives NaN or inf, which no whole number stands for: write an .npy")
        data, beyond = wav.encoded(y.reshape(len(y), -1), self._sound)
        self._file.write(data)
        self.beyond += beyond


@contextmanager
def replaced(path: Path, given: Input, features: int) -> Iterator[Output]:
    """Give a file that takes the place of `path` at the end of the block, or leaves no trace if that raises.

    A sound is kept as the one that came, an array has the axes of the one that came. Raises UserError.
    """
    suffix, sound = path.suffix.lower(), None
    if suffix not in (".wav", ".npy"):
        raise UserError(f"{path} ends in {path.suffix!r}, expected .wav or .npy")
    if suffix == ".wav":
        if given.sound is None:
            raise UserError(f"{path} would be a sound made of an array, whose rate nobody tells: write an .npy")
        sound = replace(given.sound, channels=given.rows * features)
    before = b"" if sound is None else wav.header(sound, given.steps, str(path))
    try:
        with files.replacement(str(path)) as file:
            if sound is None:
                _write_header(file, given, features)
            file.write(before)
            yield Output(file, sound)
            file.write(b"\0" * (0 if sound is None else given.steps * sound.frame % 2))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def _write_header(file: IO[bytes], given: Input, features: int) -> None:
    """Write what stands before the numbers of an .npy."""
    shape: tuple[int, ...] = (given.steps, given.rows) if given.has_rows else (given.steps,)
    if not (given.is_bare and features == 1):
        shape += (features,)
    described = {"descr": np.lib.format.dtype_to_descr(given.dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
