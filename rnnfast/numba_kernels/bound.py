"""A forward of the Numba CPU backend with all but its numbers settled, to be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnnfast.numba_kernels.layer import Layer
from rnnfast.numba_kernels.net import forward
from rnnfast.problem import Array, Problem


class Bound:
    """A forward of one problem, recorded or not, to be run on other x and y with the same shapes and strides."""

    def __init__(self, problem: Problem) -> None:
        assert problem.x is not None and problem.y is not None
        self.places = [(a.shape, a.dtype, a.strides) for a in (problem.x, problem.y)]
        self.state_shape = problem.num_layers * problem.num_directions, problem.batch, problem.hidden_size
        nothing: dict[str, Any] = dict.fromkeys(("x", "y", "h0", "c0", "h_n", "c_n", "reserve"))
        self.problem = replace(problem, **nothing)  # the first call's arrays belong to its caller

    def is_stale(self) -> bool:
        """Never: every call asks for the number of threads."""
        return False

    def run(
        self, x: Array, y: Array, start: Sequence[Array], final: Sequence[Array], dropout_seed: int = 0
    ) -> list[Layer] | None:
        """The states before (none: zeros) and after the steps are (h,) or (h, c). Returns the reserve if recorded."""
        (shape, dtype, strides), (y_shape, _, y_strides) = self.places
        x, y = np.ndarray(shape, dtype, x, 0, strides), np.ndarray(y_shape, dtype, y, 0, y_strides)
        states = [[state.reshape(self.state_shape) for state in part] for part in (start, final)]
        return forward(self.problem, x, y, *states)
