"""Dropout masks made on a device: the factors of counters that are the same on every backend, number by number.

Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.backends.common.dropout_kinds import BETWEEN, INPUT, RECURRENT
from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.scalars import address, float64, int64
from rnnfast.problem import Problem

LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@register_jitable
def philox(c0, c1, c2, c3, k0, k1):
    """Return four words of 32 bits, each in a uint64, as are the counter and the key."""
    for _ in range(10):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


def mask_kernel(cuda: Any, real: Any) -> Any:
    """Return the kernel of to[i, j] = kept, or 0 where the word of unit j at positions[i] = t B + b is below `least`.

    Without positions they are those in their order. t counts as 0 unless `each_step`. A thread makes the factors of
    four units. `k0`, `k1`: the seed's two words.
    """

    def kernel(
        positions: address, count: int64, batch: int64, each_step: int64, tag: int64, first_row: int64,
        first_step: int64, k0: int64, k1: int64, least: int64, kept: float64, to: address, units: int64,
    ):  # fmt: skip
        quads, n = (units + 3) // 4, cuda.grid(1)
        i, quad = n // quads, n % quads
        if i < count:
            factors = array_at(to, (count, units), real)
            position = array_at(positions, (count,), np.int64)[i] if positions != 0 else np.int64(i)
            row = np.uint64(first_row) + np.uint64(position % batch)
            step = np.uint64(first_step) + np.uint64(position // batch) if each_step else np.uint64(0)
            words = philox(row & LOW, np.uint64(quad), step & LOW, np.uint64(tag), np.uint64(k0), np.uint64(k1))
            for k in range(4):
                if 4 * quad + k < units:
                    factors[i, 4 * quad + k] = real(kept) if words[k] >= np.uint64(least) else real(0)

    return kernel


def has_input_dropout(problem: Problem, k: int) -> bool:
    """Return whether the input of layer-direction k is under dropout."""
    return bool(problem.input_dropout if _is_first(problem, k) else problem.dropout)


def write_input_factors(call: DeviceCall, problem: Problem, k: int, positions: int, count: int, to: int) -> None:
    """Write factors (count, I) on the input of entries at these positions, for layer-direction k, where it has any."""
    units = problem.weight_ih[k].shape[1]
    if _is_first(problem, k):
        _write(call, problem, problem.input_dropout, k, INPUT, positions, count, units, to)
    else:
        _write(call, problem, problem.dropout, k, BETWEEN, positions, count, units, to)


def write_recurrent_factors(call: DeviceCall, problem: Problem, k: int, to: int) -> None:
    """Write factors (B, H) on h in the recurrent product of layer-direction k, where it has any."""
    _write(call, problem, problem.recurrent_dropout, k, RECURRENT, 0, problem.batch, problem.hidden_size, to)


def _is_first(problem: Problem, k: int) -> bool:
    return problem.first_layer + k // problem.num_directions == 0


def _write(
    call: DeviceCall, problem: Problem, probability: float, k: int, kind: int, positions: int, count: int, units: int,
    to: int,
) -> None:  # fmt: skip
    layer = problem.first_layer + k // problem.num_directions
    direction = problem.direction(k) if kind == RECURRENT else 0  # those of a layer share the masks on its input
    seed, tag = problem.dropout_seed, (layer * 2 + direction) * 4 + kind
    key = tag, problem.first_row, problem.first_step, seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
    rule = int(probability * 2**32), float(problem.dtype.type(1.0 / (1.0 - probability)))
    threads = count * -(-units // 4)
    where = positions, count, problem.batch, kind == BETWEEN
    call.launch_over(threads, mask_kernel, (call.real,), *where, *key, *rule, to, units)
