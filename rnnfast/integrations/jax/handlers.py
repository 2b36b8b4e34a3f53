"""The C library's handlers made known to XLA, which calls them by name."""

from __future__ import annotations

import ctypes
from typing import Any

import jax

from rnnfast.backends.c.library import is_built, library

FORWARD, BACKWARD = "rnnfast_forward", "rnnfast_backward"
PLATFORM = "cpu"
INTERFACE = "0.1"
"""The version of XLA's interface for foreign functions that csrc/python/xla.h declares the part that it needs of."""


def install() -> None:
    """Register both, where the library was built: programs that another process compiled find them, too.

    Raises RuntimeError where this jaxlib does not take them.
    """
    if is_built():
        ffi, lib = library()
        for name, symbol in ((FORWARD, "xla_forward"), (BACKWARD, "xla_backward")):
            register(name, int(ffi.cast("uintptr_t", ffi.addressof(lib, symbol))))


def register(name: str, address: int) -> None:
    """Make the handler at this address known under that name. Raises RuntimeError where XLA refuses it."""
    try:
        jax.ffi.register_ffi_target(name, _capsule(address), platform=PLATFORM)
    except Exception as error:
        raise RuntimeError(
            f"JAX {jax.__version__} refuses rnnfast's handlers, which are written for version {INTERFACE} of "
            f"XLA's interface for foreign functions: use another version of jax, or of rnnfast ({error})"
        ) from error


def _capsule(address: int) -> Any:
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return make(address, None, None)
