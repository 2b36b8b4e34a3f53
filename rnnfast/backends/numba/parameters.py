"""What is done once for a layer: its weights packed, the gradients of its biases."""

from __future__ import annotations

import numpy as np
from numba import njit

from rnnfast.backends.numba.product import OPTIONS, pack_columns, packed_size
from rnnfast.backends.numba.tile import lanes


@njit(**OPTIONS)
def pack_weights(shape, w_ih, w_hh, b_ih, b_hh, bias, ih_panels, hh_panels):
    """Weights as forward reads them, W_hh for each of its two products, and the sums of biases, if any."""
    pack_columns(w_ih, ih_panels, (0, shape.rows, 0))
    pack_columns(w_hh, hh_panels, (0, shape.first, 0))
    pack_columns(w_hh, hh_panels, (shape.first, shape.rows, packed_size(shape.hidden, shape.first, lanes(w_hh))))
    bias[:] = 0
    for j in range(b_ih.shape[0]):
        bias[j] = b_ih[j]
    for j in range(b_hh.shape[0]):
        bias[j if j < shape.first else j - shape.first + shape.second] += b_hh[j]


@njit(**OPTIONS)
def bias_gradients(shape, gates, d_ih, d_hh, add):
    """The sums over all entries, put there or added; those of an empty array are not wanted."""
    sums = np.zeros(shape.columns)
    for e in range(gates.shape[0]):
        for j in range(shape.columns):
            sums[j] += gates[e, j]
    for j in range(d_ih.shape[0]):
        d_ih[j] = sums[j] + (d_ih[j] if add else 0)
    for j in range(d_hh.shape[0]):
        k = j if j < shape.first else j - shape.first + shape.second
        d_hh[j] = sums[k] + (d_hh[j] if add else 0)
