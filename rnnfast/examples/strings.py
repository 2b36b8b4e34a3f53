"""Strings of letters and their translation: reversed, small letters for capitals and capitals for small ones."""

from __future__ import annotations

import itertools
import string
import zlib
from collections.abc import Sequence

import numpy as np

from rnnfast.problem import Array

LETTERS = string.ascii_letters
LONGEST = 12
MARK = len(LETTERS)
"""The code that stands before a translation and after it; a letter's is its place in LETTERS."""
HELD_OUT_SHARE = 10
"""One string in so many is never learned from."""
_LETTERS = np.frombuffer(LETTERS.encode(), np.uint8)


def translation(text: str) -> str:
    """Return the translation that is to be learned: "abC" becomes "cBA"."""
    return text[::-1].swapcase()


def is_held_out(text: str) -> bool:
    """Return whether a string belongs to those never learned from: its own checksum decides."""
    return zlib.crc32(text.encode()) % HELD_OUT_SHARE == 0


def random_strings(count: int, rng: np.random.Generator, *, held_out: bool = False) -> list[str]:
    """Return so many different strings that are, or are not, held out.

    Lengths of those held out are drawn evenly from 1 to LONGEST. Of those to learn from each has the larger of two such
    draws: long strings are the hardest to learn and worth most of the time.
    """
    found: dict[str, None] = {}
    while len(found) < count:
        letters = rng.choice(_LETTERS, (count, LONGEST))
        lengths = rng.integers(1, LONGEST + 1, (1 if held_out else 2, count)).max(axis=0)
        texts = (row[:length].tobytes().decode() for row, length in zip(letters, lengths, strict=True))
        found |= dict.fromkeys(text for text in texts if is_held_out(text) == held_out)
    return list(found)[:count]


def encode(text: str) -> Array:
    """The codes of a string, int64 (letters,)."""
    return np.array([LETTERS.index(letter) for letter in text], np.int64)


def decode(codes: Array) -> str:
    """The letters of codes (N,), up to the first mark."""
    return "".join(LETTERS[code] for code in itertools.takewhile(lambda code: code != MARK, codes))


def pairs(texts: Sequence[str]) -> tuple[list[Array], list[Array], list[Array]]:
    """The codes of strings, of a mark and their translations, and of their translations and a mark."""
    sources, translations = [encode(text) for text in texts], [encode(translation(text)) for text in texts]
    before = [np.concatenate(([MARK], codes)) for codes in translations]
    after = [np.concatenate((codes, [MARK])) for codes in translations]
    return sources, before, after
