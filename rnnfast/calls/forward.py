"""The forward part of every call: arguments, the prepared call of their form, results, the run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.backends.contract import ForwardArrays
from rnnfast.calls import states
from rnnfast.calls.arguments import read_flags, read_layout, read_lengths, read_out
from rnnfast.calls.prepared import INFERENCE, RECORDED, TRAINING, Engine, Prepared
from rnnfast.problem import Array
from rnnfast.segments.runner import segmented


class Call(NamedTuple):
    """A call that ran: what it read, which its backward reads again, and what it left for that."""

    prepared: Prepared
    access: Access
    x: Array
    start: states.States
    lengths: Array | None
    mask: Array | None
    resets: Array | None
    reserve: Any
    dense: bool
    """Whether x is known to have no gaps."""


new_tuple = tuple.__new__
"""Makes a named tuple of a plain one in a third of the time."""


def forward(
    engine: Engine,
    x: Any,
    state: Any = None,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
    out: Any = None,
) -> tuple[Any, Any]:
    """Run for the results alone: y and the final state, h or (h, c).

    Raises ValueError for a wrong rank, size or value, TypeError for a wrong kind or dtype, MemoryError for sizes
    beyond memory; every message names the argument.
    """
    y, final, *_ = run(engine, INFERENCE, x, state, lengths, mask, resets, out)
    return y, final


def record(
    engine: Engine, inputs: tuple[Any, ...], train: bool, dropout_seed: int, memory: Any = "full", truncate: Any = None
) -> tuple[Any, Any, Call]:
    """Run for a backward as well: y, the final state and the call. Raises as `forward` and `segments.plan.choose`.

    `inputs`: x, the state, lengths, mask and resets.
    """
    how = TRAINING if train else RECORDED
    cut = None if truncate is None and type(memory) is str and memory == "full" else (memory, truncate)
    x, state, lengths, mask, resets = inputs
    done = run(engine, how, x, state, lengths, mask, resets, None, dropout_seed, cut)
    y, final, prepared, access, x, start, *rest = done
    if access is host:  # inputs as views: the caller's own arrays can get another shape in place
        x = x.view()
        if start:
            start = tuple([None if array is None else array.view() for array in start])
    return y, final, new_tuple(Call, (prepared, access, x, start, *rest))


def run(
    engine: Engine,
    how: int,
    x: Any,
    state: Any,
    lengths: Any,
    mask: Any,
    resets: Any,
    out: Any = None,
    dropout_seed: int = 0,
    cut: tuple[Any, Any] | None = None,
) -> tuple[Any, ...]:
    """Run a call: y, the final state and what a `Call` has.

    `cut` is what `record` was told of memory and truncation, None where the steps stay together.
    """
    dtype, net = engine.dtype, engine.net
    access: Access = host
    new: Any = np.empty
    plain = (
        type(x) is np.ndarray
        and (x.dtype is dtype or x.dtype == dtype)
        and (flags := x.flags).c_contiguous
        and flags.aligned
        and engine.on_host
    )
    prepared = engine.forms.get((how, x.shape)) if plain and cut is None else None
    if prepared is None:
        access, x, prepared = _prepare(engine, how, x, cut)
    if access is not host:
        new = access.new
    if not engine.frozen:
        engine.check()

    # Results first: sizes beyond memory must end here, before anything walks inputs that a broadcast made huge.
    y = new(prepared.y_shape, dtype) if out is None else read_out(engine, prepared, access, out)
    shapes = prepared.state_shapes
    final = (new(shapes[0], dtype), new(shapes[1], dtype)) if engine.two_states else (new(shapes[0], dtype),)
    if not plain:
        x = access.strided(x)
    start = () if state is None else states.read("state", state, net, shapes, access)
    if lengths is not None or mask is not None or resets is not None:
        lengths = read_lengths(lengths, prepared, access)
        mask, resets = read_flags("mask", mask, prepared, access), read_flags("resets", resets, prepared, access)
    arrays = (x, y, start, final, lengths, mask, resets, access.library, plain and out is None, None)
    if out is not None:
        x, _, start, _, _, mask, resets, *_ = arrays = _apart(arrays, access)
    reserve = prepared.bound.run(new_tuple(ForwardArrays, arrays), dropout_seed)
    if access is not host:
        y, final = access.result(y) if out is None else out, tuple([access.result(array) for array in final])
    state = final if engine.two_states else final[0]
    return y, state, prepared, access, x, start, lengths, mask, resets, reserve, plain


def _prepare(engine: Engine, how: int, x: Any, cut: tuple[Any, Any] | None) -> tuple[Access, Array, Prepared]:
    """Read x, and find or make the prepared call of its form; one whose steps are cut is made for itself.

    x is a view, as the caller's array can get another shape in place before it is read.
    """
    access = engine.access(x)
    array = access.as_array("x", x)
    form = None
    if access is host:
        array = array.view()
    elif cut is None:
        form = how, array.shape, array.strides, array.dtype
        if (known := engine.seen.get(form)) is not None:
            return access, array, known
    layout = read_layout(engine, array, x)
    if cut is not None:
        steps, batch = layout.sizes(array.shape)
        binder = segmented(engine.backend, engine.problem(how, steps, batch), *cut, on_host=engine.on_host)
        if binder is not None:
            return access, array, engine.bound(binder, how, array.shape, layout)
    return access, array, engine.prepared(how, array.shape, layout, form)


def _apart(arrays: tuple[Any, ...], access: Access) -> tuple[Any, ...]:
    """Return what backends see where y is the caller's `out`: inputs apart from that."""
    x, y, start, final, lengths, mask, resets, library, dense, parameters = arrays
    y = access.as_array("out", y).view()
    x, mask, resets = (access.apart(array, (y,)) for array in (x, mask, resets))
    start = tuple([access.apart(array, (y,)) for array in start])
    return x, y, start, final, lengths, mask, resets, library, dense, parameters
