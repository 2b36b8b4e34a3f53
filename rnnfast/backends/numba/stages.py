"""Stages of a kernel, what it does in one call: all of it, or one stage, whose parts threads share."""

from __future__ import annotations

from numba.extending import register_jitable

PACK, RUN, PROJECT, LOOP, INPUT, W_IH, W_HH, BIAS, W_HR, ADD, ADD_INPUT = (1 << n for n in range(11))
"""`what` is a sum of these: pack what is multiplied with, run, both for certain stages; add to the gradients that are
there, those of the parameters or of the input. Parts of a stage are entries of PROJECT and INPUT, rows of the batch of
LOOP, rows of the weight of W_IH, W_HH and W_HR."""
STAGES = LOOP, INPUT, W_IH, W_HH, BIAS, W_HR
"""Of backward, in order."""
ALL = -1
"""The end of a part that is everything."""


@register_jitable
def part_of(first: int, last: int, count: int) -> tuple[int, int]:
    """Return the part [first, last) of so many.

    >>> part_of(0, ALL, 7)
    (0, 7)
    """
    return first, count if last == ALL else last
