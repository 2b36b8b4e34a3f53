"""Dropout masks made on a device: the factors of counters that are the same on every backend, number by number.

Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.dropout_kinds import BETWEEN, INPUT, RECURRENT
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.plan import Plan
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


def mask_kernel(cuda: Any) -> Any:
    """Return the kernel of to[i, j] = kept, or 0 where the word of unit j at position[i] = t B + b is below `least`.

    t counts as 0 unless `each_step`. A thread makes the factors of four units. `key`: tag, first row, first step, the
    seed's two words.
    """

    def kernel(position, batch, each_step, key, least, kept, to):
        tag, first_row, first_step, k0, k1 = key
        quads = (to.shape[1] + 3) // 4
        n = cuda.grid(1)
        i, quad = n // quads, n % quads
        if i < to.shape[0]:
            row = np.uint64(first_row) + np.uint64(position[i] % batch)
            step = np.uint64(first_step) + np.uint64(position[i] // batch) if each_step else np.uint64(0)
            words = philox(row & LOW, np.uint64(quad), step & LOW, np.uint64(tag), np.uint64(k0), np.uint64(k1))
            for k in range(4):
                if 4 * quad + k < to.shape[1]:
                    to[i, 4 * quad + k] = kept if words[k] >= np.uint64(least) else to.dtype.type(0)

    return kernel


def input_factors(call: DeviceCall, problem: Problem, k: int, plan: Plan) -> DeviceArray | None:
    """Return factors (n, I) on the input of the plan's entries, for layer-direction k; None where it is off."""
    first = problem.first_layer + k // problem.num_directions == 0
    if not (problem.input_dropout if first else problem.dropout):
        return None
    positions, units = plan.on(call, "positions"), problem.weight_ih[k].shape[1]
    if first:
        return _factors(call, problem, problem.input_dropout, k, INPUT, positions, units)
    return _factors(call, problem, problem.dropout, k, BETWEEN, positions, units)


def recurrent_factors(call: DeviceCall, problem: Problem, k: int) -> DeviceArray | None:
    """Return factors (B, H) on h in the recurrent product of layer-direction k; None where it is off."""
    if not problem.recurrent_dropout:
        return None
    rows = call.array(np.arange(problem.batch))
    return _factors(call, problem, problem.recurrent_dropout, k, RECURRENT, rows, problem.hidden_size)


def _factors(
    call: DeviceCall, problem: Problem, probability: float, k: int, kind: int, positions: DeviceArray, units: int
) -> DeviceArray:
    layer = problem.first_layer + k // problem.num_directions
    direction = problem.direction(k) if kind == RECURRENT else 0  # those of a layer share the masks on its input
    seed, to = problem.dropout_seed, call.empty((positions.shape[0], units), problem.dtype)
    tag = (layer * 2 + direction) * 4 + kind
    key = (tag, problem.first_row, problem.first_step, seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
    kept = problem.dtype.type(1.0 / (1.0 - probability))
    threads = positions.shape[0] * -(-units // 4)
    least = int(probability * 2**32)
    call.launch_over(threads, mask_kernel, (), positions, problem.batch, kind == BETWEEN, key, least, kept, to)
    return to
