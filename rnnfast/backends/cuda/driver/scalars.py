"""The types of kernels' parameters, which are scalars: a kernel's annotations name them.

>>> def kernel(to: address, count: int32, scale: float32): ...
>>> [(field.name, field.declaration) for field in fields_of(kernel)]
[('to', 'uint64_t'), ('count', 'int32_t'), ('scale', 'float')]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

address, int32, int64, float32, float64 = "address", "int32", "int64", "float32", "float64"
"""For annotations. An address is a uint64; 0 stands for an array that is not there."""

_KINDS = {
    address: ("uint64_t", "uint64", "Q"),
    int32: ("int32_t", "int32", "i"),
    int64: ("int64_t", "int64", "q"),
    float32: ("float", "float32", "f"),
    float64: ("double", "float64", "d"),
}


class Field(NamedTuple):
    """One parameter: its name, its type in C, in Numba and in Python's module struct."""

    name: str
    declaration: str
    numba: str
    code: str


def fields_of(kernel: Callable[..., Any]) -> tuple[Field, ...]:
    """Return the parameters of a kernel. Raises TypeError where one has no annotation, or not one of these."""
    code, found = kernel.__code__, []
    for name in code.co_varnames[: code.co_argcount]:
        kind = kernel.__annotations__.get(name)
        if kind not in _KINDS:
            raise TypeError(
                f"parameter {name} of {kernel.__qualname__} is annotated with {kind!r}, expected one of "
                f"{', '.join(_KINDS)}: kernels take scalars alone"
            )
        found.append(Field(name, *_KINDS[kind]))
    return tuple(found)


def signature_of(fields: tuple[Field, ...]) -> str:
    """Return the signature as Numba reads it.

    >>> signature_of((Field("n", "int32_t", "int32", "i"), Field("p", "uint64_t", "uint64", "Q")))
    'void(int32, uint64)'
    """
    return f"void({', '.join(field.numba for field in fields)})"
