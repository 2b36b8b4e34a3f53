"""A script's run by compiled code: in one call it sets all addresses and starts all steps, one after another.

For each launch Python itself takes half a microsecond, this hardly any. It calls the driver's functions at their
addresses, and gives up the interpreter's lock. A script is a table of int64 numbers and what they are addresses of.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import cfunc, types
from numba.extending import intrinsic

from rnnfast.backends.cuda.driver.declarations import ffi

STREAM = ffi.offsetof("Config", "stream")
"""Where in a launch's description its stream stands."""
PLACE, STEP = 3, 4
"""The numbers of a place, where an address goes: where that is, of which array it is, how far within; and of a step:
its kind and what it takes. A launch: its description, its function, its parameters' addresses. What is made zero: where
its address is, its bytes. What is brought: where the address is that it is brought to, where it is, its bytes."""
LAUNCH, CLEAR, BRING = range(3)
HEAD = 7
"""The numbers of a head: the driver's functions for the three kinds, the places, how many, the steps, how many."""
WORD, ERROR = ir.IntType(64), ir.IntType(32)
BYTE = 8
"""Bytes of a number."""


@intrinsic
def load(typing_context: Any, address: Any) -> Any:
    """Return the int64 number at an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], WORD.as_pointer()))

    return types.int64(types.int64), codegen


@intrinsic
def store(typing_context: Any, address: Any, number: Any) -> Any:
    """Write an int64 number to an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[1], builder.inttoptr(arguments[0], WORD.as_pointer()))

    return types.void(types.int64, types.int64), codegen


def _caller(kinds: list[ir.Type]) -> Any:
    """Return what calls a function of these parameters, at an address, and returns its error, 0 if all is well."""

    def called(typing_context: Any, function: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            at, *given = arguments
            fitting = [
                value if kind is WORD else builder.trunc(value, kind) for value, kind in zip(given, kinds, strict=True)
            ]
            return builder.call(builder.inttoptr(at, ir.FunctionType(ERROR, kinds).as_pointer()), fitting)

        return types.int32(*[types.int64] * 5), codegen

    return intrinsic(called)


started = _caller([WORD] * 4)
"""cuLaunchKernelEx; cuMemcpyHtoDAsync has the same kinds of parameters."""
cleared = _caller([WORD, ir.IntType(8), WORD, WORD])
"""cuMemsetD8Async."""


def run(head, arrays, stream):  # type: ignore[no-untyped-def]
    """Run the script with this head for arrays whose addresses lie from `arrays` on.

    Returns 0, or the error of the first step that the driver refuses, with the number of the step in the upper half.
    """
    places, steps = load(head + 3 * BYTE), load(head + 5 * BYTE)
    for n in range(load(head + 4 * BYTE)):
        place = places + n * PLACE * BYTE
        address = load(arrays + BYTE * load(place + BYTE)) + load(place + 2 * BYTE)
        store(load(place), address)
    for n in range(load(head + 6 * BYTE)):
        step = steps + n * STEP * BYTE
        kind, first, second, third = load(step), load(step + BYTE), load(step + 2 * BYTE), load(step + 3 * BYTE)
        function, error = load(head + kind * BYTE), 0
        if kind == LAUNCH:
            store(first + STREAM, stream)
            if load(first) & 0xFFFFFFFF:  # it has blocks
                error = started(function, first, second, third, 0)
        elif kind == CLEAR:
            error = cleared(function, load(first), 0, second, stream)
        else:
            error = started(function, load(first), second, third, stream)
        if error:
            return (n << 32) + error
    return 0


SIGNATURE = "int64(int64, int64, int64)"


def compiled(function: Callable[..., Any]) -> Any:
    """Return the function compiled, or found on disk. A line says that it is compiled, and how often that happens."""
    began, how_often = time.monotonic(), "once for this machine"
    try:
        found = cfunc(SIGNATURE, cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in
        found, how_often = cfunc(SIGNATURE)(function), "which every process does anew"
    if not found.cache_hits:
        took = f"{time.monotonic() - began:.1f} s, {how_often}"
        print(f"rnnfast: compiled the loop that starts CUDA's kernels in {took}", file=sys.stderr, flush=True)
    return found


_compiled = compiled(run)
run_script = ffi.cast("int64_t (*)(int64_t, int64_t, int64_t)", _compiled.address)
"""`run`, which other threads of Python's may run beside."""
