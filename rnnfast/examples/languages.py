"""Words of two made-up languages, put together from syllables."""

from __future__ import annotations

import numpy as np

from rnnfast.problem import Array

SYLLABLES = {
    "Lomari": (["l", "m", "n", "r", "s", "v", "t", "d"], ["a", "e", "i", "o"], ["", "", "", "n", "s"]),
    "Kerthog": (
        ["k", "r", "t", "g", "d", "th", "kr", "gr", "s"],
        ["e", "o", "u", "a"],
        ["", "r", "k", "th", "g", "rt"],
    ),
}
"""By language: how a syllable may begin, its vowel, and how it may end."""
ALPHABET = sorted({letter for parts in SYLLABLES.values() for part in parts for piece in part for letter in piece})


def words(number: int, rng: np.random.Generator) -> tuple[list[str], Array]:
    """Different words of two to four syllables, and of which language each is, 0 or 1, by turns; none is of both."""
    found: dict[str, int] = {}
    languages = list(SYLLABLES.values())
    while len(found) < number:
        label = len(found) % len(languages)
        pieces = [str(rng.choice(part)) for _ in range(rng.integers(2, 5)) for part in languages[label]]
        found.setdefault("".join(pieces), label)
    return list(found), np.array(list(found.values()))


def one_hot(word: str) -> Array:
    """The letters of a word, (letters, size of the alphabet) float32."""
    return np.eye(len(ALPHABET), dtype=np.float32)[[ALPHABET.index(letter) for letter in word]]
