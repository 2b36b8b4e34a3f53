"""The forward part of every call: arguments, the prepared call of their form, results, the run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.backends.contract import ForwardArrays
from rnnfast.calls import states
from rnnfast.calls.arguments import read_flags, read_lengths, read_out, read_x
from rnnfast.calls.prepared import INFERENCE, RECORDED, TRAINING, Engine, Prepared
from rnnfast.problem import Array
from rnnfast.segments.runner import segmented


class Call(NamedTuple):
    """What a call read, which is what its backward reads again, and what it left for that."""

    prepared: Prepared
    access: Access
    x: Array
    start: states.States
    lengths: Array | None
    mask: Array | None
    resets: Array | None
    reserve: Any

    def with_views(self) -> Call:
        """Return the same on arrays of its own that share the memory of these."""
        prepared, access, x, start, lengths, mask, resets, reserve = self
        if start:
            start = tuple([None if array is None else array.view() for array in start])
        return Call(prepared, access, x.view(), start, lengths, mask, resets, reserve)


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
    y, final, _ = run(engine, INFERENCE, x, state, lengths, mask, resets, out)
    return y, final


def record(
    engine: Engine,
    x: Any,
    state: Any = None,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
    *,
    train: bool,
    dropout_seed: int,
    memory: Any = "full",
    truncate: Any = None,
) -> tuple[Any, Any, Call]:
    """Run for a backward as well: y, the final state and the call. Raises as `forward` and `segments.plan.choose`."""
    how = TRAINING if train else RECORDED
    cut = None if truncate is None and type(memory) is str and memory == "full" else (memory, truncate)
    return run(engine, how, x, state, lengths, mask, resets, None, dropout_seed, cut)


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
) -> tuple[Any, Any, Call]:
    """Run a call. `cut` is what `record` was told of memory and truncation, None where its steps stay together."""
    access: Access = host
    plain = (
        type(x) is np.ndarray
        and x.dtype is engine.dtype
        and (flags := x.flags).c_contiguous
        and flags.aligned
        and engine.on_host
    )
    prepared = engine.forms.get((how, x.shape)) if plain and cut is None else None
    if prepared is None:
        access, x, layout = read_x(engine, x)
        prepared = engine.prepared(how, x.shape, layout) if cut is None else segmented_call(engine, how, x, layout, cut)
    if not engine.frozen:
        engine.parameters.check()

    # Results first: sizes beyond memory must end here, before anything walks inputs that a broadcast made huge.
    dtype = engine.dtype
    y = access.empty(prepared.y_shape, dtype) if out is None else read_out(engine, prepared, access, out)
    final = tuple([access.empty(prepared.state_shape, dtype) for _ in engine.net.states])
    if not plain:
        x = access.strided(x)
    start = () if state is None else states.read("state", state, engine.net, prepared.state_shape, access)
    if lengths is not None or mask is not None or resets is not None:
        lengths = read_lengths(lengths, prepared, access)
        mask, resets = (read_flags(n, a, prepared, access) for n, a in (("mask", mask), ("resets", resets)))
    if out is not None:
        seen = [access.as_array("out", y)]
        x, mask, resets = (access.apart(array, seen) for array in (x, mask, resets))
        start = tuple(access.apart(array, seen) for array in start)
    if access is host:
        arrays = ForwardArrays(x, y, start, final, lengths, mask, resets)
    else:
        ends = [access.as_array("state", array) for array in final]
        arrays = ForwardArrays(x, access.as_array("y", y), start, ends, lengths, mask, resets, access.library)
    reserve = prepared.bound.run(arrays, dropout_seed)
    return y, states.joined(final), Call(prepared, access, x, start, lengths, mask, resets, reserve)


def segmented_call(engine: Engine, how: int, x: Array, layout: Any, cut: tuple[Any, Any]) -> Prepared:
    """Prepare a call whose steps may be cut, by its arguments `memory` and `truncate`."""
    steps, batch = layout.sizes(x.shape)
    binder = segmented(engine.backend, engine.problem(how, steps, batch), *cut, on_host=engine.on_host)
    if binder is None:
        return engine.prepared(how, x.shape, layout)
    return engine.bound(binder, how, x.shape, layout)
