"""Dropout masks of the reference: counter-based random bits (Philox4x32-10), the same on every backend and batch cut.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.problem import Array, Problem

BETWEEN, INPUT, RECURRENT = range(3)
_LOW = np.uint64(0xFFFFFFFF)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85


def philox4x32(counter: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike], key: tuple[int, int]) -> Array:
    """Return the (..., 4) uint32 of Philox4x32-10 for four counter words that broadcast together and two key words.

    >>> " ".join(f"{word:08x}" for word in philox4x32((0, 0, 0, 0), (0, 0)))
    '6627e8d5 e169c58d bc57ac4c 9b00dbd8'
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) & _LOW for word in counter))
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        high0, high1 = p0 >> np.uint64(32), p1 >> np.uint64(32)
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint64(k0), p1 & _LOW, high0 ^ c3 ^ np.uint64(k1), p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def dropout_mask(
    problem: Problem, seed: int, probability: float, k: int, kind: int, units: int, steps: int = 1
) -> Array:
    """Return factors (steps, B, units) of kind `kind` for layer-direction k: 0, or 1 / (1 - p) for a value kept.

    Counter (row, unit // 4, step, tag) with tag = 4·(2·layer + direction) + kind, key = the seed; output word unit % 4.
    A value is kept iff its word is at least floor(p·2³²). The directions of a layer share the masks on its input.
    """
    layer = problem.first_layer + k // problem.num_directions
    direction = problem.direction(k) if kind == RECURRENT else 0
    first_step = problem.first_step if kind == BETWEEN else 0
    words = philox4x32(
        (
            (problem.first_row + np.arange(problem.batch))[None, :, None],
            np.arange(-(-units // 4))[None, None, :],
            (first_step + np.arange(steps))[:, None, None],
            (layer * 2 + direction) * 4 + kind,
        ),
        (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF),
    )
    words = words.reshape(steps, problem.batch, words.shape[2] * 4)[:, :, :units]
    factors = np.array([0.0, 1.0 / (1.0 - probability)]).astype(problem.dtype)
    mask: Array = factors[(words >= int(probability * 2**32)).astype(np.intp)]
    return mask


class InputDropout(NamedTuple):
    """Dropout on what a layer reads: fresh masks for every step between layers, one for all steps of layer 0."""

    kind: int
    probability: float
    steps: int
    units: int


def input_dropout_of(problem: Problem, layer: int) -> InputDropout:
    """Return the dropout on a layer's input; its probability is zero where it is off."""
    if problem.first_layer + layer == 0:
        return InputDropout(INPUT, problem.input_dropout, 1, problem.input_size)
    units = problem.weight_ih[layer * problem.num_directions].shape[1]
    return InputDropout(BETWEEN, problem.dropout, problem.steps, units)


def input_mask(problem: Problem, layer: int, seed: int) -> Array | None:
    """Return factors on a layer's input, (T, B, units) or (1, B, units), or None where its dropout is off."""
    kind, probability, steps, units = input_dropout_of(problem, layer)
    if not probability:
        return None
    return dropout_mask(problem, seed, probability, layer * problem.num_directions, kind, units, steps)


def recurrent_mask(problem: Problem, k: int, seed: int) -> Array | None:
    """Return factors (B, S) on h in the recurrent product of layer-direction k, or None where that dropout is off."""
    if not problem.recurrent_dropout:
        return None
    mask: Array = dropout_mask(problem, seed, problem.recurrent_dropout, k, RECURRENT, problem.state_size)[0]
    return mask
