"""Memory that a call takes in one piece: where in it each array begins."""

from __future__ import annotations

ALIGNED = 32
"""Numbers at a multiple of which arrays begin: 128 bytes of float32."""


class Workspace:
    """Room for numbers, taken piece by piece before the memory itself is there.

    >>> space = Workspace()
    >>> space.take(5), space.take(40), space.size
    (0, 32, 96)
    """

    def __init__(self) -> None:
        self.size = self.end = 0
        """The numbers that it has room for; where the next array begins."""

    def take(self, count: int) -> int:
        """Return where an array of so many numbers begins."""
        begin, self.end = self.end, self.end + -(-count // ALIGNED) * ALIGNED
        self.size = max(self.size, self.end)
        return begin

    def back(self, end: int) -> None:
        """Let what is taken next lie where the arrays from here on do, which are done with by then."""
        self.end = end
