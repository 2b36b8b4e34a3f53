"""Sounds in .wav files for the tests, each kind of number written by NumPy and struct alone."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from rnnfast.problem import Array

KINDS = ("u1", "i2", "i3", "i4", "f4", "f8")
"""Kinds of number: unsigned of 8 bits, signed of 16 to 32, floating-point."""


def wav(
    path: Path, samples: Array, kind: str, rate: int = 8000, *, extensible: bool = False, extra: bool = False
) -> Array:
    """Write samples (T, channels) from -1 to 1; return what the numbers in the file stand for."""
    size, code = int(kind[1]), 3 if kind[0] == "f" else 1
    scale = 2.0 ** (8 * size - 1)
    if code == 3:
        data, kept = samples.astype(f"<{kind}").tobytes(), samples.astype(f"<{kind}").astype(np.float64)
    else:
        whole = np.clip(np.rint(samples * scale), -scale, scale - 1).astype(np.int64)
        kept = whole / scale
        shifted = whole + 128 if kind == "u1" else whole
        data = b"".join(int(n).to_bytes(size, "little", signed=kind != "u1") for n in shifted.ravel())
    channels = samples.shape[1]
    fields = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else code, channels, rate, rate * channels * size, channels * size, 8 * size
    )
    if extensible:
        fields += struct.pack("<HHIH", 22, 8 * size, 0, code) + bytes(14)
    chunks = [(b"fmt ", fields), (b"data", data)]
    if extra:
        chunks.insert(1, (b"LIST", b"odd"))
    body = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    return kept
