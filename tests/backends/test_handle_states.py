"""Nets of the C library made once: states begun, read, written, reset and copied row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handles import Rows, expected, handle, problem_of, x_of

from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import check, library

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


def test_states_begin_as_told_and_are_reset_copied_written_by_row() -> None:
    ffi, lib = library()
    rng, problem = np.random.default_rng(0), problem_of(steps=3, batch=4, hidden_size=5, layers=2)
    h0, c0 = (rng.standard_normal((2, 5)).astype("float32") for _ in range(2))
    net = handle(problem, h0=h0, c0=c0)
    begun = tuple(np.broadcast_to(array[:, None], (2, 4, 5)) for array in (h0, c0))
    rows, shape = Rows(net, 4, "float32"), (2, 4, 5)
    np.testing.assert_array_equal(rows.read(shape), begun)
    started = replace(problem, h0=np.ascontiguousarray(begun[0]), c0=np.ascontiguousarray(begun[1]))
    np.testing.assert_array_equal(np.stack([rows.step(x) for x in x_of(problem)]), expected(started))

    moved = rows.read(shape)
    flags = np.array([0, 7, 0, 1], np.uint8)
    check(lib.rf_net_state_reset(net.net, 4, rows.state.pointer, ffi.from_buffer("uint8_t *", flags)))
    for found, first, before in zip(rows.read(shape), begun, moved, strict=True):
        np.testing.assert_array_equal(found[:, 1::2], first[:, 1::2])
        np.testing.assert_array_equal(found[:, ::2], before[:, ::2])

    other = Rows(net, 2, "float32")
    check(lib.rf_net_state_copy(net.net, 4, rows.state.pointer, 2, 2, other.state.pointer, 0, 1))
    for found, before, first in zip(other.read((2, 2, 5)), moved, begun, strict=True):
        np.testing.assert_array_equal(found[:, 0], before[:, 2])
        np.testing.assert_array_equal(found[:, 1], first[:, 1])
    pointers = [ffi.from_buffer("void *", array) for array in moved]
    check(lib.rf_net_state_write(net.net, 0, 4, rows.state.pointer, *pointers))
    np.testing.assert_array_equal(rows.read(shape), moved)
    refused = lib.rf_net_state_copy(net.net, 4, rows.state.pointer, 3, 2, other.state.pointer, 0, 2)
    assert refused == lib.RF_ERROR_RANGE
    assert lib.rf_net_state_read(net.net, 1, 4, rows.state.pointer, *pointers) == lib.RF_ERROR_RANGE


LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    "from_batch, from_row, to_batch, to_row, count",
    [
        *[(LEAST, 0, 4, 0, 1), (LEAST, 0, LEAST, 0, MOST), (-1, 0, 4, 0, 0), (4, 0, -1, 0, 0), (4, 0, LEAST, 0, 2)],
        *[(4, MOST, 4, 0, 1), (4, 0, 4, MOST, 1), (4, LEAST, 4, 0, 1), (4, 0, 4, -1, 1), (4, 1, 4, 1, MOST)],
        *[(4, 0, 4, 0, LEAST), (4, 0, 4, 0, -1), (4, 5, 4, 0, 0), (4, 3, 4, 0, 2), (MOST, MOST, 4, 4, 1)],
    ],
)
def test_rows_that_are_not_there_are_not_copied(
    from_batch: int, from_row: int, to_batch: int, to_row: int, count: int
) -> None:
    lib = library()[1]
    rows = Rows(handle(problem_of(batch=4)), 4, "float32")
    before, state = rows.state.bytes.copy(), rows.state.pointer
    status = lib.rf_net_state_copy(rows.net.net, from_batch, state, from_row, to_batch, state, to_row, count)
    assert status == lib.RF_ERROR_RANGE
    np.testing.assert_array_equal(rows.state.bytes, before)
    assert lib.rf_net_state_copy(rows.net.net, 4, state, 4, 4, state, 4, 0) == lib.RF_OK
