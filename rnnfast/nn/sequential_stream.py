"""A model of several parts run one step at a time, its states kept inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnfast.arrays.host import check_output
from rnnfast.modules.stream import Stream
from rnnfast.problem import Array


class SequentialStream:
    """A model's parts, the recurrent ones as streams of sequences that advance together; for one thread at a time.

    >>> import numpy as np, rnnfast
    >>> from rnnfast import nn
    >>> stream = nn.Sequential(net=rnnfast.GRU(3, 8, seed=0), head=nn.Linear(8, 1, seed=1)).stream()
    >>> stream.step(np.ones(3, np.float32)).shape
    (1,)
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self._parts = parts

    def step(self, x: Any, out: Array | None = None) -> Array:
        """The output for one step's x, (batch, I) or, where batch is 1, (I,); the states advance. `out` takes it."""
        return self._through(x, out, "step")

    def run(self, chunk: Any, out: Array | None = None) -> Array:
        """Make many steps at once: the outputs for a chunk of a sequence."""
        return self._through(chunk, out, "run")

    def _through(self, x: Any, out: Array | None, how: str) -> Array:
        for part in self._parts:
            x = getattr(part, how)(x) if isinstance(part, Stream) else part(x)
        y = np.asarray(x)
        if out is None:
            return y
        check_output("out", out, y.shape, y.dtype, "model", dense=False)[...] = y
        return out

    @property
    def states(self) -> list[Any]:
        """Copies of the states of the recurrent parts. Assign some to go on from them."""
        return [stream.state for stream in self._streams()]

    @states.setter
    def states(self, values: Sequence[Any]) -> None:
        for stream, value in zip(self._streams(), values, strict=True):
            stream.state = value

    def reset(self, mask: Any = None) -> None:
        """Start again from zero states: every row, or those where `mask` (batch,) is not zero."""
        for stream in self._streams():
            stream.reset(mask)

    def _streams(self) -> list[Stream[Any]]:
        return [part for part in self._parts if isinstance(part, Stream)]
