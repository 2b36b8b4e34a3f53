"""Sentences of opinion and whether they are in favour, from a grammar in which no word by itself tells.

Every clause praises or blames with one word and is as often turned round as not, by "not", by "i doubt that" and by
others, also twice; where two clauses are joined, "but" and "although" say which of them counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnfast.problem import Array

THINGS = ("plot", "acting", "music", "ending", "camera", "food", "service", "room", "soup", "view", "staff", "price")
WORDS = {
    True: ("good", "great", "lovely", "clever", "fresh", "honest", "warm", "splendid", "bright", "charming"),
    False: ("bad", "awful", "dull", "clumsy", "stale", "dishonest", "cold", "miserable", "bleak", "boring"),
}
VERBS = {
    True: ("like", "love", "enjoy", "admire", "recommend"),
    False: ("hate", "dislike", "regret", "despise", "resent"),
}
STATED = {
    False: ("the {thing} was {word}", "the {thing} is really {word}", "i {verb} the {thing}", "what a {word} {thing}"),
    True: (
        "the {thing} was not {word}",
        "the {thing} is anything but {word}",
        "i do not {verb} the {thing}",
        "there is nothing {word} about the {thing}",
    ),
}
"""Clauses by whether they say the opposite of their word."""
BELIEVED = {
    False: ("i think that {}", "everybody would say that {}", "it is true that {}", "who would doubt that {}"),
    True: ("i doubt that {}", "nobody would say that {}", "it is not true that {}", "who would say that {}"),
}
"""Words that may stand before a clause, by whether they turn it round."""
JOINED = ("{other} but {main}", "although {other} , {main}", "{main} although {other}", "{main} , even if {other}")


class Opinion(NamedTuple):
    """A sentence, words and commas between spaces, and whether it is in favour."""

    text: str
    favours: bool


def opinions(count: int, seed: int) -> list[Opinion]:
    """Return `count` different sentences at random, about half in favour, of 4 to some 50 words, on average 14."""
    rng = np.random.default_rng(seed)
    found: dict[str, bool] = {}
    while len(found) < count:
        favours = bool(rng.integers(2))
        found[_sentence(rng, favours)] = favours
    return [Opinion(text, favours) for text, favours in found.items()]


def vocabulary() -> list[str]:
    """Every word of the grammar, ascending; a word's code is its place."""
    lists = [THINGS, *(part for table in (WORDS, VERBS, STATED, BELIEVED) for part in table.values()), JOINED]
    words = {word for entries in lists for entry in entries for word in entry.split()}
    return sorted(word for word in words if "{" not in word)


def encode(sentences: Sequence[Opinion]) -> tuple[list[Array], Array]:
    """The codes of every sentence's words, each int64 (T_b,), and the classes, 1 where in favour, int64 (B,)."""
    code = {word: k for k, word in enumerate(vocabulary())}
    words = [np.array([code[word] for word in text.split()]) for text, _ in sentences]
    return words, np.array([favours for _, favours in sentences], np.int64)


def _sentence(rng: np.random.Generator, favours: bool) -> str:
    """One clause, or two of which one counts; the other is in favour or not at random."""
    main = _clause(rng, favours)
    if rng.integers(2):
        return main
    return str(rng.choice(JOINED)).format(main=main, other=_clause(rng, bool(rng.integers(2))))


def _clause(rng: np.random.Generator, favours: bool) -> str:
    """A clause that is in favour or not, whatever stands in it or before it."""
    turned = bool(rng.integers(2))
    if rng.integers(3) == 0:
        return str(rng.choice(BELIEVED[turned])).format(_clause(rng, favours != turned))
    word = favours != turned
    return str(rng.choice(STATED[turned])).format(
        thing=rng.choice(THINGS), word=rng.choice(WORDS[word]), verb=rng.choice(VERBS[word])
    )
