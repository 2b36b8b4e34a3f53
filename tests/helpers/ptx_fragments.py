"""What a warp's threads hold of the matrices of a product on tensor cores: PTX ISA, mma.m16n8k16 and m16n8k8.

Lane 4 g + q has numbers (row, column) of a 16 x K matrix a, a K x 8 matrix b and 16 x 8 sums.
"""

from __future__ import annotations

import numpy as np

from rnnfast.problem import Array

TF32 = np.uint32(0xFFFFE000)
"""The bits of a float32 that tensor cores read."""


def mma_f16(c: Array, a: Array, b: Array) -> Array:
    """c (32, 4) float32, a (32, 4) and b (32, 2) words of two float16 -> sums (32, 4)."""
    # register 2 i + j of a: row 8 j + g, columns 8 i + 2 q and the next; register i of b: rows 8 i + 2 q, column g
    left = a.view(np.float16).reshape(8, 4, 2, 2, 2).transpose(3, 0, 2, 1, 4).reshape(16, 16)
    right = b.view(np.float16).reshape(8, 4, 2, 2).transpose(2, 1, 3, 0).reshape(16, 8)
    return _summed(c, left, right)


def mma_tf32(c: Array, a: Array, b: Array) -> Array:
    """c (32, 4) float32, a (32, 4) and b (32, 2) words that are float32 -> sums (32, 4)."""
    # register 2 i + j of a: row 8 j + g, column 4 i + q; register i of b: row 4 i + q, column g
    left = (a & TF32).view(np.float32).reshape(8, 4, 2, 2).transpose(3, 0, 2, 1).reshape(16, 8)
    right = (b & TF32).view(np.float32).reshape(8, 4, 2).transpose(2, 1, 0).reshape(8, 8)
    return _summed(c, left, right)


def _summed(c: Array, left: Array, right: Array) -> Array:
    """Sums in float64, rounded once: register 2 j + i of c is row 8 j + g, column 2 q + i."""
    sums = c.reshape(8, 4, 2, 2).transpose(2, 0, 1, 3).reshape(16, 8) + left.astype(np.float64) @ right.astype(
        np.float64
    )
    found: Array = sums.astype(np.float32).reshape(2, 8, 4, 2).transpose(1, 2, 0, 3).reshape(32, 4)
    return found
