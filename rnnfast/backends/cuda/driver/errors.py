"""Errors that CUDA's driver reports, as exceptions."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.driver.declarations import ffi

NOT_INITIALIZED = 3


class DriverError(RuntimeError):
    """An error that CUDA's driver reported: what was being done, the error's name and the driver's words for it.

    >>> raise DriverError("start forward_kernel", 700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access ...")
    Traceback (most recent call last):
    ...
    rnnfast.backends.cuda.driver.errors.DriverError: CUDA could not start forward_kernel: CUDA_ERROR_ILLEGAL_ADDRESS \
(700), an illegal memory access ...
    """

    def __init__(self, doing: str, code: int, name: str, text: str) -> None:
        super().__init__(f"CUDA could not {doing}: {name} ({code}), {text}")
        self.code = code


def error_of(library: Any, doing: str, code: int, more: str = "") -> DriverError:
    """Return the exception for an error code of the driver's; `more` follows its own words."""
    words = []
    for describe in (library.cuGetErrorName, library.cuGetErrorString):
        text = ffi.new("const char **")
        known = describe(code, text) == 0 and text[0] != ffi.NULL
        words.append(ffi.string(text[0]).decode(errors="replace") if known else "an error unknown to it")
    if code == NOT_INITIALIZED:
        more += (
            ". A child process that was forked after its parent used CUDA cannot use it: start the child with "
            'spawn, as multiprocessing.get_context("spawn") does'
        )
    return DriverError(doing, code, words[0], words[1] + more)
