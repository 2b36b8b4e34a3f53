"""Losses: each returns its mean value and its gradient with respect to the prediction."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.arrays.host import as_array, check_output
from rnnfast.checks.arrays import check_shape
from rnnfast.nn import checks
from rnnfast.problem import Array


def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, mask: ArrayLike | None = None, out: Array | None = None
) -> tuple[float, Array]:
    """Return softmax cross-entropy with integer targets, mean of -log softmax(logits)[target], nats, and its gradient.

    logits (..., C) float32 or float64, targets (...) integers in 0..C-1, mask (...) bool, True where the position
    counts. Returns the mean over the counted positions (0.0 where there are none), and d loss / d logits (..., C),
    zero where not counted. What is not counted is never read: targets and logits there may be anything. `out`
    (C-contiguous, like logits) receives the gradient and may be logits itself.
    Raises TypeError for dtypes and ValueError for shapes and targets that do not fit.

    >>> from rnnfast import nn
    >>> loss, d_logits = nn.cross_entropy(np.zeros((1, 2)), [1])
    >>> round(loss, 4), d_logits
    (0.6931, array([[ 0.5, -0.5]]))
    """
    logits = checks.any_floats("logits", logits)
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits has shape {logits.shape}, expected (..., C) with at least one class")
    targets = as_array("targets", targets)
    check_shape("targets", targets, logits.shape[:-1])
    rows = logits.reshape(targets.size, logits.shape[-1])
    out = _output(out, logits)
    grad_rows = out.reshape(rows.shape)
    if mask is None:
        loss = _rowwise(rows, checks.indices("targets", targets, rows.shape[1]).reshape(-1), grad_rows)
    else:
        counted = checks.counted(mask, targets.shape)
        check_shape("mask", counted, targets.shape)
        counted = counted.reshape(-1)
        live = rows[counted]
        live_targets = checks.indices("targets", targets.reshape(-1)[counted], rows.shape[1])
        loss = _rowwise(live, live_targets, live)
        grad_rows[...] = 0
        grad_rows[counted] = live
    return loss, out


def mse(
    prediction: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None, out: Array | None = None
) -> tuple[float, Array]:
    """Return the mean squared error, mean of (prediction - target)**2 over all numbers that count, and its gradient.

    prediction and target (...) of one shape and dtype, float32 or float64; mask bool, of the prediction's shape or of
    its leading axes, such as (B, T) for (B, T, F), True where the numbers count. Returns the mean, summed in float64
    (0.0 where nothing counts), and d loss / d prediction, zero where not counted. What is not counted is never read.
    `out` (C-contiguous, like prediction) receives the gradient and may be prediction itself.
    Raises TypeError for dtypes and ValueError for shapes that do not fit.

    >>> from rnnfast import nn
    >>> nn.mse([1.0, 3.0], [1.0, 1.0])
    (2.0, array([0., 2.]))
    """
    prediction = checks.any_floats("prediction", prediction)
    target = checks.floats_as("target", target, "prediction", prediction.dtype)
    check_shape("target", target, prediction.shape)
    out = _output(out, prediction)
    if mask is None:
        return _squares(prediction, target, out), out
    counted = checks.counted(mask, prediction.shape)
    live = prediction[counted]
    loss = _squares(live, target[counted], live)
    out[...] = 0
    out[counted] = live
    return loss, out


def _output(out: Array | None, prediction: Array) -> Array:
    if out is None:
        return np.empty(prediction.shape, prediction.dtype)
    checks.floats_as("out", out, "prediction", prediction.dtype)
    return check_output("out", out, prediction.shape, prediction.dtype, "loss", dense=True)


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


def _squares(prediction: Array, target: Array, out: Array) -> float:
    """The mean squared difference; `out` becomes its gradient, twice the difference over their number."""
    if prediction.size == 0:
        return 0.0
    np.subtract(prediction, target, out=out)
    errors = out.reshape(-1)
    loss = float(np.einsum("i,i->", errors, errors, dtype=np.float64)) / errors.size
    out *= 2 / errors.size
    return loss
