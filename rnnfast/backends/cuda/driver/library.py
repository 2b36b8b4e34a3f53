"""Calls of CUDA's driver library, each of which raises where the driver reports an error."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np

from rnnfast.backends.cuda.driver.declarations import (
    DEVICE_ORDINAL,
    IS_MANAGED,
    SEEN_BY_DEVICES,
    ffi,
    open_library,
)
from rnnfast.backends.cuda.driver.errors import DriverError, error_of
from rnnfast.backends.cuda.driver.given_up import WORD_BYTES, WORDS, GivenUp, Words
from rnnfast.problem import Array

NEWEST = "cuLaunchKernelEx"
"""The function that drivers have had for the shortest time."""
OF_SCRIPTS = (NEWEST, "cuMemsetD8Async", "cuMemcpyHtoDAsync_v2")


class _Found(threading.local):
    """Where the driver writes a thread's current context."""

    def __init__(self) -> None:
        self.context = ffi.new("void **")


class Driver:
    """CUDA's driver, for one device, on whose primary context, which Numba, torch and CuPy share, all calls work.

    `library` has the functions of `declarations`; None: the driver's own. Streams and addresses are numbers.
    """

    def __init__(self, library: Any = None, ordinal: int = 0) -> None:
        """Raises OSError where there is no driver, RuntimeError where it is too old or has no such device."""
        self.library = open_library() if library is None else library
        self.check("start", self.library.cuInit(0))
        if not hasattr(self.library, NEWEST):
            raise RuntimeError(
                f"the CUDA driver, for CUDA {self.version // 1000}.{self.version % 1000 // 10}, has no {NEWEST}, which "
                "came with CUDA 11.8: install a newer driver"
            )
        device, context = ffi.new("int *"), ffi.new("void **")
        self.check(f"find device {ordinal}", self.library.cuDeviceGet(device, ordinal))
        self.check("make a context", self.library.cuDevicePrimaryCtxRetain(context, device[0]))
        self.context = context[0]
        self._found = _Found()
        self._given_up: GivenUp | None = None
        self._making = threading.Lock()
        self.words = Words(self.host_words)

    def check(self, doing: str, code: int) -> None:
        """Raise DriverError unless `code` says that all is well."""
        if code:
            raise self.error(doing, code)

    def error(self, doing: str, code: int, more: str = "") -> DriverError:
        """Return the exception for an error code; `more` follows the driver's own words."""
        return error_of(self.library, doing, code, more)

    @property
    def version(self) -> int:
        """The newest CUDA that the driver knows, 1000 · major + 10 · minor."""
        found = ffi.new("int *")
        self.check("tell its version", self.library.cuDriverGetVersion(found))
        return int(found[0])

    @functools.cached_property
    def functions(self) -> tuple[int, ...]:
        """The addresses of cuLaunchKernelEx, cuMemsetD8Async and cuMemcpyHtoDAsync, for compiled code."""
        return tuple([int(ffi.cast("uintptr_t", ffi.addressof(self.library, name))) for name in OF_SCRIPTS])

    def is_current(self) -> bool:
        """Return whether the context is this thread's current one."""
        found = self._found.context
        code = self.library.cuCtxGetCurrent(found)
        if code:
            raise self.error("tell the current context", code)
        return bool(found[0] == self.context)

    def enter(self) -> None:
        """Make the context the current one of this thread."""
        self.check("change the context", self.library.cuCtxPushCurrent_v2(self.context))

    def leave(self) -> None:
        """Go back to the context that was current before `enter`."""
        self.check("change the context", self.library.cuCtxPopCurrent_v2(ffi.new("void **")))

    def set_attribute(self, function: Any, attribute: int, value: int, name: str) -> None:
        """Set an attribute of a function, for all its launches."""
        code = self.library.cuFuncSetAttribute(function, attribute, value)
        self.check(f"set attribute {attribute} of {name} to {value}", code)

    def clusters_at_once(self, function: Any, config: Any) -> int:
        """Return how many clusters of this launch the device runs at once."""
        count = ffi.new("int *")
        code = self.library.cuOccupancyMaxActiveClusters(count, function, config)
        self.check("tell how many clusters run at once", code)
        return int(count[0])

    def number_of(self, address: int) -> int | None:
        """Return the device that memory is on; None where the driver does not know it, or where all can reach it."""
        number, managed = ffi.new("int *", -1), ffi.new("int *")
        ask = self.library.cuPointerGetAttribute
        if ask(managed, IS_MANAGED, address) or managed[0] or ask(number, DEVICE_ORDINAL, address):
            return None
        return int(number[0]) if number[0] >= 0 else None

    def clear(self, address: int, count: int, stream: int) -> None:
        """Make so many bytes zero."""
        code = self.library.cuMemsetD8Async(address, 0, count, ffi.cast("void *", stream))
        if code:
            raise self.error(f"clear {count} bytes", code)

    def copy(self, to: int, source: int, count: int, stream: int) -> None:
        """Copy so many bytes from one address on the device to another."""
        code = self.library.cuMemcpyDtoDAsync_v2(to, source, count, ffi.cast("void *", stream))
        self.check(f"copy {count} bytes", code)

    def download(self, to: Array, source: int, stream: int) -> None:
        """Copy to a C-contiguous array of NumPy's what lies at an address, once the stream has come so far."""
        pointer, stream = ffi.from_buffer(to.reshape(-1).view(np.uint8)), ffi.cast("void *", stream)
        self.check(f"read {to.nbytes} bytes", self.library.cuMemcpyDtoHAsync_v2(pointer, source, to.nbytes, stream))

    def upload(self, to: int, source: bytes, stream: int) -> None:
        """Copy bytes to an address; they need not live longer than the call.

        For they lie in pageable memory, which the driver copies to memory of its own before it returns. From pinned
        memory, where an array of the caller's may lie, it would read later.
        """
        pointer = ffi.from_buffer(source)
        code = self.library.cuMemcpyHtoDAsync_v2(to, pointer, len(source), ffi.cast("void *", stream))
        if code:
            raise self.error(f"write {len(source)} bytes", code)

    @property
    def given_up(self) -> GivenUp:
        """Return the words that kernels set where they have waited in vain."""
        if self._given_up is None:
            with self._making:  # once, whichever threads ask for them at once
                if self._given_up is None:
                    self._given_up = GivenUp(*self.host_words())
        return self._given_up

    def check_waits(self, stream: int) -> None:
        """Raise TimeoutError where a kernel that is done has waited in vain: this itself waits for none.

        It is one of a call of this thread's on this stream.
        """
        if self._given_up is not None:
            self._given_up.check(stream)

    def host_words(self) -> tuple[Any, int]:
        """Return memory of the host's that kernels reach, for as many words as `WORDS`, and its address there."""
        host, device = ffi.new("void **"), ffi.new("uint64_t *")
        self.check("take memory", self.library.cuMemHostAlloc(host, WORDS * WORD_BYTES, SEEN_BY_DEVICES))
        self.check("find memory", self.library.cuMemHostGetDevicePointer_v2(device, host[0], 0))
        return ffi.cast("uint32_t *", host[0]), int(device[0])

    def wait(self, stream: int) -> None:
        """Wait until all that was started on a stream is done.

        Raises TimeoutError where a kernel of a call of this thread's gave up waiting.
        """
        self.check("finish what was started", self.library.cuStreamSynchronize(ffi.cast("void *", stream)))
        self.check_waits(stream)

    def wait_for_all(self) -> None:
        """Wait until all that was started on any stream is done. Raises TimeoutError where any kernel gave up."""
        self.check("finish what was started", self.library.cuCtxSynchronize())
        if self._given_up is not None:
            self._given_up.check_all()
