"""Sound in .wav files, read and written piece by piece: whole numbers of 8 to 32 bits, or floating-point numbers.

Source: "Multimedia Programming Interface and Data Specifications 1.0", and Microsoft's WAVEFORMATEXTENSIBLE.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import IO

import numpy as np

from rnnfast.examples.errors import UserError
from rnnfast.problem import Array

WHOLE, FLOATING, EXTENSIBLE = 1, 3, 0xFFFE
"""Codes of what the numbers are; the last: the code stands further on."""
BITS = {WHOLE: (8, 16, 24, 32), FLOATING: (32, 64)}
LARGEST = 2**32 - 1
"""Bytes that the format can count."""


@dataclass(frozen=True)
class Format:
    """Form in which a file keeps a sound: `rate` in frames a second, `code` WHOLE or FLOATING, `bits` of a number."""

    rate: int
    channels: int
    code: int
    bits: int

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def read_header(file: IO[bytes], name: str) -> tuple[Format, int]:
    """Return the format and how many frames there are, from here on. Raises UserError for what is no such file."""
    if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
        raise UserError(f"{name} is no .wav file: it does not begin with RIFF and WAVE")
    end, found = os.fstat(file.fileno()).st_size, None
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise UserError(f"{name} is no whole .wav file: it has no {'sound' if found else 'format'}")
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if size > end - file.tell():
            raise UserError(f"{name} is cut off: its part {kind!r} has {size} bytes, {end - file.tell()} are there")
        if kind == b"data" and found is not None:
            return found, size // found.frame
        if kind == b"fmt ":
            found = _format(file.read(size), name)
            file.seek(size % 2, os.SEEK_CUR)
        else:
            file.seek(size + size % 2, os.SEEK_CUR)


def _format(data: bytes, name: str) -> Format:
    if len(data) < 16:
        raise UserError(f"{name} has a format of {len(data)} bytes, expected 16 or more")
    code, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", data[:16])
    if code == EXTENSIBLE and len(data) >= 26:
        code = int.from_bytes(data[24:26], "little")
    found = Format(rate, channels, code, bits)
    if bits not in BITS.get(code, ()) or not channels or not rate or frame != found.frame:
        raise UserError(
            f"{name} has {channels} channels of format {code} with {bits} bits at {rate} a second, expected whole "
            "numbers of 8, 16, 24 or 32 bits or floating-point ones of 32 or 64"
        )
    return found


def decoded(data: bytes, kind: Format, dtype: np.dtype[np.floating]) -> Array:
    """Return samples (frames, channels) from -1 to 1 of the bytes of whole frames.

    >>> decoded(bytes([0, 64, 0, 192]), Format(8000, 2, WHOLE, 16), np.dtype("float32"))
    array([[ 0.5, -0.5]], dtype=float32)
    """
    if kind.code == FLOATING:
        return np.frombuffer(data, f"<f{kind.bits // 8}").astype(dtype).reshape(-1, kind.channels)
    if kind.bits == 8:
        numbers = np.frombuffer(data, np.uint8).astype(np.float64) - 128
    elif kind.bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        numbers = (wide.view("<i4").ravel() >> 8).astype(np.float64)
    else:
        numbers = np.frombuffer(data, f"<i{kind.bits // 8}").astype(np.float64)
    return (numbers / 2.0 ** (kind.bits - 1)).astype(dtype).reshape(-1, kind.channels)


def encoded(samples: Array, kind: Format) -> tuple[bytes, int]:
    """Return samples (frames, channels) as bytes, and how many were beyond what these can hold, which is cut off.

    >>> encoded(np.array([[0.5, 2.0]]), Format(8000, 2, WHOLE, 16))
    (b'\\x00@\\xff\\x7f', 1)
    """
    if kind.code == FLOATING:
        return np.ascontiguousarray(samples, f"<f{kind.bits // 8}").tobytes(), 0
    highest = 2.0 ** (kind.bits - 1)
    wanted = np.rint(samples.astype(np.float64) * highest)
    numbers = np.clip(wanted, -highest, highest - 1)
    whole = numbers.astype(np.int64)
    if kind.bits == 8:
        data = (whole + 128).astype(np.uint8).tobytes()
    elif kind.bits == 24:
        data = whole.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    else:
        data = whole.astype(f"<i{kind.bits // 8}").tobytes()
    return data, int((numbers != wanted).sum())


def header(kind: Format, frames: int, name: str) -> bytes:
    """Return what stands before so many frames. Raises UserError where there is more than the format can count."""
    size = frames * kind.frame
    if kind.frame >= 2**16 or kind.rate * kind.frame > LARGEST:
        raise UserError(
            f"{name} would have {kind.channels} channels at {kind.rate} a second, more than a .wav can: write an .npy"
        )
    if size > LARGEST - 64:
        raise UserError(f"{name} would have {size} bytes of sound, a .wav has at most 4 GB: write an .npy")
    rate = kind.rate * kind.frame
    fields = struct.pack("<HHIIHH", kind.code, kind.channels, kind.rate, rate, kind.frame, kind.bits)
    before = b"WAVEfmt " + struct.pack("<I", len(fields)) + fields + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(before) + size + size % 2) + before
