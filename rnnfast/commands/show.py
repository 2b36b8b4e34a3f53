"""`rnnfast show`: a model's parts and their sizes, what was converted, and what a step of each costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnfast.commands.model import is_batch_first, opened, sizes_of
from rnnfast.commands.options import Options
from rnnfast.modules.recurrent import NETS
from rnnfast.net.loading import LEARNED
from rnnfast.nn.activation import Activation
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.sequential import Sequential
from rnnfast.nn.steps import Last, Steps

ROUNDS, SECONDS, RUN = 20, 0.002, 256
"""Of every part so many rounds are timed, each so long; the fastest counts. The last: steps that are run at once."""
TITLES = ("part", "what it is", "in", "out", "parameters", "products", "µs a step")
NOTE = """
products: multiply-adds of a step. µs: one row, step by step, called from Python; –: it must see a whole sequence."""


def run(options: Options) -> None:
    """Print all of it. Raises UserError."""
    found, model = opened(options)
    rate = f", made for {found.sample_rate:g} samples a second" if found.sample_rate else ""
    print(f"{options.model}: a model of {found.library}{rate}, {sizes_of(model).dtype.name}")
    for line in found.remarks:
        print(f"  {line}")
    print()
    _print_table(_rows(model))
    print(NOTE)
    _print_run(model, found.sample_rate)
    for name, said in found.conversions.items():
        print(f"converted: {name}: {said}")
    for name, state in model.initial_states.items():
        arrays = state if isinstance(state, tuple) else (state,)
        there = [kind for kind, array in zip(LEARNED, arrays, strict=False) if array is not None]
        print(f"learned: {name} begins with the {' and '.join(there)} of the file")


def _rows(model: Sequential) -> list[list[str]]:
    """Return the table: a row for each part, then the model."""
    rows, width = [list(TITLES)], sizes_of(model).inputs or 1
    parameters, products = 0, 0
    for name, part in model.parts.items():
        count, work = sum(array.size for array in part.parameters.values()), _products(part)
        takes, gives = _sizes(part, width)
        step = _step_of(part, takes)
        cost = "–" if step is None else f"{_microseconds(step):.2g}"
        rows.append([name, _said(part), str(takes), str(gives), f"{count:,}", f"{work:,}", cost])
        parameters, products, width = parameters + count, products + work, gives
    stream = None if any(row[-1] == "–" for row in rows) else _stream(model)
    cost = "–" if stream is None else f"{_microseconds(stream):.2g}"
    return [*rows, ["model", "", rows[1][2], str(width), f"{parameters:,}", f"{products:,}", cost]]


def _print_run(model: Sequential, rate: float | None) -> None:
    """Print what a step costs among many at once, of a model that can be streamed."""
    try:
        stream, sizes = model.stream(), sizes_of(model)
    except ValueError:  # it must see a whole sequence
        return
    shape = (1, RUN) if is_batch_first(model) else (RUN, 1)
    x = np.zeros(shape, np.int64) if sizes.takes_indices else np.zeros((*shape, sizes.inputs or 1), sizes.dtype)
    cost = _microseconds(lambda: stream.run(x)) / RUN
    times = f", {1e6 / rate / cost:,.3g} times real time" if rate else ""
    print(f"{RUN} steps at once, stream.run: {cost:.2g} µs a step{times}")


def _print_table(rows: list[list[str]]) -> None:
    widths = [max(len(row[n]) for row in rows) for n in range(len(TITLES))]
    for row in rows:
        texts = [cell.ljust(width) for cell, width in zip(row[:2], widths, strict=False)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        print("  ".join([*texts, *numbers]))


def _said(part: Any) -> str:
    if isinstance(part, NETS):
        return repr(part)
    return part.function if isinstance(part, Activation) else type(part).__name__


def _sizes(part: Any, width: int) -> tuple[int, int]:
    """Return the features that a part takes, of an embedding the one index, and gives; others pass on what comes."""
    if isinstance(part, NETS):
        return part.net.input_size, part.net.output_size
    if isinstance(part, Linear):
        return part.in_features, part.out_features
    return (1, part.embedding_dim) if isinstance(part, Embedding) else (width, width)


def _products(part: Any) -> int:
    """Return the multiply-adds of one step of one row: each weight of a matrix once."""
    if isinstance(part, (*NETS, Linear)):
        return sum(array.size for array in part.parameters.values() if array.ndim == 2)
    return 0


def _step_of(part: Any, takes: int) -> Callable[[], Any] | None:
    """Return a call that makes one step of a part, None where it has no steps."""
    if isinstance(part, Embedding):
        index = np.zeros(1, np.int64)
        return lambda: part(index)
    x = np.zeros((1, takes), part.net.dtype if isinstance(part, NETS) else getattr(part, "dtype", np.float32))
    if isinstance(part, Last):
        return lambda: x
    if isinstance(part, Steps) or (isinstance(part, NETS) and part.net.bidirectional):
        return None
    if not isinstance(part, NETS):
        return lambda: part(x)
    stream = part.stream()
    return lambda: stream.step(x)


def _stream(model: Sequential) -> Callable[[], Any]:
    sizes, stream = sizes_of(model), model.stream()
    x = np.zeros(1, np.int64) if sizes.takes_indices else np.zeros((1, sizes.inputs or 1), sizes.dtype)
    return lambda: stream.step(x)


def _microseconds(call: Callable[[], Any]) -> float:
    """Return the time of one call, the best of some rounds."""
    call()
    best = np.inf
    for _ in range(ROUNDS):
        count, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < SECONDS:
            call()
            count += 1
        best = min(best, passed / max(count, 1))
    return float(best * 1e6)
