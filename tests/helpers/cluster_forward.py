"""One layer forward by the cluster kernels in the emulator: products of the inputs by NumPy, the rest as a launch."""

from __future__ import annotations

from typing import Any

import numpy as np
from ptx_emulator import PtxEmulator
from ragged_tables import TileTables, tile_tables
from support import Results

from rnnfast.backends.cuda.cluster.launch import forward_launch
from rnnfast.backends.cuda.cluster.shape import ROWS
from rnnfast.backends.reference.dropout import recurrent_mask
from rnnfast.problem import CELLS, Array, Problem

NAMES = ("x", "weight", "bias", "h0", "c0", "mask", "flags", "y", "last_h", "last_c", "gates", "c", "h", "operand")
"""Arrays that each direction has its own of, in the order of the kernel's arguments."""
WRITTEN = NAMES[7:]


def input_products(problem: Problem, k: int) -> Array:
    """W_ih x and the biases that are added to it, (T, B, G H), rounded once."""
    x = problem.x.astype(np.float64) @ problem.weight_ih[k].T.astype(np.float64)
    if problem.bias_ih is not None and problem.bias_hh is not None:
        x += problem.bias_ih[k].astype(np.float64)
        with_x = slice(0, 2 * problem.hidden_size) if problem.cell == "gru" else slice(None)
        x[..., with_x] += problem.bias_hh[k][with_x].astype(np.float64)
    return x.astype(np.float32)


def tables(problem: Problem, tile_rows: int = ROWS) -> TileTables | None:
    """What describes rows that differ; where their lengths say all, without flags."""
    given, directions = (problem.lengths, problem.mask, problem.resets), range(problem.num_directions)
    if all(a is None for a in given) and not problem.recurrent_dropout:
        return None
    found = tile_tables(
        (problem.steps, problem.batch), given, tuple([problem.direction(d) for d in directions]), tile_rows
    )
    return found if any(a is not None for a in given[1:]) else found._replace(flags=None)  # type: ignore[arg-type]


def run_forward(
    problem: Problem, emulator: PtxEmulator, *, record: bool = False, batch_first: bool = False, tile_rows: int = ROWS,
    **options: Any,
) -> Results:  # fmt: skip
    """Run one layer; y, h_n and c_n by the problem's names, and what is recorded, stacked by direction."""
    directions, (t, b, h) = range(problem.num_directions), (problem.steps, problem.batch, problem.hidden_size)
    found = tables(problem, tile_rows)
    launch = forward_launch(
        problem.cell, h, b, len(directions), ragged=bool(found), recorded=record, tile_rows=tile_rows
    )
    kernel, place = launch.kernel(emulator.operations, **options), emulator.place
    slots, states = CELLS[problem.cell].slots, CELLS[problem.cell].states
    kept = {"gates": (t, b, slots * h), "h": (t + 1, b, h)} | ({"c": (t + 1, b, h)} if "c" in states else {})
    kept |= {"operand": (t + 1, b, h)} if problem.recurrent_dropout else {}
    y = np.full((b, t, 2 * h) if batch_first else (t, b, 2 * h), np.nan, np.float32)
    given: dict[str, Array | None] = {"h0": problem.h0, "c0": problem.c0, "mask": None, "flags": None, "bias": None}
    given["x"] = np.stack([input_products(problem, k) for k in directions])
    given["weight"] = np.stack(problem.weight_hh)
    if problem.cell == "gru" and problem.bias_hh is not None:
        given["bias"] = np.stack([bias[2 * h :] for bias in problem.bias_hh])
    if problem.recurrent_dropout:
        given["mask"] = np.stack([recurrent_mask(problem, k, problem.dropout_seed) for k in directions])
    lengths = None
    if found is not None:
        given["flags"] = found.flags
        lengths = None if problem.lengths is None else problem.lengths.astype(np.int32)
    given |= {f"last_{s}": np.full((len(directions), b, h), np.nan, np.float32) for s in states}
    if record:
        given |= {name: np.full((len(directions), *shape), np.nan, np.float32) for name, shape in kept.items()}
    arguments: list[Any] = []
    for name in NAMES:
        if name == "flags":
            arguments.append(place(lengths))
        a = y if name == "y" else given.get(name)
        address = place(a, writable=name in WRITTEN)
        away = 4 * h if name == "y" else 0 if a is None else a[0].nbytes
        arguments += [address, np.uint64(away)]
    error = np.zeros(1, np.uint32)
    arguments += [np.uint64(0)] * 2 if found is None else [place(found.order), place(found.spans)]
    arguments.append(place(error, writable=True))
    width = len(CELLS[problem.cell].gates) * h
    y_steps = (y.strides[1], y.strides[0]) if batch_first else y.strides[:2]
    arguments += [np.uint64(n) for n in (4 * b * width, 4 * width, *y_steps)]
    arguments += [t, b, h, problem.direction(0), tile_rows]
    emulator.launch(kernel, launch.grid, launch.threads, *arguments, cluster=launch.cluster, shared=launch.shared)
    shown = y.swapaxes(0, 1) if batch_first else y
    results = {"y": shown[..., : len(directions) * h], "error": error}
    results |= {f"{s}_n": a for s in states if (a := given[f"last_{s}"]) is not None}
    return results | {name: a for name in kept if (a := given.get(name)) is not None}
