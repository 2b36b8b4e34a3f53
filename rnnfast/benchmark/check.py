"""Every candidate's results against the NumPy reference in float64, before any of its times is believed."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data, make_data
from rnnfast.benchmark.peer_rnnfast import Backend, rounded_weights
from rnnfast.problem import Array

TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
"""Norm of the error over that of the truth: ten times what rounding gives in a thousand steps; a wrong gate gives 1."""
ROUNDED_WEIGHTS = 1e-6
"""The same of a net of float32 whose weights alone are rounded, beside the reference with the rounded weights."""
MAX_FLOPS = 5e9
"""Flops that the reference computes in about a second; cases of more are checked on their first steps."""


def checked_case(case: Case) -> Case:
    """Return the case itself or, where the reference would need too long, the same sizes over fewer steps."""
    return replace(case, steps=max(1, min(case.steps, int(case.steps * MAX_FLOPS / case.flops))), threads=1)


@functools.lru_cache(maxsize=2)
def truth(case: Case) -> dict[str, Array]:
    """Return the reference's results in float64 by name: of the work's usual call, whatever the case's own.

    Where weights are to be rounded they are, by rnnfast: libraries that round them otherwise are allowed more.
    """
    data, exact = make_data(case), replace(case, dtype="float64", call="", weights="")
    wide = Data(
        {name: array.astype(np.float64) for name, array in rounded_weights(case, data).items()},
        data.x.astype(np.float64),
        tuple(array.astype(np.float64) for array in data.states),
        data.dy.astype(np.float64),
        **data.flags,
    )
    return {name: array.copy() for name, array in Backend("reference").prepare(exact, wide).results().items()}


def fault(case: Case, results: dict[str, Array], tolerance: float | None = None) -> str | None:
    """Say what is wrong with the results of `checked_case(case)`; None where they agree with the reference.

    `tolerance`: the error allowed, over the truth; None: that of the case.
    """
    expected = {name: array for name, array in truth(checked_case(case)).items() if name not in case.untold}
    if results.keys() != expected.keys():
        return f"gave {', '.join(sorted(results))}, expected {', '.join(sorted(expected))}"
    for name, array in expected.items():
        if found := _array_fault(name, results[name], array, case, tolerance):
            return found
    return None


def prefix_fault(case: Case, results: dict[str, Array], tolerance: float | None = None) -> str | None:
    """Say the same of the case itself as far as fewer steps tell: y of those steps, and that every number is finite."""
    checked = checked_case(case)
    for name, array in results.items():
        if not np.isfinite(array).all():
            return f"{name} is not finite"
    if case.kind in ("ragged", "resets"):  # other lengths or resets, another y
        return None
    return _array_fault("y", results["y"][: checked.steps], truth(checked)["y"], case, tolerance)


def _array_fault(name: str, found: Array, expected: Array, case: Case, tolerance: float | None) -> str | None:
    if found.shape != expected.shape:
        return f"{name} has shape {found.shape}, expected {expected.shape}"
    error = float(np.linalg.norm((found - expected).ravel()))
    scale = float(np.linalg.norm(expected.ravel()))
    # Subnormal numbers may count as zeros, and the gradient of a weight sums T·B of them.
    flushed = float(np.sqrt(expected.size) * np.finfo(case.dtype).tiny) * case.steps * case.batch
    allowed = tolerance or (ROUNDED_WEIGHTS if case.weights else TOLERANCE[case.dtype])
    if error <= allowed * scale + flushed:
        return None
    return f"{name} is off by {error / scale if scale else error:.2g} of its norm, allowed {allowed:g}"
