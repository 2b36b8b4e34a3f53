"""Tapes of narrow nets on the C backend: they keep little more than their numbers, and say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, RAGGED
from bits import assert_same_bits, promised
from nets import EVERY_KIND, KINDS
from support import Spec, make_problem

from rnnfast.backends.c import backend as c
from rnnfast.backends.c import bound

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))


@EVERY_KIND
def test_a_tape_of_one_unit_keeps_no_more_than_its_numbers(kind: str) -> None:
    steps, batch = 400, 50
    net = KINDS[kind](1, 1, backend="c", dtype="float32")
    *_, tape = net.record(np.ones((steps, batch, 1), np.float32))
    numbers = len(tape.gates()) + 1 + 2 * (kind == "lstm") + (kind == "gru")
    assert tape.nbytes <= 1.1 * 4 * numbers * steps * batch


@ALL_CELLS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hidden", [1, 2, 4])
def test_the_same_bits(cell: str, dtype: str, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    more: dict[str, Any] = {"layers": 2, "directions": 2, "masked_output": "hold", "dropout": 0.3, **RAGGED}
    spec = Spec(cell, steps=9, batch=5, hidden_size=hidden, recurrent_dropout=0.2, **more)
    problem = make_problem(spec, dtype)
    expected = promised(problem)
    shrunk: list[int] = []
    shrink = bound.Reserve.shrink
    monkeypatch.setattr(bound.Reserve, "shrink", lambda self, *how: (shrunk.append(1), shrink(self, *how)))
    monkeypatch.setattr(bound, "SHRINKS_FROM", 0)
    assert_same_bits(promised(problem), expected)
    assert bool(shrunk) == (hidden * np.dtype(dtype).itemsize <= 16)


def test_a_kept_tape_serves_again() -> None:
    net = KINDS["gru"](1, 2, backend="c", dtype="float32")
    x = np.random.default_rng(0).standard_normal((300, 40, 1), dtype=np.float32)
    y, _, tape = net.record(x, keep=True)
    gates = tape.gates()["z"]
    first, second = tape.backward(y), tape.backward(y)
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(tape.gates()["z"], gates)
