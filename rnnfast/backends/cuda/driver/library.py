"""Calls of CUDA's driver library, each of which raises where the driver reports an error."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from rnnfast.backends.cuda.driver.declarations import (
    DEVICE_ORDINAL,
    ERROR_LOG,
    ERROR_LOG_BYTES,
    IS_MANAGED,
    PTX,
    SEEN_BY_DEVICES,
    ffi,
    open_library,
)
from rnnfast.backends.cuda.driver.given_up import WORD_BYTES, WORDS, GivenUp
from rnnfast.problem import Array

LOG_BYTES = 8192
NOT_INITIALIZED = 3
NEWEST = "cuLaunchKernelEx"
"""The function that drivers have had for the shortest time."""


class DriverError(RuntimeError):
    """An error that CUDA's driver reported: what was being done, the error's name and the driver's words for it.

    >>> raise DriverError("start forward_kernel", 700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access ...")
    Traceback (most recent call last):
    ...
    rnnfast.backends.cuda.driver.library.DriverError: CUDA could not start forward_kernel: CUDA_ERROR_ILLEGAL_ADDRESS \
(700), an illegal memory access ...
    """

    def __init__(self, doing: str, code: int, name: str, text: str) -> None:
        super().__init__(f"CUDA could not {doing}: {name} ({code}), {text}")
        self.code = code


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
        self._check("start", self.library.cuInit(0))
        if not hasattr(self.library, NEWEST):
            raise RuntimeError(
                f"the CUDA driver, for CUDA {self.version // 1000}.{self.version % 1000 // 10}, has no {NEWEST}, which "
                "came with CUDA 11.8: install a newer driver"
            )
        device, context = ffi.new("int *"), ffi.new("void **")
        self._check(f"find device {ordinal}", self.library.cuDeviceGet(device, ordinal))
        self._check("make a context", self.library.cuDevicePrimaryCtxRetain(context, device[0]))
        self.context = context[0]
        self._found = _Found()
        self._given_up: GivenUp | None = None
        self._making = threading.Lock()

    def _check(self, doing: str, code: int) -> None:
        """Raise DriverError unless `code` says that all is well."""
        if code:
            raise self.error(doing, code)

    def error(self, doing: str, code: int, more: str = "") -> DriverError:
        """Return the exception for an error code; `more` follows the driver's own words."""
        words = []
        for describe in (self.library.cuGetErrorName, self.library.cuGetErrorString):
            text = ffi.new("const char **")
            known = describe(code, text) == 0 and text[0] != ffi.NULL
            words.append(ffi.string(text[0]).decode(errors="replace") if known else "an error unknown to it")
        if code == NOT_INITIALIZED:
            more += (
                ". A child process that was forked after its parent used CUDA cannot use it: start the child with "
                'spawn, as multiprocessing.get_context("spawn") does'
            )
        return DriverError(doing, code, words[0], words[1] + more)

    @property
    def version(self) -> int:
        """The newest CUDA that the driver knows, 1000 · major + 10 · minor."""
        found = ffi.new("int *")
        self._check("tell its version", self.library.cuDriverGetVersion(found))
        return int(found[0])

    def is_current(self) -> bool:
        """Return whether the context is this thread's current one."""
        found = self._found.context
        code = self.library.cuCtxGetCurrent(found)
        if code:
            raise self.error("tell the current context", code)
        return bool(found[0] == self.context)

    def enter(self) -> None:
        """Make the context the current one of this thread."""
        self._check("change the context", self.library.cuCtxPushCurrent_v2(self.context))

    def leave(self) -> None:
        """Go back to the context that was current before `enter`."""
        self._check("change the context", self.library.cuCtxPopCurrent_v2(ffi.new("void **")))

    def link(self, ptx: bytes, name: str) -> bytes:
        """Return the machine code of a kernel for the device. Raises DriverError with what the linker says."""
        library, log = self.library, ffi.new("char[]", LOG_BYTES)
        options = ffi.new("int[]", [ERROR_LOG, ERROR_LOG_BYTES])
        values = ffi.new("void *[]", [log, ffi.cast("void *", LOG_BYTES)])
        state, cubin, size = ffi.new("void **"), ffi.new("void **"), ffi.new("size_t *")
        self._check(f"begin to link {name}", library.cuLinkCreate_v2(2, options, values, state))
        try:
            code = library.cuLinkAddData_v2(
                state[0], PTX, ffi.from_buffer(ptx + b"\0"), len(ptx) + 1, name.encode(), 0, ffi.NULL, ffi.NULL
            )
            code = code or library.cuLinkComplete(state[0], cubin, size)
            if code:
                raise self.error(f"link {name}", code, f": {ffi.string(log).decode(errors='replace').strip()}")
            return bytes(ffi.buffer(cubin[0], size[0]))
        finally:
            library.cuLinkDestroy(state[0])

    def function(self, cubin: bytes, name: str) -> Any:
        """Load machine code; return the handle of a kernel in it. Both stay as long as the process."""
        module, function = ffi.new("void **"), ffi.new("void **")
        self._check(f"load {name}", self.library.cuModuleLoadData(module, ffi.from_buffer(cubin)))
        self._check(f"find {name}", self.library.cuModuleGetFunction(function, module[0], name.encode()))
        return function[0]

    def set_attribute(self, function: Any, attribute: int, value: int, name: str) -> None:
        """Set an attribute of a function, for all its launches."""
        code = self.library.cuFuncSetAttribute(function, attribute, value)
        self._check(f"set attribute {attribute} of {name} to {value}", code)

    def clusters_at_once(self, function: Any, config: Any) -> int:
        """Return how many clusters of this launch the device runs at once."""
        count = ffi.new("int *")
        code = self.library.cuOccupancyMaxActiveClusters(count, function, config)
        self._check("tell how many clusters run at once", code)
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
        self._check(f"copy {count} bytes", code)

    def download(self, to: Array, source: int, stream: int) -> None:
        """Copy to a C-contiguous array of NumPy's what lies at an address, once the stream has come so far."""
        pointer, stream = ffi.from_buffer(to.reshape(-1).view(np.uint8)), ffi.cast("void *", stream)
        self._check(f"read {to.nbytes} bytes", self.library.cuMemcpyDtoHAsync_v2(pointer, source, to.nbytes, stream))

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
                    self._given_up = self._new_words()
        return self._given_up

    def check_waits(self, stream: int) -> None:
        """Raise TimeoutError where a kernel that is done has waited in vain: this itself waits for none.

        It is one of a call of this thread's on this stream.
        """
        if self._given_up is not None:
            self._given_up.check(stream)

    def _new_words(self) -> GivenUp:
        host, device = ffi.new("void **"), ffi.new("uint64_t *")
        self._check("take memory", self.library.cuMemHostAlloc(host, WORDS * WORD_BYTES, SEEN_BY_DEVICES))
        self._check("find memory", self.library.cuMemHostGetDevicePointer_v2(device, host[0], 0))
        return GivenUp(ffi.cast("uint32_t *", host[0]), int(device[0]))

    def wait(self, stream: int) -> None:
        """Wait until all that was started on a stream is done.

        Raises TimeoutError where a kernel of a call of this thread's gave up waiting.
        """
        self._check("finish what was started", self.library.cuStreamSynchronize(ffi.cast("void *", stream)))
        self.check_waits(stream)

    def wait_for_all(self) -> None:
        """Wait until all that was started on any stream is done. Raises TimeoutError where any kernel gave up."""
        self._check("finish what was started", self.library.cuCtxSynchronize())
        if self._given_up is not None:
            self._given_up.check_all()


class Current:
    """A `with` in which a driver's context is the current one of this thread."""

    __slots__ = ("driver", "entered")

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def __enter__(self) -> None:
        self.entered = not self.driver.is_current()
        if self.entered:
            self.driver.enter()

    def __exit__(self, *_: object) -> None:
        if self.entered:
            self.driver.leave()
