"""Compiles kernels of scalar arguments for a device that is not there, and says what ptxas says of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numba.cuda
import numba.cuda.dispatcher
from cuda_compiler import Compiled, Compiler
from numba import types

KINDS = {"int32": types.int32, "address": types.uint64}


def compiled(kernel: Callable[..., Any], capability: tuple[int, int], threads: int, together: int = 1) -> Compiled:
    """Return a kernel whose annotations name its arguments' kinds, for blocks of so many threads.

    `together`: blocks of a multiprocessor that registers are to suffice for.
    """
    here = SimpleNamespace(compute_capability=capability)
    signature = types.void(*(KINDS[kind] for kind in kernel.__annotations__.values()))
    with mock.patch.object(numba.cuda.dispatcher, "get_current_device", lambda: here):
        ptx, _ = numba.cuda.compile_ptx(
            kernel, signature, cc=capability, device=False, launch_bounds=(threads, together)
        )
    return Compiled(kernel.__qualname__, ptx, *Compiler(capability)._assemble(ptx))
