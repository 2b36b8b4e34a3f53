"""Dropout of the reference: the generator's known answers, what counts in its counter, and what the masks multiply."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scalar_dropout import scalar_factor
from support import STATES, Spec, assert_same, copy_of, make_problem, run, with_outputs

from rnnfast.backends.reference import backend as reference
from rnnfast.backends.reference.dropout import BETWEEN, INPUT, RECURRENT, dropout_mask, philox4x32


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_known_answers_of_its_authors(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: str
) -> None:
    assert " ".join(f"{word:08x}" for word in philox4x32(counter, key)) == expected


@pytest.mark.parametrize(("kind", "layer", "steps"), [(BETWEEN, 1, 3), (INPUT, 0, 1), (RECURRENT, 2, 1)])
def test_dropout_masks_follow_the_counter(kind: int, layer: int, steps: int) -> None:
    p = make_problem(Spec(layers=3, directions=2, first_row=11))
    for direction in range(1 if kind != RECURRENT else 2):
        mask = dropout_mask(p, p.dropout_seed, 0.3, layer * 2 + direction, kind, units=7, steps=steps)
        assert mask.shape == (steps, p.batch, 7)
        for t, b, unit in np.ndindex(mask.shape):
            assert mask[t, b, unit] == scalar_factor(p, 0.3, b, unit, t, tag=(layer * 2 + direction) * 4 + kind)


def test_dropout_keeps_its_share() -> None:
    p = make_problem(Spec(batch=64))
    for probability in (0.1, 0.5, 0.9):
        mask = dropout_mask(p, p.dropout_seed, probability, 1, BETWEEN, units=64, steps=16)
        share = (mask == 0).mean()
        assert abs(share - probability) < 4 * math.sqrt(probability * (1 - probability) / mask.size)
        assert mask.max() == 1 / (1 - probability)


def test_input_dropout_is_one_mask_on_x_for_all_steps() -> None:
    p = make_problem(Spec(input_dropout=0.5))
    mask = dropout_mask(p, p.dropout_seed, 0.5, 0, INPUT, p.input_size)
    dropped, by_hand = run(reference, p), run(reference, replace(copy_of(p), input_dropout=0.0, x=p.x * mask))
    by_hand["dx"] = by_hand["dx"] * mask
    assert_same(dropped, by_hand)


def test_dropout_is_the_same_in_every_cut_of_the_batch() -> None:
    p = make_problem(Spec(batch=5, layers=2, dropout=0.5, input_dropout=0.5, recurrent_dropout=0.5))
    rows = slice(2, 4)
    whole = run(reference, p)
    sequences = {name: getattr(p, name)[:, rows] for name in ("x", "dy", *STATES)}
    part = run(reference, with_outputs(replace(p, batch=2, first_row=2, **sequences)))
    for name in ("y", "h_n", "c_n", "dx", "dh0", "dc0"):
        np.testing.assert_allclose(part[name], whole[name][:, rows], rtol=1e-12)
