"""Known vectors for words, from a text file with a line for each: the word and its numbers, as in GloVe's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnfast.examples.errors import UserError
from rnnfast.problem import Array


def read_vectors(path: Path, words: Sequence[str], seed: int = 0) -> tuple[Array, int]:
    """A table float32 (len(words), numbers in a line), and how many of the words have a line in the file.

    The others' rows are random, with the spread that all rows found have together. UserError where the file cannot
    be read, has no line for any of the words, or has one that does not fit the others.
    """
    place, found = {word: k for k, word in enumerate(words)}, {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                word, _, numbers = line.rstrip().partition(" ")
                if word in place:
                    found[word] = _vector(numbers, f"line {number} of {path}")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): convert it to UTF-8") from None
    if len(sizes := {len(vector) for vector in found.values()}) != 1:
        wrong = (
            f"vectors of {sorted(sizes)} numbers, expected one size" if sizes else "none of the words of the grammar"
        )
        raise UserError(f"{path} has {wrong}: name a text file with a word and its numbers on each line")
    known = np.stack(list(found.values()))
    table = np.random.default_rng(seed).normal(0, known.std(), (len(words), known.shape[1])).astype(np.float32)
    table[[place[word] for word in found]] = known
    return table, len(found)


def _vector(numbers: str, where: str) -> Array:
    try:
        vector = np.array(numbers.split(), np.float32)
    except ValueError:
        vector = np.empty(0, np.float32)
    if not vector.size or not np.isfinite(vector).all():
        raise UserError(f"{where} is {numbers[:40]!r} after the word, expected numbers")
    return vector
