"""Equal bits of one row through a layer, which takes a small one's steps as a whole, and of that row beside another."""

from __future__ import annotations

from typing import Any

import pytest
from agreement import ALL_CELLS, BOTH_DTYPES, RAGGED
from bits import EVERY_VARIANT, Results, assert_same_bits, make, rows_of, rows_of_results
from c_records import Record
from support import OUTPUTS, outputs_of, pick

from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import check
from rnnfast.backends.c.memory import Block
from rnnfast.problem import Problem

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

SIZES = [(3, 8), (33, 17), (2, 40), (4, 88), (9, 130)]
"""Inputs and units: one panel of them, two, all that a strip has and some left, and more than any L1 holds."""
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ragged": RAGGED,
    "both directions": {"directions": 2, "layers": 2, "masked_output": "hold", "mask": True},
    "no bias": {"bias": False, "states": False},
}


def inferred(problem: Problem, packed: bool) -> Results:
    """Return what a forward leaves that keeps nothing for backward, with weights packed before it or by it."""
    call = Record(problem)
    if packed:
        block = Block(call.template.size("packed"))
        call.record.packed, call.record.packed_bytes = block.pointer, block.size
        check(call.template.lib.rf_pack(call.record, block.pointer))
    call.run("rf_forward")
    return pick(outputs_of(problem), OUTPUTS)


@EVERY_VARIANT
@ALL_CELLS
@BOTH_DTYPES
@pytest.mark.parametrize("options", OPTIONS)
def test_a_row_alone_and_beside_another(variant: str, cell: str, dtype: str, options: str) -> None:
    for inputs, units in SIZES:
        problem = make(
            variant, cell, dtype, steps=13, batch=2, input_size=inputs, hidden_size=units, **OPTIONS[options]
        )
        both = inferred(problem, packed=False)
        for row in range(2):
            expected = rows_of_results(both, slice(row, row + 1))
            for packed in (False, True):
                assert_same_bits(inferred(rows_of(problem, slice(row, row + 1)), packed), expected)
