"""Text to learn from: reading it, its alphabet, its split, and the batches cut from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnfast.examples.errors import UserError
from rnnfast.problem import Array

MINIMUM = 2000
"""Characters below which there is nothing to learn from and nothing to hold out."""
HELD_OUT_SHARE = 20
"""One part in so many, the end of the text, is held out."""


@dataclass(frozen=True)
class Alphabet:
    """The characters a model knows, as ascending Unicode code points; a character's code is its place among them."""

    points: Array

    @classmethod
    def of(cls, text: str) -> Alphabet:
        """The distinct characters of a text."""
        return cls(np.unique(_code_points(text)))

    def __len__(self) -> int:
        return len(self.points)

    def encode(self, text: str) -> Array:
        """The codes of a text, int64 (characters,). UserError names characters that are not in the alphabet."""
        points = _code_points(text)
        unknown = np.setdiff1d(points, self.points)
        if unknown.size:
            sample = "".join(map(chr, unknown[:10]))
            raise UserError(f"the text has {unknown.size} characters that the model does not know, such as {sample!r}")
        return np.searchsorted(self.points, points)

    def decode(self, codes: Array) -> str:
        """The text of these codes."""
        return "".join(map(chr, self.points[codes]))


def _code_points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4")).astype(np.uint32)


def read_text(path: Path | None) -> str:
    """The text of a UTF-8 file, or with None the help topics of the Python that runs this."""
    text, name = (python_topics(), "Python's help text") if path is None else (_read_file(path), str(path))
    if len(text) < MINIMUM:
        raise UserError(f"{name} has {len(text)} characters, expected at least {MINIMUM}: choose a longer text")
    return text


def python_topics() -> str:
    """Python's help topics, English prose about the language, each paragraph once.

    Topics quote one another; a paragraph kept twice could be learned in training and met again where it is held out.
    """
    try:
        from pydoc_data.topics import topics
    except ModuleNotFoundError:
        raise UserError("this Python carries no help topics: name a text with --text FILE") from None
    paragraphs = (paragraph.strip("\n") for topic in topics.values() for paragraph in topic.split("\n\n"))
    return "\n\n".join(dict.fromkeys(filter(None, paragraphs)))


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): convert it to UTF-8") from None


def split(codes: Array) -> tuple[Array, Array]:
    """Training part and held-out part, the latter the contiguous end of the text."""
    cut = len(codes) - len(codes) // HELD_OUT_SHARE
    return codes[:cut], codes[cut:]


def text_batches(codes: Array, batch: int, steps: int) -> Iterator[tuple[Array, Array]]:
    """Endless pairs of inputs and targets, each (steps, batch), targets one character ahead.

    Row b of a batch goes on where row b of the one before stopped, so a recurrent state can be carried over. The text
    counts as a ring: its rows start evenly spread and each reads on past the start of the next.
    """
    rows = np.arange(batch) * len(codes) // batch
    offsets = np.arange(steps + 1)[:, None]
    while True:
        window = codes[(rows + offsets) % len(codes)]
        yield window[:-1], window[1:]
        rows = rows + steps


def unigram_bits(training: Array, held_out: Array, size: int) -> float:
    """Bits per held-out character of the best model without context: training frequencies, add-one smoothed."""
    counts = np.bincount(training, minlength=size) + 1
    return float(-np.log2(counts / counts.sum())[held_out].mean())
