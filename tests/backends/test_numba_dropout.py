"""Dropout of the Numba backend: the generator's known answers, and masks that follow the counter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scalar_dropout import scalar_factor
from support import Spec, make_problem

pytest.importorskip("numba", reason="numba is not installed")

import numba

from rnnfast.backends.common.dropout_kinds import BETWEEN, INPUT, RECURRENT
from rnnfast.backends.numba.dropout import Dropout
from rnnfast.backends.numba.entries import Entries, entries_of
from rnnfast.backends.scalar.philox import philox


@numba.njit
def compiled(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    return philox(c0, c1, c2, c3, k0, k1)


@pytest.mark.parametrize("generator", [philox, compiled], ids=["plain", "compiled"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([0] * 6, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 6, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_known_answers_of_its_authors(generator: Any, words: list[int], expected: str) -> None:
    assert " ".join(f"{int(word):08x}" for word in generator(*map(np.uint64, words))) == expected


@pytest.mark.parametrize(("kind", "layer"), [(BETWEEN, 1), (INPUT, 0), (RECURRENT, 2)])
def test_masks_follow_the_counter(kind: int, layer: int) -> None:
    p = make_problem(Spec(layers=3, directions=2, first_row=11, lengths=True, mask=True))
    p.first_step = 5
    live = entries_of((p.steps, p.batch), p.lengths, p.mask)
    entries = live if kind == BETWEEN else Entries(1, p.batch, None)
    for direction in range(1 if kind != RECURRENT else 2):
        k, tag = layer * 2 + direction, (layer * 2 + direction) * 4 + kind
        mask = Dropout(p, p.dropout_seed).fill(0.3, k, kind, entries, np.full((entries.count, 7), np.nan))
        step = np.repeat(np.arange(entries.steps) + 5, np.diff(entries.schedule[: entries.steps + 1]))
        for e, unit in np.ndindex(mask.shape):
            b, t = int(entries.rows[e]), int(step[e]) if kind == BETWEEN else 0
            assert mask[e, unit] == scalar_factor(p, 0.3, b, unit, t, tag)


def test_what_layers_read_is_dropped_in_live_steps_alone() -> None:
    p = make_problem(Spec(layers=2, dropout=0.5, input_dropout=0.5, lengths=True))
    entries = entries_of((p.steps, p.batch), p.lengths, None)
    first, second = (Dropout(p, 3).on_input(number, size, entries) for number, size in enumerate((4, 5)))
    assert first is not None and first.shape == (entries.count, 4)
    assert second is not None and second.shape == (entries.count, 5)
    for b in range(p.batch):
        own = first[entries.rows == b]
        assert (own == own[:1]).all()  # one mask for the sequence
    assert len(np.unique(second, axis=0)) > p.batch
