"""One factor of dropout at a time: the generator written once more, on Python's own integers."""

from __future__ import annotations

import math

from rnnfast.problem import Problem


def scalar_factor(p: Problem, probability: float, b: int, unit: int, t: int, tag: int) -> float:
    """The factor of dropout on one value, tag = 4·(2·layer + direction) + kind."""
    word = [p.first_row + b, unit // 4, t, tag]
    key = [p.dropout_seed % 2**32, p.dropout_seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * word[0], 0xCD9E8D57 * word[2]
        word = [b >> 32 ^ word[1] ^ key[0], b % 2**32, a >> 32 ^ word[3] ^ key[1], a % 2**32]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return 0.0 if word[unit % 4] < math.floor(probability * 2**32) else 1 / (1 - probability)
