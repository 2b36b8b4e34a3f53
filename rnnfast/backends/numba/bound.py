"""Forward and backward of the Numba CPU backend with all but their numbers settled, to be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from rnnfast.backends.contract import BackwardArrays
from rnnfast.backends.numba.layer import Layer
from rnnfast.backends.numba.net import backward, forward
from rnnfast.problem import Array, Problem


class Bound:
    """One problem, recorded or not, to be run on other x and y with the same shapes and strides."""

    def __init__(self, problem: Problem) -> None:
        assert problem.x is not None and problem.y is not None
        self.places = [(a.shape, a.dtype, a.strides) for a in (problem.x, problem.y)]
        self.state_shape = problem.num_layers * problem.num_directions, problem.batch, problem.hidden_size
        nothing: dict[str, Any] = dict.fromkeys(("x", "y", "h0", "c0", "h_n", "c_n", "reserve"))
        self.problem = replace(problem, **nothing)  # the first call's arrays belong to its caller
        self.options = {field.name: getattr(self.problem, field.name) for field in fields(Problem)}

    def is_stale(self) -> bool:
        """Never: every call asks for the number of threads."""
        return False

    def run(
        self, x: Array, y: Array, start: Sequence[Array], final: Sequence[Array], dropout_seed: int = 0
    ) -> list[Layer] | None:
        """The states before (none: zeros) and after the steps are (h,) or (h, c). Returns the reserve if recorded."""
        return forward(self.problem, self.seen(0, x), self.seen(1, y), self.states(start), self.states(final))

    def backward(self, reserve: list[Layer], arrays: BackwardArrays) -> None:
        """Back-propagate through a recorded run."""
        x, dy, d_final, dx, d_start, tables = arrays
        given: dict[str, Any] = {"d_" + name: table for name, table in tables.items()}
        given |= zip(("dh0", "dc0"), self.states(d_start), strict=False)
        given |= zip(("dh_n", "dc_n"), self.states(d_final), strict=False)
        dx, dy = None if dx is None else self.seen(0, dx), None if dy is None else self.seen(1, dy)
        problem = Problem(**self.options | {"x": x, "dx": dx, "dy": dy, "overwrite": True} | given)
        backward(problem, reserve)

    def seen(self, number: int, array: Array) -> Array:
        """An array like x (0) or y (1) as the problem has it, time first."""
        shape, dtype, strides = self.places[number]
        view: Array = np.ndarray(shape, dtype, array, 0, strides)
        return view

    def states(self, arrays: Sequence[Array]) -> list[Array]:
        """As the problem has them."""
        return [array.reshape(self.state_shape) for array in arrays]
