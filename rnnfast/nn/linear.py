"""The affine layer: y = x W^T + b over the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rnnfast.arrays.host import empty
from rnnfast.checks.arrays import check_shape
from rnnfast.checks.values import float_dtype, seed_or_none, truth, whole
from rnnfast.nn import checks
from rnnfast.nn.parameters import Layer, Parameters
from rnnfast.nn.record import Gradients, Tape
from rnnfast.problem import Array


class Linear(Layer):
    """y = x W^T + b for x of any leading shape, (..., in_features) to (..., out_features).

    `parameters` holds `weight` (out_features, in_features) and, with `bias`, `bias` (out_features,), PyTorch's names
    and shapes; initial values are uniform in +-1/sqrt(in_features), drawn from `seed`.
    Raises ValueError for sizes that do not fit and TypeError for another dtype: nothing is cast.

    >>> from rnnfast import nn
    >>> layer = nn.Linear(2, 1, bias=False, dtype="float64")
    >>> layer.parameters["weight"] = [[2.0, 3.0]]
    >>> layer([[1.0, 10.0]])
    array([[32.]])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        dtype: DTypeLike = "float32",
        seed: int | None = None,
    ) -> None:
        self.in_features = whole("in_features", in_features)
        self.out_features = whole("out_features", out_features)
        self.dtype = float_dtype(dtype)
        shapes: dict[str, tuple[int, ...]] = {"weight": (self.out_features, self.in_features)}
        if truth("bias", bias):
            shapes["bias"] = (self.out_features,)
        rng, bound = np.random.default_rng(seed_or_none("seed", seed)), 1 / math.sqrt(self.in_features)
        super().__init__(Parameters({name: empty(size, self.dtype) for name, size in shapes.items()}))
        for array in self.parameters.values():
            array[...] = rng.uniform(-bound, bound, array.shape)

    @property
    def options(self) -> dict[str, Any]:
        """Options that it was made with."""
        sizes = {"in_features": self.in_features, "out_features": self.out_features}
        return sizes | {"bias": "bias" in self.parameters, "dtype": self.dtype.name}

    def __call__(self, x: ArrayLike) -> Array:
        """Return y (..., out_features) for x (..., in_features)."""
        x = self._check(x)
        y: Array = self._rows(x) @ self.parameters["weight"].T
        if "bias" in self.parameters:
            y += self.parameters["bias"]
        return y.reshape(*x.shape[:-1], self.out_features)

    def record(self, x: ArrayLike) -> tuple[Array, LinearTape]:
        """Return y and the tape for its backward, which refers to x and the parameters: leave them until then."""
        x = self._check(x)
        return self(x), LinearTape(self, x)

    def _check(self, x: ArrayLike) -> Array:
        x = checks.floats("x", x, self.dtype, "Linear")
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ValueError(f"x has shape {x.shape}, this Linear was made for (..., {self.in_features})")
        return x

    def _rows(self, x: Array) -> Array:
        return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


class LinearTape(Tape):
    """One recorded call of a `Linear`."""

    def __init__(self, layer: Linear, x: Array) -> None:
        self._layer, self._x = layer, x

    def backward(self, dy: ArrayLike, *, need_x: bool = True) -> Gradients:
        """Gradients for dy (..., out_features): x as x was given (None without `need_x`), and the parameters'."""
        layer, x = self._layer, self._x
        need_x = truth("need_x", need_x)
        dy = checks.floats("dy", dy, layer.dtype, "Linear")
        check_shape("dy", dy, (*x.shape[:-1], layer.out_features))
        self._spend()
        rows = layer._rows(dy)
        params = {"weight": rows.T @ layer._rows(x)}
        if "bias" in layer.parameters:
            params["bias"] = np.ones(len(rows), layer.dtype) @ rows
        dx = (rows @ layer.parameters["weight"]).reshape(x.shape) if need_x else None
        return Gradients(dx, params)
