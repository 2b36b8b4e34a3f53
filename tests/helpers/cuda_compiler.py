"""Compiles CUDA kernels for a device that is not there: what would be launched becomes PTX, and machine code."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numba.cuda
import numba.cuda.dispatcher
from device_memory import DeviceMemory
from emulated_driver import EmulatedLibrary

from rnnfast.backends.cuda.device import limits_of
from rnnfast.backends.cuda.driver.compiling import ptx_of
from rnnfast.backends.cuda.driver.launch import Kernel
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.scalars import fields_of
from rnnfast.backends.cuda.gemm.operations import operations


@dataclass(frozen=True)
class Compiled:
    """One kernel: its name, and what ptxas says of it, None where there is no ptxas."""

    name: str
    ptx: str
    registers: int | None
    spilled: int | None
    """Bytes."""


def ptxas() -> str | None:
    """Where it is: on the path, or in the package of the CUDA compiler."""
    try:
        import nvidia.cu13 as package
    except ImportError:
        return shutil.which("ptxas")
    return shutil.which("ptxas", path=Path(package.__path__[0], "bin")) or shutil.which("ptxas")


class Compiler(DeviceMemory):
    """Stands in for `rnnfast.backends.cuda.device.Device`: runs nothing, compiles every kernel once."""

    side, each = 16, 4

    def __init__(self, capability: tuple[int, int], blocks: int = 132) -> None:
        super().__init__()
        self.capability, self.limits = capability, limits_of(capability, blocks)
        self.kernels, self.operations = dict[Any, Compiled](), operations(numba.cuda)
        self.library = EmulatedLibrary(lambda *launch: None)
        self.driver = Driver(self.library)

    def kernel(self, make: Callable[..., Any], *constants: Any, threads: int = 0, tensor_cores: bool = False) -> Kernel:
        """Compile the kernel, in blocks of so many threads."""
        function = make(self.operations if tensor_cores else numba.cuda, *constants)
        name, threads = make.__name__, threads or self.limits.threads
        key, fields = (make, *constants, threads), fields_of(function)
        if key not in self.kernels:
            here = SimpleNamespace(compute_capability=self.capability)
            with mock.patch.object(numba.cuda.dispatcher, "get_current_device", lambda: here):
                ptx = ptx_of(function, name, self.capability, threads)
            self.kernels[key] = Compiled(name, ptx, *self._assemble(ptx))
        return Kernel(self.driver, self.library.loaded(name, function, fields), name, fields, threads)

    def _assemble(self, ptx: str) -> tuple[int | None, int | None]:
        """Registers of a thread and bytes that did not fit in them."""
        if (program := ptxas()) is None:
            return None, None
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "kernel.ptx")
            source.write_text(ptx)
            target = f"-arch=sm_{self.capability[0]}{self.capability[1]}"
            command = [program, target, "-v", "-c", str(source), "-o", str(source.with_suffix(".o"))]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        found = re.findall(r"(\d+) bytes spill stores.*?Used (\d+) registers", said, re.DOTALL)
        return max(int(used) for _, used in found), max(int(spilled) for spilled, _ in found)
