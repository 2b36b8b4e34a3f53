"""PyTorch's own threads, for our calls to work on: they spin after each of its operators, and would be in our way."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

import torch


@functools.cache
def team() -> int:
    """Return the address of what runs work on PyTorch's threads, `GOMP_parallel` of its OpenMP; 0 where it has none.

    Looked for in what PyTorch's library was linked with, as a process may hold several OpenMP runtimes.
    """
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        path = Path(torch.__file__).parent / "lib" / name
        try:
            library = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
            return ctypes.cast(library.GOMP_parallel, ctypes.c_void_p).value or 0
        except (OSError, AttributeError):
            continue
    return 0
