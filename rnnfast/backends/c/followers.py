"""Objects that depend on the number of threads: told when Python sets another one, so that none has to ask."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakValueDictionary


class Follower(Protocol):
    """Object that is told when the number of threads changes."""

    def recount(self) -> None:
        """Look at the number of threads."""


_followers: WeakValueDictionary[int, Follower] = WeakValueDictionary()


def add(follower: Follower) -> None:
    """Have a follower told from now on, for as long as somebody else refers to it."""
    _followers[id(follower)] = follower


def tell() -> None:
    """Tell all that are there; other threads may add theirs meanwhile."""
    for reference in _followers.valuerefs():
        if (follower := reference()) is not None:
            follower.recount()
