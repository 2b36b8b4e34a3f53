"""Which backend runs a call: the argument, else `use_backend`, else RNNFAST_BACKEND, else where the parameters are."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import NamedTuple, cast

from rnnfast.backends.contract import Backend
from rnnfast.problem import Precision

TABLE = {
    "c": "rnnfast.backends.c.backend",
    "numba": "rnnfast.backends.numba.backend",
    "cuda": "rnnfast.backends.cuda.backend",
    "reference": "rnnfast.backends.reference.backend",
}
"""Backends in the order in which the automatic choice tries them; a module is imported when first asked for."""

_context: ContextVar[str | None] = ContextVar("rnnfast_backend", default=None)


class Choice(NamedTuple):
    """A backend that can run here. `variant` is the form asked for, or None for the backend's best."""

    name: str
    backend: Backend
    variant: str | None

    @property
    def full_name(self) -> str:
        """Name that `select` makes the same choice from, e.g. "c" or "c:avx2"."""
        return f"{self.name}:{self.variant}" if self.variant else self.name


def backends() -> dict[str, str | None]:
    """Return every backend, and after a colon its instruction sets: None if it can run here, else why not.

    >>> import rnnfast
    >>> rnnfast.backends()["reference"] is None
    True
    """
    reasons = {}
    for name in TABLE:
        backend = _module(name)
        reasons[name] = backend.reason()
        reasons |= {f"{name}:{variant}": backend.reason(variant) for variant in backend.variants()}
    return reasons


def use_backend(name: str) -> AbstractContextManager[None]:
    """Have calls of this thread or task use a backend, e.g. "c" or "c:avx2", within `with use_backend(name):`.

    Modules made with `backend=` and frozen nets keep theirs. Raises as `select`.

    >>> import rnnfast
    >>> with rnnfast.use_backend("reference"):
    ...     y, h = rnnfast.GRU(3, 4, seed=0)(np.ones((5, 2, 3), np.float32))
    >>> y.shape
    (5, 2, 4)
    """
    _named(name, "use_backend")
    return _using(name)


@contextmanager
def _using(name: str) -> Iterator[None]:
    token = _context.set(name)
    try:
        yield
    finally:
        _context.reset(token)


def in_context() -> str | None:
    """Return what the innermost `use_backend` asks for, None outside of any."""
    return _context.get()


def request(argument: str | None = None) -> tuple[str | None, str]:
    """Return the backend that was asked for, and by what; None if nothing was."""
    if argument is not None:
        return argument, "backend="
    if (name := _context.get()) is not None:
        return name, "use_backend"
    if name := os.environ.get("RNNFAST_BACKEND"):
        return name, "RNNFAST_BACKEND"
    return None, "the first that can run here"


def select(
    argument: str | None = None, place: str = "cpu", cell: str | None = None, precision: Precision = "float32"
) -> Choice:
    """The backend for a call of a net whose parameters live in this place, "cpu" or "cuda"; None: of any cell.

    Raises TypeError unless the name is a string, ValueError for an unknown one, and RuntimeError, with the reason and
    what can run, for a backend that was asked for and cannot run; only the automatic choice falls back. TypeError too
    where the backend asked for cannot reach the parameters. ValueError where the backend has no products of this
    precision: no other is taken in its place.
    """
    name, source = request(argument)
    if place == "cuda":
        choice = _on_device(name, source, cell)
    else:
        choice = _automatic(cell) if name is None else _named(name, source, cell)
    if precision != "float32" and (lacking := choice.backend.reason(choice.variant, cell, precision)) is not None:
        raise ValueError(
            f"precision is {precision!r}, which backend {choice.full_name!r} cannot give here: {lacking}; leave it out"
        )
    return choice


def _on_device(name: str | None, source: str, cell: str | None) -> Choice:
    choice = _named(name or "cuda", source, cell)
    if choice.name != "cuda":
        raise TypeError(
            f"{source} asks for backend {name!r}, which reads host memory, while the parameters are on the CUDA "
            'device: move them back with .to("cpu"), or ask for no backend'
        )
    return choice


def _named(name: str, source: str, cell: str | None = None) -> Choice:
    if not isinstance(name, str):  # checked out here, as the cache below cannot take just anything
        raise TypeError(f"{source} must be the name of a backend, such as 'c', got {type(name).__name__}")
    return _explicit(name, source, cell)


@functools.cache
def _explicit(name: str, source: str, cell: str | None) -> Choice:
    base, colon, variant = name.partition(":")
    if base not in TABLE:
        raise ValueError(f"{source} names no backend: {name!r}, expected one of {', '.join(TABLE)}")
    backend = _module(base)
    reason = backend.reason(cell=cell)
    if reason is None and colon:
        if variant not in backend.variants():
            forms = ", ".join(f"{base}:{form}" for form in backend.variants()) or f"{base!r} alone"
            raise ValueError(f"{source} names no form of backend {base!r}: {name!r}, expected {forms}")
        reason = backend.reason(variant)
    if reason is not None:
        runnable = ", ".join(other for other, why_not in backends().items() if why_not is None)
        raise RuntimeError(f"{source} asks for backend {name!r}, which cannot run: {reason}. Can run here: {runnable}")
    return Choice(base, backend, variant or None)


@functools.cache
def _automatic(cell: str | None) -> Choice:
    name = next(name for name in TABLE if _module(name).reason(cell=cell) is None)
    if name == "reference":
        why_not = _module("c").reason(cell=cell)
        warnings.warn(
            "rnnfast runs on its reference backend, which is slow and meant for checking, because its fast one cannot "
            f"run: {why_not}. Install rnnfast with pip, which brings its C library or, given a C "
            "compiler, builds it, or install numba, whose kernels need none, or set RNNFAST_BACKEND=reference to have "
            "this backend without a warning.",
            RuntimeWarning,
            stacklevel=2,
        )
    return Choice(name, _module(name), None)


def _module(name: str) -> Backend:
    return cast(Backend, importlib.import_module(TABLE[name]))
