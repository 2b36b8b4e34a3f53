"""One layer backward by the cluster kernels in the emulator: records from their forward, products of d by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from cluster_forward import run_forward, tables
from ptx_emulator import PtxEmulator
from support import Results, live_and_cut

from rnnfast.backends.cuda.cluster.backward_launch import backward_launch
from rnnfast.backends.cuda.cluster.gradients import GRADIENTS
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.cuda.driver.scalars import fields_of
from rnnfast.backends.reference.dropout import recurrent_mask
from rnnfast.problem import Array, Problem

WRITTEN = "d", "first_h", "first_c"


def recorded(problem: Problem) -> Results:
    """What forward leaves for backward."""
    return run_forward(problem, PtxEmulator(), record=True)


def run_backward(
    problem: Problem, records: Results, emulator: PtxEmulator, *, batch_first: bool = False, tile_rows: int = ROWS,
    **options: Any,
) -> Results:  # fmt: skip
    """d and the gradients of the first states, stacked by direction, and the error word."""
    directions, (t, b, h) = problem.num_directions, (problem.steps, problem.batch, problem.hidden_size)
    found, cell = tables(problem, tile_rows), GRADIENTS[problem.cell]
    launch = backward_launch(problem.cell, h, b, directions, ragged=found is not None, tile_rows=tile_rows)
    kernel = launch.kernel(emulator.operations, **options)
    given: dict[str, Array | None] = {name: records.get(name) for name in ("gates", "c", "h")}
    given |= {"weight": np.stack(problem.weight_hh), "last_h": problem.dh_n, "last_c": problem.dc_n}
    if problem.recurrent_dropout:
        given["mask"] = np.stack([recurrent_mask(problem, k, problem.dropout_seed) for k in range(directions)])
    given["flags"] = None if found is None else found.flags
    dy = None if problem.dy is None else np.ascontiguousarray(problem.dy.swapaxes(0, 1) if batch_first else problem.dy)
    given |= {"dy": dy, "d": np.full((directions, t, b, cell.slots * h), np.nan, np.float32)}
    for name in ("first_h", "first_c")[: 1 + cell.reads_c]:
        given[name] = np.full((directions, b, h), np.nan, np.float32)
    error = np.zeros(1, np.uint32)
    if found is not None:
        given |= {"order": found.order, "spans": found.spans}
        given["lengths"] = None if problem.lengths is None else problem.lengths.astype(np.int32)
    values: dict[str, Any] = {name: emulator.place(a, writable=name in WRITTEN) for name, a in given.items()}
    values |= {f"{name}_away": a[0].nbytes for name, a in given.items() if a is not None and a.ndim > 1}
    values |= {"dy_away": 4 * h, "error": emulator.place(error, writable=True), "steps": t, "batch": b, "size": h}
    if dy is not None:
        values |= dict(zip(("dy_step", "dy_row"), dy.strides[1::-1] if batch_first else dy.strides[:2], strict=True))
    values |= {"first_direction": problem.direction(0), "tile_rows": tile_rows}
    arguments = [getattr(np, field.numba)(values.get(field.name, 0)) for field in fields_of(kernel)]
    emulator.launch(kernel, launch.grid, launch.threads, *arguments, cluster=launch.cluster, shared=launch.shared)
    return {"error": error, **{name: a for name in WRITTEN if (a := given.get(name)) is not None}}


def gradients(problem: Problem, records: Results, found: Results) -> Results:
    """All gradients of the layer, by the names of results: the products of d that follow the kernel, in float64."""
    h, cell, dx = problem.hidden_size, GRADIENTS[problem.cell], np.zeros(problem.x.shape)
    live = live_and_cut(problem)[0][..., None]
    named: Results = {"dh0": found["first_h"]} | ({"dc0": found["first_c"]} if cell.reads_c else {})
    for k in range(problem.num_directions):
        d = np.where(live, found["d"][k], 0).astype(np.float64)
        with_x = d[..., : cell.gates * h]
        with_h = np.concatenate([d[..., slot * h : (slot + 1) * h] for slot in cell.recurrent], -1)
        entered = records.get("operand", records["h"])[k]
        entered = np.where(live, entered[1:] if problem.direction(k) else entered[:-1], 0).astype(np.float64)
        dx += with_x @ problem.weight_ih[k].astype(np.float64)
        x = np.where(live, problem.x, 0).astype(np.float64)
        named |= {f"d_weight_ih[{k}]": np.einsum("tbg,tbi->gi", with_x, x)}
        named |= {f"d_weight_hh[{k}]": np.einsum("tbg,tbh->gh", with_h, entered)}
        if problem.bias_ih is not None:
            named |= {f"d_bias_ih[{k}]": with_x.sum((0, 1)), f"d_bias_hh[{k}]": with_h.sum((0, 1))}
    return named | {"dx": dx}
