"""What csrc/python/xla.h declares beside XLA's own header, and a version of it that XLA does not take."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sources import CLONE

from rnnfast.backends.c.library import is_built

jax = pytest.importorskip("jax", reason="jax is not installed")

from rnnfast.integrations.jax import handlers  # noqa: E402

RECORDS: dict[str, tuple[str, dict[str, str]]] = {
    "XLA_FFI_Extension_Base": ("xla_extension", {"struct_size": "size", "type": "kind", "next": "next"}),
    "XLA_FFI_Api_Version": (
        "xla_version",
        {
            "struct_size": "size",
            "extension_start": "extensions",
            "major_version": "major",
            "minor_version": "minor",
        },
    ),
    "XLA_FFI_Metadata": ("xla_metadata", {"struct_size": "size", "api_version": "version", "traits": "traits"}),
    "XLA_FFI_Metadata_Extension": ("xla_metadata_extension", {"extension_base": "head", "metadata": "metadata"}),
    "XLA_FFI_Error_Create_Args": ("xla_error_text", {"struct_size": "size", "message": "text", "errc": "code"}),
    "XLA_FFI_Api": ("xla_api", {"api_version": "version", "XLA_FFI_Error_Create": "make_error"}),
    "XLA_FFI_Buffer": ("xla_buffer", {"dtype": "dtype", "data": "data", "rank": "rank", "dims": "dims"}),
    "XLA_FFI_Args": ("xla_arrays", {"size": "count", "types": "kinds", "args": "items"}),
    "XLA_FFI_Rets": ("xla_arrays", {"size": "count", "types": "kinds", "rets": "items"}),
    "XLA_FFI_ByteSpan": ("xla_text", {"ptr": "start", "len": "length"}),
    "XLA_FFI_Scalar": ("xla_scalar", {"dtype": "dtype", "value": "value"}),
    "XLA_FFI_Attrs": ("xla_attributes", {"size": "count", "types": "kinds", "names": "names", "attrs": "items"}),
    "XLA_FFI_CallFrame": (
        "xla_frame",
        {
            "extension_start": "extensions",
            "api": "api",
            "stage": "stage",
            "args": "operands",
            "rets": "results",
            "attrs": "attributes",
        },
    ),
}
NUMBERS = {
    "XLA_FFI_Extension_Metadata": "XLA_EXTENSION_METADATA",
    "XLA_FFI_ExecutionStage_EXECUTE": "XLA_STAGE_EXECUTE",
    "XLA_FFI_ArgType_BUFFER": "XLA_BUFFER",
    "XLA_FFI_RetType_BUFFER": "XLA_BUFFER",
    "XLA_FFI_AttrType_SCALAR": "XLA_ATTRIBUTE_SCALAR",
    "XLA_FFI_AttrType_STRING": "XLA_ATTRIBUTE_STRING",
    "XLA_FFI_DataType_PRED": "XLA_PRED",
    "XLA_FFI_DataType_U8": "XLA_U8",
    "XLA_FFI_DataType_U32": "XLA_U32",
    "XLA_FFI_DataType_S32": "XLA_S32",
    "XLA_FFI_DataType_S64": "XLA_S64",
    "XLA_FFI_DataType_F32": "XLA_F32",
    "XLA_FFI_DataType_F64": "XLA_F64",
    "XLA_FFI_Error_Code_INVALID_ARGUMENT": "XLA_INVALID_ARGUMENT",
    "XLA_FFI_Error_Code_RESOURCE_EXHAUSTED": "XLA_RESOURCE_EXHAUSTED",
    "XLA_FFI_Error_Code_UNIMPLEMENTED": "XLA_UNIMPLEMENTED",
    "XLA_FFI_Error_Code_INTERNAL": "XLA_INTERNAL",
    "XLA_FFI_API_MAJOR": "XLA_MAJOR",
}


def program() -> str:
    """Compile-time assertions: both headers put every field in the same place."""
    lines = ["#include <stddef.h>", '#include "xla/ffi/api/c_api.h"', '#include "python/xla.h"']
    for theirs, (ours, fields) in RECORDS.items():
        for field, own in fields.items():
            places = f"offsetof({theirs}, {field}) == offsetof(struct {ours}, {own})"
            sizes = f"sizeof((({theirs} *)0)->{field}) == sizeof(((struct {ours} *)0)->{own})"
            lines += [f'_Static_assert({places}, "{theirs}.{field}");']
            if field != "api_version":  # a record that may have grown
                lines += [f'_Static_assert({sizes}, "size of {theirs}.{field}");']
    lines += [f'_Static_assert((int){theirs} == (int){ours}, "{theirs}");' for theirs, ours in NUMBERS.items()]
    return "\n".join([*lines, '_Static_assert(XLA_FFI_API_MINOR >= XLA_MINOR, "version");', ""])


def compiled(source: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What a compiler says of it."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler")
    file = tmp_path / "offsets.c"
    file.write_text(source, encoding="utf-8")
    command = [compiler, "-std=c11", "-fsyntax-only", f"-I{jax.ffi.include_dir()}", f"-I{CLONE / 'csrc'}", str(file)]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_field_lies_where_xla_has_it(tmp_path: Path) -> None:
    said = compiled(program(), tmp_path)
    assert said.returncode == 0, said.stderr


def test_a_field_elsewhere_would_be_seen(tmp_path: Path) -> None:
    wrong = program().replace("offsetof(struct xla_buffer, data)", "offsetof(struct xla_buffer, rank)")
    said = compiled(wrong, tmp_path)
    assert said.returncode != 0 and "XLA_FFI_Buffer.data" in said.stderr


class Version(ctypes.Structure):
    """xla_version."""

    _fields_ = (("size", ctypes.c_size_t), ("extensions", ctypes.c_void_p), ("major", ctypes.c_int32))


class Metadata(ctypes.Structure):
    """xla_metadata."""

    _fields_ = (("size", ctypes.c_size_t), ("version", Version))


class Extension(ctypes.Structure):
    """xla_metadata_extension."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("next", ctypes.c_void_p),
        ("metadata", ctypes.POINTER(Metadata)),
    )


class Frame(ctypes.Structure):
    """The beginning of xla_frame."""

    _fields_ = (("size", ctypes.c_size_t), ("extension", ctypes.POINTER(Extension)))


def test_a_version_that_xla_does_not_take_is_refused_by_name() -> None:
    jax.devices("cpu")  # from here on XLA looks at what is registered at once

    def handler(frame: Any) -> None:
        frame.contents.extension.contents.metadata.contents.version.major = 99

    kept = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.POINTER(Frame))(handler)
    address = ctypes.cast(kept, ctypes.c_void_p).value
    assert address is not None
    with pytest.raises(RuntimeError, match=r"JAX .* refuses rnnfast's handlers, .* version 0\.1 .*\(99\.0\)"):
        handlers.register("rnnfast_of_another_version", address)


@pytest.mark.skipif(not is_built(), reason="the C library was not built")
def test_a_program_of_another_version_is_refused() -> None:
    """Attributes and arrays that a handler does not know are no crash."""
    shape = jax.ShapeDtypeStruct((3,), "float32")
    for attributes in ({}, {"cell": "lstm"}):
        call = jax.ffi.ffi_call(handlers.FORWARD, shape)
        with pytest.raises((ValueError, jax.errors.JaxRuntimeError), match="for another version of rnnfast"):
            jax.block_until_ready(call(jax.numpy.ones(3), **attributes))
