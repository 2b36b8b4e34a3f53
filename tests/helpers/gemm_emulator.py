"""The emulator of inline PTX with the operations of products, and launches of these on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from ptx_emulator import PtxEmulator
from ptx_operations import Operations

from rnnfast.backends.cuda.driver.scalars import fields_of


class ProductOperations(Operations):
    """Those of `rnnfast.backends.cuda.gemm.operations`."""

    @staticmethod
    def after(address: Any, count: Any, size: Any) -> Any:
        return np.uint64((int(address) + int(np.int32(np.uint32(count))) * int(np.int32(np.uint32(size)))) % 2**64)

    @staticmethod
    def largest(x: Any, y: Any) -> Any:
        return np.fmax(x, y)

    def store2(self, address: Any, *numbers: Any) -> None:
        self.memory.at(address, 8, write=True).view(np.float32)[:] = numbers


class ProductEmulator(PtxEmulator):
    """A device with these operations."""

    def __init__(self, order: int | None = None) -> None:
        super().__init__(order)
        self.operations = ProductOperations(self.memory)

    def run(self, described: Any, arguments: tuple[int, ...]) -> None:
        """Launch what `described` says: its make and constants, grid, threads and bytes of shared memory."""
        kernel = described.make(self.operations, *described.constants)
        kinds = [getattr(np, field.numba) for field in fields_of(kernel)]
        typed = [kind(value) for kind, value in zip(kinds, arguments, strict=True)]
        self.launch(kernel, described.grid, described.threads, *typed, shared=described.shared)

    def address(self, whole: Any, part: Any = None, *, writable: bool = False) -> int:
        """Make an array reachable; the address of `part`, a view of it, or of its beginning."""
        begin = int(self.place(whole, writable=writable))
        return begin if part is None else begin + part.ctypes.data - whole.ctypes.data
