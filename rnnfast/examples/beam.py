"""Beam search: the most probable sequence that a step-by-step model can say, as far as a few candidates show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnfast.problem import Array

State = tuple[Array, ...]
Step = Callable[[Array, State], tuple[Array, State]]
"""A step of a model: of the last token of every row (N,) and states (L, N, H) it makes log-probabilities (N, V) of the
next token, and states."""


def beam_search(step: Step, state: State, *, start: int, end: int, width: int, limit: int) -> tuple[Array, Array]:
    """The best tokens (B, limit) found for each of B rows of `state`, and their log-probabilities (B,).

    `width` candidates a row are kept at every step. The first of them follows the most probable token each time, so
    that a width of 1 is greedy decoding and no other width ends with less than that. Every sequence begins after
    `start`, which is left out, and after its first `end` holds nothing but that, which costs nothing.
    """
    rows = np.arange(state[0].shape[1])[:, None]
    state = tuple(np.repeat(part, width, axis=1) for part in state)
    scores = np.full((len(rows), width), -np.inf)
    scores[:, 0] = 0  # all candidates are the same yet: one is to be followed
    last, paths = np.full(scores.shape, start), np.empty((*scores.shape, 0), np.int64)
    for _ in range(limit):
        log_probs, state = step(last.reshape(-1), state)
        vocabulary = log_probs.shape[1]
        extended = _extend(scores, log_probs.reshape(*scores.shape, vocabulary), paths, end)
        chosen = _choose(extended, width)
        scores = extended[rows, chosen]
        parent, last = np.divmod(chosen, vocabulary)
        paths = np.concatenate([paths[rows, parent], last[:, :, None]], axis=2)
        state = tuple(part[:, (rows * width + parent).reshape(-1)] for part in state)
        if (last == end).all():
            break
    best = scores.argmax(axis=1)
    found = np.full((len(rows), limit), end)
    found[:, : paths.shape[2]] = paths[rows[:, 0], best]
    return found, scores[rows[:, 0], best]


def _extend(scores: Array, log_probs: Array, paths: Array, end: int) -> Array:
    """Scores (B, width * V) of every candidate with every token after it; one that has ended can only go on ending."""
    if paths.shape[2]:
        ended = paths[:, :, -1] == end
        log_probs = np.where(ended[:, :, None], -np.inf, log_probs)
        log_probs[:, :, end] = np.where(ended, 0, log_probs[:, :, end])
    return (scores[:, :, None] + log_probs).reshape(len(scores), -1)


def _choose(extended: Array, width: int) -> Array:
    """The places (B, width) of the greedy candidate's best token, then of the best of all others."""
    rows, vocabulary = np.arange(len(extended)), extended.shape[1] // width
    greedy = extended[:, :vocabulary].argmax(axis=1)
    others = extended.copy()
    others[rows, greedy] = -np.inf
    return np.column_stack([greedy, np.argpartition(-others, width - 1, axis=1)[:, : width - 1]])
