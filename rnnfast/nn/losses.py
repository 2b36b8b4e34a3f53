"""Losses: each returns its mean value and its gradient with respect to the prediction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.arrays import DTYPES, as_array, check_output, check_shape
from rnnfast.nn import checks
from rnnfast.problem import Array


def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, mask: ArrayLike | None = None, out: Array | None = None
) -> tuple[float, Array]:
    """Softmax cross-entropy with integer targets: mean of -log softmax(logits)[target], in nats.

    logits (..., C) float32 or float64, targets (...) integers in 0..C-1, mask (...) bool, True where the position
    counts. Returns the mean over the counted positions (0.0 where there are none), and d loss / d logits (..., C),
    zero where not counted. What is not counted is never read: targets and logits there may be anything. `out`
    (C-contiguous, like logits) receives the gradient and may be logits itself.
    Raises TypeError for dtypes and ValueError for shapes and targets that do not fit.
    """
    logits = as_array("logits", logits)
    if logits.dtype not in DTYPES:
        raise TypeError(f"logits has dtype {logits.dtype.str!r}, expected float32 or float64 in native byte order")
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits has shape {logits.shape}, expected (..., C) with at least one class")
    targets = as_array("targets", targets)
    check_shape("targets", targets, logits.shape[:-1])
    rows = logits.reshape(targets.size, logits.shape[-1])
    if out is None:
        out = np.empty(logits.shape, logits.dtype)
    grad_rows = check_output("out", out, logits.shape, logits.dtype, "loss", dense=True).reshape(rows.shape)
    if mask is None:
        loss = _rowwise(rows, checks.indices("targets", targets, rows.shape[1]).reshape(-1), grad_rows)
    else:
        counted = _mask(mask, targets)
        live = rows[counted]
        live_targets = checks.indices("targets", targets.reshape(-1)[counted], rows.shape[1])
        loss = _rowwise(live, live_targets, live)
        grad_rows[...] = 0
        grad_rows[counted] = live
    return loss, out


def _mask(mask: ArrayLike, targets: Array) -> Array:
    mask = as_array("mask", mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"mask has dtype {mask.dtype}, expected bool: convert it with .astype(bool)")
    check_shape("mask", mask, targets.shape)
    return mask.reshape(-1)


def _rowwise(logits: Array, targets: Array, out: Array) -> float:
    """The loss of (N, C) logits; `out` becomes its gradient, softmax minus one-hot over N."""
    count = len(logits)
    if count == 0:
        return 0.0
    row = np.arange(count)
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    picked = out[row, targets]
    np.exp(out, out=out)
    total = out.sum(axis=1, keepdims=True)
    loss = math.fsum(np.log(total[:, 0]) - picked) / count
    out /= total * count
    out[row, targets] -= 1 / count
    return loss
