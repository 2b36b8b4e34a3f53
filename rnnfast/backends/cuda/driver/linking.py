"""Machine code of kernels, made by the driver's linker, and kernels in it."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.driver.declarations import ERROR_LOG, ERROR_LOG_BYTES, PTX, ffi
from rnnfast.backends.cuda.driver.library import Driver

LOG_BYTES = 8192


def link(driver: Driver, ptx: bytes, name: str) -> bytes:
    """Return the machine code of a kernel for the device. Raises DriverError with what the linker says."""
    library, log = driver.library, ffi.new("char[]", LOG_BYTES)
    options = ffi.new("int[]", [ERROR_LOG, ERROR_LOG_BYTES])
    values = ffi.new("void *[]", [log, ffi.cast("void *", LOG_BYTES)])
    state, cubin, size = ffi.new("void **"), ffi.new("void **"), ffi.new("size_t *")
    driver.check(f"begin to link {name}", library.cuLinkCreate_v2(2, options, values, state))
    try:
        code = library.cuLinkAddData_v2(
            state[0], PTX, ffi.from_buffer(ptx + b"\0"), len(ptx) + 1, name.encode(), 0, ffi.NULL, ffi.NULL
        )
        code = code or library.cuLinkComplete(state[0], cubin, size)
        if code:
            raise driver.error(f"link {name}", code, f": {ffi.string(log).decode(errors='replace').strip()}")
        return bytes(ffi.buffer(cubin[0], size[0]))
    finally:
        library.cuLinkDestroy(state[0])


def loaded(driver: Driver, cubin: bytes, name: str) -> Any:
    """Load machine code; return the handle of a kernel in it. Both stay as long as the process."""
    module, function = ffi.new("void **"), ffi.new("void **")
    driver.check(f"load {name}", driver.library.cuModuleLoadData(module, ffi.from_buffer(cubin)))
    driver.check(f"find {name}", driver.library.cuModuleGetFunction(function, module[0], name.encode()))
    return function[0]
