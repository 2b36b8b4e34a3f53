"""Vectors of numbers in arrays, as instructions of LLVM, and the panels of columns that they make up."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import overload

VECTORS = 2
BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32
"""Of a vector."""
BYTE, WORD = ir.IntType(8), ir.IntType(32)


def lanes(a: Any) -> int:
    """Columns of a panel of numbers like an array's."""
    return VECTORS * BYTES // int(a.itemsize)


@overload(lanes)
def _lanes(a):
    # A constant, which loops over a panel need to become vectors, but none that types tell apart (compiling.py).
    count = np.int64(VECTORS * BYTES * 8 // a.dtype.bitwidth)
    return lambda a: count


class Memory:
    """The elements of arrays among an intrinsic's arguments, by address."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder, self.signature, self.arguments = context, builder, signature, arguments
        self.real = context.get_data_type(next(kind.dtype for kind in signature.args if isinstance(kind, types.Array)))
        self.size = context.get_abi_sizeof(self.real)
        self.vector = ir.VectorType(self.real, BYTES // self.size)
        self.index = next(
            value.type for value, kind in zip(arguments, signature.args, strict=True) if isinstance(kind, types.Integer)
        )

    def start(self, n: int, offset: Any) -> Any:
        """The address of an element of argument n."""
        array = self.context.make_array(self.signature.args[n])(self.context, self.builder, self.arguments[n])
        return self.moved(self.builder.bitcast(array.data, BYTE.as_pointer()), offset)

    def moved(self, start: Any, elements: Any) -> Any:
        """An address so many elements on."""
        elements = self.index(elements) if isinstance(elements, int) else elements
        return self.builder.gep(start, [self.builder.mul(elements, self.index(self.size))], source_etype=BYTE)

    def load(self, place: Any, kind: Any) -> Any:
        """A number or a vector."""
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()), align=self.size)

    def store(self, value: Any, place: Any) -> None:
        """A number or a vector."""
        self.builder.store(value, self.builder.bitcast(place, value.type.as_pointer()), align=self.size)

    def fetch(self, place: Any) -> None:
        """Ask for the line of an address, to be written soon."""
        kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), WORD, WORD, WORD])
        fetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch")
        self.builder.call(fetch, [place, WORD(1), WORD(3), WORD(1)])

    def shuffle(self, a: Any, b: Any, order: list[int]) -> Any:
        """Lanes of two vectors by their numbers, those of b after those of a."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, len(order)), [*map(WORD, order)]))
