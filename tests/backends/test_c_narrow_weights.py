"""The C library's own calls with weights in bfloat16 and int8: what it packs, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from narrow_nets import TYPES
from support import Spec, make_problem

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import library
from rnnfast.backends.c.memory import Block
from rnnfast.backends.c.record import Template


def status_of(status: int) -> str:
    return str(library()[0].typeof("rf_status").elements[status])


@TYPES
@pytest.mark.parametrize(
    "dtype, reserve, status", [("float32", 0, "OK"), ("float32", 64, "ERROR_DTYPE"), ("float64", 0, "ERROR_DTYPE")]
)
def test_the_library_has_them_for_inference_of_float32(weights: Any, dtype: str, reserve: int, status: str) -> None:
    ffi, lib = library()
    template, size = Template(make_problem(Spec(states=False), dtype), Layout()), ffi.new("size_t *")
    template.record.weight_dtype = {"bfloat16": lib.RF_BF16, "int8": lib.RF_I8}[weights]
    template.record.reserve = ffi.cast("void *", reserve)
    assert status_of(lib.rf_packed_bytes(template.record, size)) == f"RF_{status}"


@TYPES
@pytest.mark.parametrize("table", ["weight_ih", "weight_hh"])
@pytest.mark.parametrize("number", [np.nan, np.finfo("float32").max])
def test_the_library_packs_no_int8_of_what_has_no_scale(weights: Any, table: str, number: float) -> None:
    ffi, lib = library()
    problem = make_problem(Spec(states=False, layers=2, directions=2), "float32")
    problem.weights = weights
    getattr(problem, table)[-1][-1, -1] = number
    template, net = Template(problem, Layout()), ffi.new("rf_net **")
    packed = Block(template.size("packed"))
    template.record.packed_bytes = packed.size
    expected = "RF_ERROR_RANGE" if weights == "int8" else "RF_OK"
    assert status_of(lib.rf_pack(template.record, packed.pointer)) == expected
    assert status_of(lib.rf_net_create(template.record, ffi.NULL, 0, net)) == expected
    lib.rf_net_free(net[0])
