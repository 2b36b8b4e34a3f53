"""The text that the demo learns from: its alphabet, its batches, what is held out, and the baseline."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rnnfast.examples.text_source import Alphabet, python_topics, split, text_batches, unigram_bits


def test_batches_follow_one_another() -> None:
    codes = np.arange(103)
    pairs = list(itertools.islice(text_batches(codes, batch=4, steps=5), 50))
    for inputs, targets in pairs:
        assert inputs.shape == targets.shape == (5, 4)
        assert np.array_equal(targets, (inputs + 1) % 103)
    for (before, _), (after, _) in itertools.pairwise(pairs):
        assert np.array_equal(after[0], (before[-1] + 1) % 103)
    assert set(np.concatenate([inputs.ravel() for inputs, _ in pairs])) == set(range(103))


def test_unigram_baseline_by_hand() -> None:
    assert unigram_bits(np.array([0, 0]), np.array([0, 1]), 2) == pytest.approx((np.log2(4 / 3) + 2) / 2)


def test_alphabet_round_trip() -> None:
    text = "naïve 𝄞 text\n\0"
    alphabet = Alphabet.of(text)
    assert alphabet.decode(alphabet.encode(text)) == text
    assert len(alphabet) == len(set(text))


def test_python_topics_hold_out_what_training_never_sees() -> None:
    text = python_topics()
    assert len(text) > 100_000
    codes = Alphabet.of(text).encode(text)
    training, held_out = split(codes)
    assert 0.049 < len(held_out) / len(codes) <= 0.1
    seen, new = (set(text.split("\n\n")) for text in (text[: len(training)], text[len(training) :]))
    assert not seen & new
