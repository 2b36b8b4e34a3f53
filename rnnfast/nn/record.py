"""The result of a layer's backward, and the tape's rule that one recording serves one backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from rnnfast.problem import Array


@dataclass(frozen=True)
class Gradients:
    """Gradients of a loss: `x` with respect to the layer's input (None where there is none), `params` by name.

    >>> import numpy as np
    >>> from rnnfast import nn
    >>> y, tape = nn.Linear(3, 2, seed=0).record(np.ones((5, 3), np.float32))
    >>> grads = tape.backward(y)
    >>> grads.x.shape, sorted(grads.params)
    ((5, 3), ['bias', 'weight'])
    """

    x: Array | None
    params: dict[str, Array]


class Tape:
    """One recorded call of a layer, good for one `backward`."""

    _spent = False

    def _spend(self) -> None:
        if self._spent:
            raise RuntimeError("this tape was already used: one backward per record, so call record again")
        self._spent = True

    def __reduce__(self) -> NoReturn:
        raise TypeError("a tape can be neither copied nor pickled: it refers to the live parameters and to x")
