"""A tagger in PyTorch: a bidirectional LSTM over packed sentences, whose tags hang on what stands before and behind.

A sentence is a row of letters; a letter's tag says whether it is the only one of its kind there, the first, one in the
middle or the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnfast.examples.torch_runs import COMPARED, Run
from rnnfast.problem import Array

LETTERS, TAGS = 12, 4
ONLY, FIRST, MIDDLE, LAST = range(TAGS)
SHORTEST, LONGEST = 5, 40
EMBEDDING, HIDDEN = 32, 128
BATCH, UPDATES, LEARNING_RATE = 32, 150, 5e-3
HELD_OUT = 500
"""Sentences."""
NONE = -100
"""Tag beyond a sentence's end."""
RESULT = "held-out letters tagged right"


class Tagger(torch.nn.Module):
    """An embedding, a bidirectional LSTM and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(LETTERS, EMBEDDING)
        self.lstm = torch.nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.head = torch.nn.Linear(2 * HIDDEN, TAGS)

    def forward(self, letters: Any, lengths: Any) -> Any:
        """Return logits (B, T, TAGS) of letters (B, T), whatever they are beyond the lengths (B,)."""
        packed = pack_padded_sequence(self.embedding(letters), lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=letters.shape[1])
        return self.head(y)


def sentences(count: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return letters (count, LONGEST), their tags, `NONE` beyond a sentence's end, and lengths (count,), all int64."""
    letters = rng.integers(LETTERS, size=(count, LONGEST))
    lengths = rng.integers(SHORTEST, LONGEST, count, endpoint=True)
    tags = np.full(letters.shape, NONE)
    for row, row_tags, length in zip(letters, tags, lengths, strict=True):
        for letter in np.unique(row[:length]):
            places = np.flatnonzero(row[:length] == letter)
            row_tags[places] = MIDDLE
            row_tags[places[[0, -1]]] = (FIRST, LAST) if len(places) > 1 else ONLY
    return letters, tags, lengths


def train(seed: int, changed: Callable[[Any], object], *, updates: int = UPDATES) -> Run:
    """Learn from sentences at random; the result is the share of letters of others whose tag is told right."""
    rng = np.random.default_rng(seed)
    batches, (letters, tags, lengths) = list(_batches(updates, rng)), next(_batches(1, rng, HELD_OUT))
    torch.manual_seed(seed)
    tagger = Tagger()
    changed(tagger)
    adam = torch.optim.Adam(tagger.parameters(), LEARNING_RATE)
    start = time.perf_counter()
    losses = [_step(tagger, adam, *batch) for batch in batches]
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        told = tagger(letters, lengths).argmax(dim=-1)
    right = (told == tags)[tags != NONE]
    return Run(tuple(losses[:COMPARED]), float(right.float().mean()), seconds)


def _batches(number: int, rng: np.random.Generator, size: int = BATCH) -> Iterator[tuple[Any, ...]]:
    for _ in range(number):
        yield tuple(map(torch.from_numpy, sentences(size, rng)))


def _step(tagger: Tagger, adam: torch.optim.Optimizer, letters: Any, tags: Any, lengths: Any) -> float:
    loss = torch.nn.functional.cross_entropy(tagger(letters, lengths).flatten(0, 1), tags.flatten(), ignore_index=NONE)
    adam.zero_grad()
    torch.autograd.backward(loss)
    adam.step()
    return float(loss.item())
