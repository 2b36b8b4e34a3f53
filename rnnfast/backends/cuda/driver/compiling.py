"""Kernels from Python to PTX, by Numba, and from there, by the driver's linker, to machine code that is kept."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Any

from rnnfast.backends.cuda.driver.kept import Kept
from rnnfast.backends.cuda.driver.key import key_of, versions
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.linking import link
from rnnfast.backends.cuda.driver.scalars import fields_of, signature_of


def ptx_of(kernel: Callable[..., Any], name: str, capability: tuple[int, int], threads: int) -> str:
    """Return a kernel, under this name, for a compute capability, in blocks of `threads` at most."""
    from numba import cuda

    from rnnfast.backends.cuda.driver import arrays  # noqa: F401 - for Numba to know them

    signature = signature_of(fields_of(kernel))
    ptx: str = cuda.compile_ptx(kernel, signature, cc=capability, device=False, launch_bounds=(threads, 1))[0]
    (entry,) = re.findall(r"\.visible \.entry (\w+)\(", ptx)
    return re.sub(rf"\b{entry}(?=\(|_param_)", name, ptx)


class Compiler:
    """Machine code for one device, found on disk or compiled, which is said in one line."""

    def __init__(self, driver: Driver, capability: tuple[int, int], kept: Kept) -> None:
        self.driver, self.capability, self.kept = driver, capability, kept

    def cubin(self, kernel: Callable[..., Any], name: str, threads: int) -> bytes:
        """Return the machine code of a kernel under this name."""
        key = key_of(kernel, name, threads, self.capability, versions(), self.driver.version)
        found = self.kept.read(key)
        if found is None:
            began = time.monotonic()
            ptx = ptx_of(kernel, name, self.capability, threads)
            found = link(self.driver, ptx.encode(), name)
            took = f"{time.monotonic() - began:.1f} s, {self.kept.how_often()}"
            print(f"rnnfast: compiled the CUDA kernel {name} in {took}", file=sys.stderr, flush=True)
            self.kept.write(key, found)
        return found
