"""Steps of a stream inside functions that Numba compiles: `step` costs what the library's own call from C costs.

>>> import numba, numpy as np, rnnfast
>>> from rnnfast.integrations.numba import rows_of, step
>>> @numba.njit
... def through(rows, xs, ys):
...     for t in range(len(xs)):
...         step(rows, xs[t], ys[t])
>>> stream = rnnfast.GRU(3, 4, seed=0).stream()
>>> ys = np.empty((100, 4), np.float32)
>>> through(rows_of(stream), np.ones((100, 3), np.float32), ys)
>>> bool((stream.state[0] == ys[-1]).all())
True
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from rnnfast.backends.c.library import is_built, library
from rnnfast.backends.c.stepping import Stepping
from rnnfast.modules.stream import Stream
from rnnfast.problem import Array


class Rows(NamedTuple):
    """The rows of a stream as compiled code takes them; whoever has them keeps the net and its states alive."""

    net: int
    """The address of the library's net."""
    batch: int
    inputs: int
    """Numbers of x and of y in all rows together."""
    outputs: int
    state: Array
    workspace: Array
    number: Array
    """(0,): of the dtype that x and y have."""


class _Kept:
    """Memory that an array made of it keeps alive, and with it `owner`."""

    def __init__(self, memory: Array, owner: Any) -> None:
        self.__array_interface__, self.kept = memory.__array_interface__, (memory, owner)


def rows_of(stream: Stream[Any]) -> Rows:
    """Return the rows of a stream on the backend "c": steps in compiled code move its own state on.

    Nothing keeps a second thread from the same rows meanwhile: give each a `stream.copy()`. They run on as
    many threads as `set_num_threads` allows now. Raises TypeError for what is no stream of one net, ValueError where it
    runs on another backend.
    """
    if not isinstance(stream, Stream):
        kind = type(stream).__name__
        raise TypeError(f"stream is of type {kind}, expected what lstm.stream() or fast.stream() returns")
    steps = stream.steps
    if not isinstance(steps, Stepping):
        raise ValueError(
            'this stream does not run in the C library, whose steps are called: make its net with backend="c", or '
            "choose that by rnnfast.use_backend"
        )
    net, batch, inputs, outputs, state, workspace, owner = steps.memory()
    state, workspace = (np.asarray(_Kept(memory, owner)) for memory in (state, workspace))
    return Rows(net, batch, batch * inputs, batch * outputs, state, workspace, np.empty(0, steps.dtype))


def _step_call() -> Any:
    """Return rf_net_step as Numba calls it."""
    ffi, lib = library()
    kind = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_int64, *[ctypes.c_void_p] * 4)
    return kind(int(ffi.cast("uintptr_t", ffi.addressof(lib, "rf_net_step"))))


_call: Any = _step_call() if is_built() else None


def step(rows: Rows, x: Array, y: Array) -> None:
    """Make one step: read x, write the output to y, move the state on. For use in functions that Numba compiles.

    rows: by `rows_of`. x (batch, I) and y (batch, H), or (I,) and (H,) where batch is 1, C-contiguous, of the net's
    dtype, y writeable, apart from one another. Nothing is allocated. Raises ValueError for other sizes, and in Python
    for a y that is read-only, TypeError for what is no such array; when compiling a TypingError for all but sizes.
    """
    if not isinstance(rows, Rows):
        raise TypeError(f"rows is of type {type(rows).__name__}, expected what rows_of(stream) returns")
    for name, array in (("x", x), ("y", y)):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} is of type {type(array).__name__}, expected a NumPy array of {rows.number.dtype}")
        if array.dtype != rows.number.dtype or not array.flags.c_contiguous:
            raise TypeError(f"{name} must be a C-contiguous array of {rows.number.dtype}: pass a copy")
    if not y.flags.writeable:
        raise ValueError("y is read-only, expected an array to write the output into")
    if x.size != rows.inputs or y.size != rows.outputs:
        raise ValueError("x or y has another size than the stream's rows: expected (batch, I) and (batch, H)")
    arrays = x, y, rows.state, rows.workspace
    _call(rows.net, rows.batch, *[array.ctypes.data for array in arrays])


@overload(step)
def _compiled(rows: Any, x: Any, y: Any) -> Any:
    if not (isinstance(rows, types.NamedTuple) and rows.instance_class is Rows):
        raise TypingError(f"rows is of type {rows}, expected what rows_of(stream) returns")
    number = rows.types[Rows._fields.index("number")].dtype
    for name, array in (("x", x), ("y", y)):
        if not (isinstance(array, types.Array) and array.dtype == number and array.layout == "C"):
            raise TypingError(f"{name} is of type {array}, expected a C-contiguous array of {number}: pass a copy")
    if not y.mutable:
        raise TypingError(f"y is of type {y}, which is read-only, expected an array to write the output into")
    call = _call

    def made(rows: Any, x: Any, y: Any) -> Any:
        if x.size != rows.inputs or y.size != rows.outputs:
            raise ValueError("x or y has another size than the stream's rows: expected (batch, I) and (batch, H)")
        call(rows.net, rows.batch, x.ctypes, y.ctypes, rows.state.ctypes, rows.workspace.ctypes)

    return made
