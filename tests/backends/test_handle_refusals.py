"""Nets of the C library made once: records, lengths and sizes that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from handles import Rows, handle, problem_of, x_of

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.c.record import Template

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize("size", [LEAST, -1, 0, 2**31, MOST])
@pytest.mark.parametrize("directions", [1, 2])
def test_layers_of_a_size_that_cannot_be_are_refused(size: int, directions: int) -> None:
    ffi, lib = library()
    template, net = Template(problem_of(directions=directions), Layout()), ffi.new("rf_net **")
    template.record.hidden_size = size
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == lib.RF_ERROR_SHAPE


@pytest.mark.parametrize(
    "field, status", [("state_size", "SHAPE"), ("weight_dtype", "DTYPE"), ("only_direction", "RANGE")]
)
def test_a_record_that_is_no_whole_net_is_refused(field: str, status: str) -> None:
    ffi, lib = library()
    template, net = Template(problem_of(hidden_size=5), Layout()), ffi.new("rf_net **", ffi.cast("rf_net *", 64))
    setattr(template.record, field, 1)
    assert lib.rf_net_create(template.record, ffi.NULL, 0, net) == getattr(lib, f"RF_ERROR_{status}")
    assert net[0] == ffi.NULL


def test_lengths_out_of_range_are_refused() -> None:
    problem = problem_of(steps=3, batch=2)
    rows = Rows(handle(problem), 2, "float32", steps=3)
    for length in (-1, 4):
        with pytest.raises(ValueError, match="length"):
            rows.forward(x_of(problem), lengths=np.array([3, length]))


def test_sizes_beyond_memory_are_told() -> None:
    ffi, lib = library()
    net, size = handle(problem_of()).net, ffi.new("size_t *")
    assert lib.rf_net_state_bytes(net, -1, size) == lib.RF_ERROR_SHAPE
    assert lib.rf_net_workspace_bytes(net, 2**31, 1, size) == lib.RF_ERROR_SHAPE
    assert lib.rf_net_workspace_bytes(net, 2**31 - 1, 2**31 - 1, size) == lib.RF_ERROR_SIZE
