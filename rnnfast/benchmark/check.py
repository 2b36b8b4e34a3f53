"""Every candidate's results against the NumPy reference in float64, before any of its times is believed."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data, make_data
from rnnfast.benchmark.peer_rnnfast import Backend
from rnnfast.problem import Array

TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
"""Norm of the error over that of the truth: ten times what rounding gives in a thousand steps; a wrong gate gives 1."""
MAX_FLOPS = 5e9
"""Flops that the reference computes in about a second; cases of more are checked on their first steps."""


def checked_case(case: Case) -> Case:
    """Return the case itself or, where the reference would need too long, the same sizes over fewer steps."""
    return replace(case, steps=max(1, min(case.steps, int(case.steps * MAX_FLOPS / case.flops))), threads=1)


@functools.lru_cache(maxsize=2)
def truth(case: Case) -> dict[str, Array]:
    """Return the reference's results in float64 by name: of the work's usual call, whatever the case's own."""
    data, exact = make_data(case), replace(case, dtype="float64", call="")
    wide = Data(
        {name: array.astype(np.float64) for name, array in data.weights.items()},
        data.x.astype(np.float64),
        tuple(array.astype(np.float64) for array in data.states),
        data.dy.astype(np.float64),
        **data.flags,
    )
    return {name: array.copy() for name, array in Backend("reference").prepare(exact, wide).results().items()}


def fault(case: Case, results: dict[str, Array]) -> str | None:
    """Say what is wrong with the results of `checked_case(case)`; None where they agree with the reference."""
    expected = {name: array for name, array in truth(checked_case(case)).items() if name not in case.untold}
    if results.keys() != expected.keys():
        return f"gave {', '.join(sorted(results))}, expected {', '.join(sorted(expected))}"
    for name, array in expected.items():
        if found := _array_fault(name, results[name], array, case):
            return found
    return None


def prefix_fault(case: Case, results: dict[str, Array]) -> str | None:
    """Say the same of the case itself as far as fewer steps tell: y of those steps, and that every number is finite."""
    checked = checked_case(case)
    for name, array in results.items():
        if not np.isfinite(array).all():
            return f"{name} is not finite"
    if case.kind in ("ragged", "resets"):  # other lengths or resets, another y
        return None
    return _array_fault("y", results["y"][: checked.steps], truth(checked)["y"], case)


def _array_fault(name: str, found: Array, expected: Array, case: Case) -> str | None:
    if found.shape != expected.shape:
        return f"{name} has shape {found.shape}, expected {expected.shape}"
    error = float(np.linalg.norm((found - expected).ravel()))
    scale = float(np.linalg.norm(expected.ravel()))
    # Subnormal numbers may count as zeros, and the gradient of a weight sums T·B of them.
    flushed = float(np.sqrt(expected.size) * np.finfo(case.dtype).tiny) * case.steps * case.batch
    if error <= TOLERANCE[case.dtype] * scale + flushed:
        return None
    return f"{name} is off by {error / scale if scale else error:.2g} of its norm, allowed {TOLERANCE[case.dtype]:g}"
