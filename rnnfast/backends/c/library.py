"""librnnfast as Python sees it: loading it, its instruction sets, its errors, its threads."""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from rnnfast.backends.c import followers, threadpool
from rnnfast.problem import Precision

_DTYPES = {np.dtype(np.float32): "RF_F32", np.dtype(np.float64): "RF_F64"}
PAIRS = (
    "products of bfloat16 take the instruction set avx512, on a processor with AMX or with an AVX512_BF16 that is "
    "faster than float32, which Intel's is not, and a library built by a compiler that knows them"
)
_ERRORS: dict[str, type[Exception]] = {
    "RF_ERROR_SHAPE": ValueError,
    "RF_ERROR_RANGE": ValueError,
    "RF_ERROR_SIZE": MemoryError,
    "RF_ERROR_MEMORY": MemoryError,
    "RF_ERROR_FILE": OSError,
    "RF_ERROR_FORMAT": ValueError,
}


@functools.cache
def _extension() -> Any:
    """The cffi module rnnfast._rnnfast, or, where it cannot be imported, a sentence that says why."""
    try:
        module = importlib.import_module("rnnfast._rnnfast")
    except ImportError as error:
        advice = "`pip install .` in a clone builds it, given a C compiler"
        if (clone := Path(__file__).parents[3]).joinpath("CMakeLists.txt").exists():
            advice += f"; this is the source tree: once installed, run Python from a folder other than {clone}"
        return f"the C library was not built: {error} ({advice})"
    if (fault := _fault(module)) is not None:
        return fault
    threadpool.register()
    return module


def _fault(module: Any) -> str | None:
    """Return why arrays cannot be handed to the library as csrc/python/arrays.h does; None where all is well."""
    if sys.implementation.name != "cpython":
        return f"the C library takes arrays from CPython alone, this is {sys.implementation.name}"
    if not hasattr(module.lib, "arrays_are"):
        return f"{module.__file__} was built from other sources than these: build it again with `pip install .`"
    probe = np.zeros((2, 3), np.float32)
    address, ids = module.ffi.from_buffer("void *", probe), module.ffi.new("uintptr_t[]", [id(probe)])
    numbers = [int(module.ffi.cast("intptr_t", address)), id(probe.dtype), 2, *probe.shape, 0]
    seen = ctypes.c_char.from_address(int(module.ffi.cast("intptr_t", address)))
    found = module.lib.array_data(id(probe)) == module.lib.array_data(id(seen)) == address
    if not found or not module.lib.arrays_are(1, ids, module.ffi.new("intptr_t[]", numbers), probe.itemsize, True):
        return f"NumPy {np.__version__} or Python lays arrays out in a way that the C library does not know"
    return None


def is_built() -> bool:
    """Return whether the library is there, whatever the processor can run of it."""
    return not isinstance(_extension(), str)


def library() -> tuple[Any, Any]:
    """cffi's `ffi` and `lib` of librnnfast; RuntimeError where it was not built."""
    module = _extension()
    if isinstance(module, str):
        raise RuntimeError(module)
    return module.ffi, module.lib


def _text(pointer: Any) -> str | None:
    ffi, _ = library()
    return None if pointer == ffi.NULL else ffi.string(pointer).decode()


@functools.cache
def variants() -> tuple[str, ...]:
    """Names of the instruction sets that the library was compiled for, best first; empty where it was not built."""
    names: list[str] = []
    if not isinstance(_extension(), str):
        while (name := _text(library()[1].rf_isa_name(len(names)))) is not None:
            names.append(name)
    return tuple(names)


def reason(variant: str | None = None, cell: str | None = None, precision: Precision = "float32") -> str | None:
    """Return None if the library, or its instruction set, can run here and has this cell and precision, else why not.

    ValueError if RNNFAST_ISA is what decides, and names an instruction set that does not exist or cannot run.
    """
    module = _extension()
    if isinstance(module, str):
        return module
    if cell is not None and module.lib.rf_cell_id(cell.encode()) < 0:
        return f"this librnnfast was built without the cell {cell}"
    if variant is None:
        check(module.lib.rf_isa_default(module.ffi.new("int32_t *")))
    elif variant not in variants():
        return f"librnnfast has no instruction set {variant!r}, only {', '.join(variants())}"
    elif (lacking := _text(module.lib.rf_isa_reason(isa_id(variant)))) is not None:
        return lacking
    return None if precision == "float32" or _has_pairs(variant) else PAIRS


def _has_pairs(variant: str | None) -> bool:
    """Return whether an instruction set that runs here has products of numbers rounded to bfloat16."""
    ffi, lib = library()
    record, size = ffi.new("rf_problem *"), ffi.new("size_t *")
    check(lib.rf_problem_init(record, ffi.sizeof("rf_problem"), 0, lib.RF_F32, 1, 1, 0, 0, 1, 1))
    record.isa, record.product_dtype = isa_id(variant), lib.RF_BF16
    return int(lib.rf_reserve_bytes(record, size)) == 0  # RF_OK


def isa_id(variant: str | None) -> int:
    """The library's number of an instruction set, RF_ISA_AUTO for None; ValueError if there is none of that name."""
    _, lib = library()
    if variant is None:
        return int(lib.RF_ISA_AUTO)
    if variant not in variants():
        raise _isa_error(lib.RF_ERROR_ISA, variant)
    return int(lib.rf_isa_id(variant.encode()))


def dtype_id(dtype: DTypeLike) -> int:
    """The library's number of a NumPy dtype; TypeError if it is not float32 or float64 in native byte order."""
    _, lib = library()
    name = _DTYPES.get(np.dtype(dtype))
    if name is None:
        raise TypeError(f"the C backend works on native float32 and float64, not {np.dtype(dtype).str}")
    return int(getattr(lib, name))


def check(status: int, variant: str | None = None) -> None:
    """Raise what a status stands for: ValueError, MemoryError or RuntimeError. `variant` is what was asked for."""
    if status == 0:  # RF_OK
        return
    _, lib = library()
    if status in (lib.RF_ERROR_ISA, lib.RF_ERROR_UNSUPPORTED):
        raise _isa_error(status, variant)
    kinds = {getattr(lib, name): kind for name, kind in _ERRORS.items()}
    raise kinds.get(status, RuntimeError)(f"librnnfast: {_text(lib.rf_status_text(status))}")


def _isa_error(status: int, variant: str | None) -> Exception:
    """For an instruction set, named by `variant` or else by RNNFAST_ISA, that does not exist or cannot run."""
    _, lib = library()
    name = os.environ.get("RNNFAST_ISA", "") if variant is None else variant
    source = f"RNNFAST_ISA={name!r}" if variant is None else f"{name!r}"
    if status == lib.RF_ERROR_ISA:
        return ValueError(f"{source} is no instruction set of librnnfast: use {', '.join(variants())}")
    able = [other for other in variants() if reason(other) is None]
    kind = ValueError if variant is None else RuntimeError
    return kind(f"{source} cannot run here: {reason(name)}; use {', '.join(able)}")


def describe() -> dict[str, str]:
    """Return where the library lies, what compiled it, and which instruction set it uses and why."""
    module = _extension()
    if isinstance(module, str):
        return {"library": module}
    isa = module.ffi.new("int32_t *")
    check(module.lib.rf_isa_default(isa))
    chosen = _text(module.lib.rf_isa_name(isa[0])) or ""
    better = variants()[: variants().index(chosen)]
    why = "; ".join(["the best that this processor runs", *(f"{name}: {reason(name)}" for name in better)])
    return {
        "library": ", ".join(str(path) for path in sorted(Path(module.__file__).parent.glob("librnnfast.*"))),
        "version": _text(module.lib.rf_version()) or "",
        "compiler": _text(module.lib.rf_compiler()) or "",
        "instruction set": chosen,
        "chosen because": "RNNFAST_ISA names it" if os.environ.get("RNNFAST_ISA") else why,
    }


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use, the caller's among them. Raises ValueError below 1."""
    check(library()[1].rf_set_num_threads(n))
    followers.tell()


def get_num_threads() -> int:
    """Return how many threads a call may use: what was set, else RNNFAST_NUM_THREADS, else the processors available.

    ValueError if RNNFAST_NUM_THREADS decides and is no whole number above 0.
    """
    n = int(library()[1].rf_get_num_threads())
    if n < 0:
        value = os.environ.get("RNNFAST_NUM_THREADS")
        raise ValueError(f"RNNFAST_NUM_THREADS is {value!r}, expected a whole number above 0")
    return n
