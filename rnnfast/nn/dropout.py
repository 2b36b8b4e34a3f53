"""Dropout: in training numbers are zeroed at random, and the rest scaled up so that the mean stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.checks.arrays import check_shape
from rnnfast.checks.values import probability, truth
from rnnfast.nn import checks
from rnnfast.nn.draws import Draws
from rnnfast.nn.record import Gradients, Tape
from rnnfast.problem import Array


class Dropout(Draws):
    """Inverted dropout (Srivastava et al. 2014) of x, float32 or float64 of any shape.

    `record` zeroes each number with probability p, independently, and scales the others by 1/(1-p); a call, inference,
    returns x as it is. Every record draws a new mask from the generator that `seed` starts. It has no `parameters`,
    and its state is where the generator stands.
    Raises ValueError for a p outside [0, 1), TypeError for another dtype: nothing is cast.

    >>> from rnnfast import nn
    >>> y, tape = nn.Dropout(0.5, seed=0).record(np.ones(1000))
    >>> sorted({*y.tolist()})
    [0.0, 2.0]
    """

    settings = ("p",)

    def __init__(self, p: float = 0.5, *, seed: int | None = None) -> None:
        self.p = probability("p", p)
        self.parameters: dict[str, Array] = {}
        super().__init__(seed)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"

    def __call__(self, x: ArrayLike) -> Array:
        """Return x itself, no copy."""
        return checks.any_floats("x", x)

    def record(self, x: ArrayLike, *, train: bool = True) -> tuple[Array, DropoutTape]:
        """Return x with numbers dropped, and the tape for its backward. Without `train`, as a call."""
        x = checks.any_floats("x", x)
        if not truth("train", train) or not self.p:
            return x, DropoutTape(x, None)
        kept = self._rng.random(x.shape, np.float32) >= self.p
        scale = kept * x.dtype.type(1 / (1 - self.p))
        return x * scale, DropoutTape(x, scale)


class DropoutTape(Tape):
    """One recorded call of a `Dropout`."""

    def __init__(self, x: Array, scale: Array | None) -> None:
        self._shape, self._dtype, self._scale = x.shape, x.dtype, scale

    def backward(self, dy: ArrayLike) -> Gradients:
        """The gradient of x for dy of its shape: zero where x was dropped."""
        dy = checks.floats_as("dy", dy, "x", self._dtype)
        check_shape("dy", dy, self._shape)
        self._spend()
        return Gradients(dy if self._scale is None else dy * self._scale, {})
