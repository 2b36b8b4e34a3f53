"""Problems and what one instruction set makes of them, in a file for replay.c: `python recorded.py FILE ISA`."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from handles import Rows, handle
from support import GRADIENTS, OUTPUTS, PARAMETERS, Results, Spec, make_problem, outputs_of, run

from rnnfast.backends.c import backend as c
from rnnfast.backends.common import whole
from rnnfast.problem import CELLS, Array, Problem

LINE = 64
HEADER = "<64s32s11qQq3d"
INPUTS = ("x", "h0", "c0", "dy", "dh_n", "dc_n", "lengths", "mask", "resets")
FUNCTIONS = ("exp", "tanh", "logistic")
RAGGED: dict[str, Any] = {"lengths": True, "mask": True, "resets": True}
DROPOUT = {"dropout": 0.5, "input_dropout": 0.25, "recurrent_dropout": 0.3, "first_row": 5}
EVERYTHING: dict[str, Any] = {"layers": 2, "directions": 2, "masked_output": "hold", **RAGGED}
SMALL: dict[str, dict[str, Any]] = {
    "plain": {"steps": 20, "batch": 7, "input_size": 9, "hidden_size": 17},
    "one row, layers": {"steps": 9, "batch": 1, "input_size": 5, "hidden_size": 24, "layers": 3},
    "one unit": {"steps": 4, "batch": 2, "input_size": 1, "hidden_size": 1, "bias": False, "states": False},
    "ragged": {"steps": 12, "batch": 6, "input_size": 33, "hidden_size": 12, **RAGGED},
    "all options": {"steps": 9, "batch": 5, "input_size": 9, "hidden_size": 33, **EVERYTHING},
    "dropout": {"steps": 5, "batch": 3, "input_size": 10, "hidden_size": 19, **EVERYTHING, **DROPOUT},
    "one step": {"steps": 1, "batch": 13, "input_size": 70, "hidden_size": 37},
    "saturated": {"steps": 6, "batch": 4, "input_size": 8, "hidden_size": 11, "scale": 60.0},
}
LARGE: dict[str, dict[str, Any]] = {
    "rows shared out": {"steps": 4, "batch": 70, "input_size": 40, "hidden_size": 64, "layers": 2, **RAGGED},
    "units shared out": {"steps": 3, "batch": 6, "input_size": 130, "hidden_size": 265, **RAGGED},
    "long rows": {"steps": 2, "batch": 2, "input_size": 300, "hidden_size": 137},
}
NARROW = ("plain", "one row, layers", "all options", "units shared out", "long rows")
"""Nets whose weights are kept in each of these types, too, by what rnnfast.h calls it."""
WEIGHT_TYPES: dict[Any, int] = {"bfloat16": 2, "int8": 3}
HEAD = 21
"""Outputs of the linear layer above a net."""
ENDS = {"infinite": np.inf, "not a number": np.nan, "subnormal": 1e-39, "tiny": 1e-37}
"""What one row of x consists of, beside others; of float64 the last two are as small."""


def _array(value: Array | None) -> bytes:
    """An array's bytes, their number before them, each from a line on."""
    if value is None:
        return bytes(LINE)
    data = np.ascontiguousarray(value).tobytes()
    return struct.pack("<q", len(data)).ljust(LINE, b"\0") + data + bytes(-len(data) % LINE)


def _header(name: str, cell: str, *numbers: float) -> bytes:
    head = struct.pack(HEADER, name.encode(), cell.encode(), *numbers)
    return head + bytes(-len(head) % LINE)


def _head(problem: Problem, isa: str) -> list[Array | None]:
    """A linear layer's weight and bias, and what comes of activations above it; none where there is dropout."""
    if problem.dropout or problem.input_dropout or problem.recurrent_dropout:
        return [None, None, None]
    rng = np.random.default_rng(problem.hidden_size)
    width = problem.state_size * problem.num_directions
    weight, bias = (rng.standard_normal(shape).astype(problem.dtype) for shape in ((HEAD, width), (HEAD,)))
    made = handle(replace(problem, variant=isa), [(weight, bias), "tanh", "relu", "sigmoid", "softmax"])
    ragged = {name: getattr(problem, name) for name in ("lengths", "mask", "resets")}
    return [weight, bias, Rows(made, problem.batch, problem.dtype, problem.steps).forward(problem.x, **ragged)]


def _inference(problem: Problem, isa: str) -> Results:
    """Results of weights of a narrow type, which no gradients go with."""
    problem = replace(problem, variant=isa, record=False, frozen=True, cache={}, dx=None, dh0=None, dc0=None)
    for name in GRADIENTS:
        setattr(problem, name, None)
    whole.forward(c, problem)
    return outputs_of(problem)


def net(name: str, problem: Problem, isa: str) -> bytes:
    """A problem and its results, all but norms: what an instruction set of the C library makes of it."""
    results = _inference(problem, isa) if problem.weights else run(c, replace(problem, variant=isa))
    p, count = problem, problem.num_layers * problem.num_directions
    sizes = (p.num_layers, p.num_directions, p.steps, p.batch, p.input_size, p.hidden_size, p.state_size)
    kinds = (p.dtype == "float64", WEIGHT_TYPES.get(p.weights, p.dtype == "float64"))
    dropout = (p.dropout_seed, p.first_row, p.dropout, p.input_dropout, p.recurrent_dropout)
    head = _header(name, p.cell, -1, *kinds, *sizes, p.masked_output == "hold", *dropout)
    tables = [getattr(p, table) or [None] * count for table in PARAMETERS]
    weight, bias, head_y = _head(problem, isa)
    arrays = [a for table in tables for a in table] + [getattr(p, name) for name in INPUTS] + [weight, bias]
    arrays += [results.get(name) for name in OUTPUTS] + [head_y]
    arrays += [results.get(f"d_{table}[{k}]") for table in PARAMETERS for k in range(count)]
    return head + b"".join(map(_array, arrays))


def _drawn(dtype: Any, seed: int) -> Array:
    """Numbers of all sizes, of every exponent, and all that are special."""
    rng, kind = np.random.default_rng(seed), np.finfo(dtype)
    whole = np.dtype(f"u{kind.bits // 8}")
    patterns = rng.integers(0, np.iinfo(whole).max, 40_000, whole, endpoint=True).view(dtype)
    special = np.array([0, np.inf, np.nan, kind.tiny, kind.smallest_subnormal, kind.max, 1, 87.5, 88.8, 709.8], dtype)
    return np.concatenate([patterns, rng.uniform(-100, 100, 40_000).astype(dtype), special, -special])


def functions(dtype: str, isa: str) -> Iterator[bytes]:
    """Each element-wise function of numbers of all sizes."""
    for n, name in enumerate(FUNCTIONS):
        x = _drawn(np.dtype(dtype), n)
        head = _header(f"{name}, {dtype}", name, n, dtype == "float64", *[0] * 14)
        yield head + _array(x) + _array(c.elementwise(name, x, isa))


def problems(
    cell: str, dtype: str, nets: dict[str, dict[str, Any]], types: Any, most: int
) -> Iterator[tuple[str, Problem]]:
    """Random nets of a cell, and one whose rows are no ordinary numbers; some with weights of these types, too.

    most: rows of a batch of those last.
    """
    for name, words in nets.items():
        yield f"{cell}, {dtype}, {name}", make_problem(Spec(cell, **words), dtype)
    problem = make_problem(Spec(cell, steps=5, batch=len(ENDS) + 3, input_size=6, hidden_size=10), dtype)
    small = np.finfo(dtype).tiny / np.finfo(np.float32).tiny
    assert problem.x is not None
    for row, end in enumerate(ENDS.values()):
        problem.x[:, row] = end * small if np.isfinite(end) else end
    yield f"{cell}, {dtype}, no ordinary numbers", problem
    for weights in types if dtype == "float32" else ():
        for name in (name for name in NARROW if name in nets):
            narrow = make_problem(Spec(cell, **nets[name] | {"batch": min(nets[name]["batch"], most)}), dtype)
            yield f"{cell}, {weights}, {name}", replace(narrow, weights=weights)


def write(
    path: Path,
    isa: str,
    nets: dict[str, dict[str, Any]],
    cells: Any = tuple(CELLS),
    types: Any = tuple(WEIGHT_TYPES),
    most: int = 99,
) -> None:
    """A file of all these, in both number types."""
    with path.open("wb") as file:
        for dtype in ("float32", "float64"):
            file.writelines(functions(dtype, isa))
            for cell in cells:
                file.writelines(net(name, problem, isa) for name, problem in problems(cell, dtype, nets, types, most))


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], SMALL | LARGE)
