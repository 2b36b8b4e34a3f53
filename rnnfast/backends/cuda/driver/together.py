"""Launches started one after another by compiled code: of each Python itself takes half a microsecond, this hardly any.

It calls the driver's function at its address, for all launches of a table, and gives up the interpreter's lock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from rnnfast.backends.cuda.driver.declarations import ffi

STREAM = ffi.offsetof("Config", "stream") // 8
"""Where in a launch's description, in words of 8 bytes, its stream stands."""
WORD, ERROR = ir.IntType(64), ir.IntType(32)


@intrinsic
def started(typing_context: Any, launcher: Any, config: Any, function: Any, parameters: Any) -> Any:
    """Call cuLaunchKernelEx, at the address `launcher`, with what is at the others; its error, 0 if all is well."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, *given = arguments
        kind = ir.FunctionType(ERROR, [WORD] * 4)
        return builder.call(builder.inttoptr(at, kind.as_pointer()), [*given, ir.Constant(WORD, 0)])

    return types.int32(*[types.uint64] * 4), codegen


def start_all(launcher, table, configs, stream):  # type: ignore[no-untyped-def]
    """Start all launches that have any blocks; return which one the driver refuses, and its error, 0: none.

    table (n, 3): addresses of each one's description, its function and its parameters; configs (n, ·): descriptions.
    """
    for n in range(table.shape[0]):
        configs[n, STREAM] = stream
        if configs[n, 0] & 0xFFFFFFFF:
            error = started(launcher, table[n, 0], table[n, 1], table[n, 2])
            if error:
                return n, error
    return 0, 0


SIGNATURE = "UniTuple(int64, 2)(uint64, uint64[:, ::1], uint64[:, ::1], uint64)"


def compiled(function: Callable[..., Any]) -> Any:
    """Return the function compiled, or found on disk. A line says that it is compiled, and how often that happens."""
    began, how_often = time.monotonic(), "once for this machine"
    try:
        loop = njit(SIGNATURE, nogil=True, cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in
        loop, how_often = njit(SIGNATURE, nogil=True)(function), "which every process does anew"
    if not loop.stats.cache_hits:
        took = f"{time.monotonic() - began:.1f} s, {how_often}"
        print(f"rnnfast: compiled the loop that starts CUDA's kernels in {took}", file=sys.stderr, flush=True)
    return loop


start_all = compiled(start_all)
