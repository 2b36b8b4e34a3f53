"""The word that a kernel sets where it has waited in vain for other blocks: in host memory, read without waiting."""

from __future__ import annotations

from typing import Any


class GivenUp:
    """A word of the host's memory that kernels reach at `address`.

    Waits in kernels are bounded, so that a block that never comes ends a call and not the process; what the kernel
    writes is wrong then. It is known once the kernel is done: whoever waits for it is told, or else the next call.
    """

    def __init__(self, word: Any, address: int) -> None:
        self.word, self.address = word, address
        word[0] = 0

    def check(self) -> None:
        """Raise TimeoutError, once, where a kernel has given up."""
        if self.word[0]:
            self.word[0] = 0
            raise TimeoutError(
                "a CUDA kernel waited in vain for other blocks of its cluster, so that results of an earlier call, or "
                "of this one, are wrong: compute them again, and if that does not help, on another device or backend"
            )
