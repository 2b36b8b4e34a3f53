"""The key of a kernel's machine code: a digest of all that it is made of.

A kernel's functions are known by their bytecode and constants, those they call and close over included, so that an
edit changes the key of just the kernels it reaches.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import platform
import types
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NewType

import numpy as np

from rnnfast.backends.cuda.driver.scalars import fields_of

OURS = "rnnfast"
"""The package whose modules' functions are looked into."""
COMPILING = "numba", "llvmlite", "numba-cuda"
"""Packages that make NVVM's input of a kernel."""
BEGINNING = 1 << 16
"""Bytes of a library within which linkers write what tells one build from another."""


@functools.cache
def versions() -> tuple[str, ...]:
    """Return versions of what compiles: Python, packages, NVVM, this folder's files."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    own = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return platform.python_version(), *map(_version, COMPILING), build_of(_nvvm()), own


def _nvvm() -> Path | None:
    """Return the library NVVM as Numba finds it, be it pip's, conda's or a toolkit's; None where it finds none."""
    try:
        from cuda import pathfinder

        found: str | None = pathfinder.load_nvidia_dynamic_lib("nvvm").abs_path
    except (ImportError, RuntimeError):  # only kernels that are kept can be had
        return None
    return Path(found) if found else None


def build_of(library: Path | None) -> str:
    """Return what tells a build of a library from others, wherever it lies: its size and a digest of its beginning."""
    if library is None:
        return ""
    with library.open("rb") as file:
        return f"{library.stat().st_size} {hashlib.sha256(file.read(BEGINNING)).hexdigest()}"


def _version(package: str) -> str:
    """Return the version of an installed package, "" of one that is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def key_of(kernel: Callable[..., Any], *settings: Any) -> str:
    """Return the key of a kernel compiled with these settings: hexadecimal digits.

    Raises TypeError where it refers to something whose value is not known to stay the same in every process.

    >>> def multiplying(factor):
    ...     def kernel(n: int32): n * factor
    ...     return kernel
    >>> key_of(multiplying(2)) == key_of(multiplying(3))
    False
    """
    digest, seen = hashlib.sha256(), dict[int, int]()
    for word in _words((kernel, tuple(fields_of(kernel)), settings), seen):
        digest.update(f"{len(word)}:{word};".encode())
    return digest.hexdigest()


COMPILERS = {"numba", "llvmlite"}
"""Packages whose functions are known by their names, as their versions stand for them."""
WRAPPED = "py_func", "_defn", "__wrapped__"
"""What holds the Python function within Numba's dispatchers, within its intrinsics and within functools' caches."""


def _words(value: Any, seen: dict[int, int]) -> Iterator[str]:
    """Yield words that say what a value is, and how a dispatcher compiles it; of what was seen before, when."""
    if isinstance(options := getattr(value, "targetoptions", None), dict):
        yield from _words(options, seen)
    function = next((f for name in WRAPPED if (f := getattr(value, name, None)) is not None), value)
    if isinstance(function, types.FunctionType) and (function.__module__ or "").partition(".")[0] in COMPILERS:
        yield f"{function.__module__} {function.__qualname__}"
    elif isinstance(function, types.FunctionType):
        if id(function) in seen:
            yield f"seen {seen[id(function)]}"
            return
        seen[id(function)] = len(seen)
        yield from _function_words(function, seen)
    elif isinstance(value, types.CodeType):
        yield f"code {value.co_code.hex()} {value.co_names} {value.co_varnames} {value.co_argcount}"
        yield from _words(value.co_consts, seen)
    elif isinstance(value, tuple | list | frozenset):
        yield f"{type(value).__name__} {len(value)}"
        for each in sorted(value, key=repr) if isinstance(value, frozenset) else value:
            yield from _words(each, seen)
    elif isinstance(value, dict | types.SimpleNamespace):
        items = value if isinstance(value, dict) else vars(value)
        yield from _words(sorted(items.items(), key=repr), seen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield type(value).__qualname__
        yield from _words([getattr(value, field.name) for field in dataclasses.fields(value)], seen)
    elif isinstance(value, int | float | complex | str | bytes | np.generic | np.dtype | type(None)):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | NewType):
        yield f"named {getattr(value, '__module__', '')} {value.__name__}"
    elif type(value).__module__.partition(".")[0] in COMPILERS:
        text = repr(value)
        yield f"{type(value).__qualname__} {getattr(value, '__name__', '') if ' at 0x' in text else text}"
    else:
        raise TypeError(
            f"a kernel refers to {value!r}, a {type(value).__name__}, of which it is not known whether it is the same "
            "in every process: let it refer to numbers, strings, number types, functions, and tuples of these"
        )


def _function_words(function: types.FunctionType, seen: dict[int, int]) -> Iterator[str]:
    """Yield words of a function: its code, its constants, what it closes over, the globals it names."""
    code = function.__code__
    yield function.__name__
    yield from _words(code, seen)
    yield from _words(function.__defaults__ or (), seen)
    for cell in function.__closure__ or ():
        yield from _words(cell.cell_contents, seen)
    names = sorted(set(_names(code)))
    for name in names:
        if name in function.__globals__:
            value = function.__globals__[name]
            yield name
            yield from _words(value, seen)
            if isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] == OURS:
                for attribute in names:
                    if attribute in vars(value):
                        yield attribute
                        yield from _words(vars(value)[attribute], seen)


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code, and code within it, refers to."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
