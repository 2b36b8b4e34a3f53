"""A net run segment by segment, so that a long sequence needs little memory or its gradient flows only so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnfast.arrays.layout import Layout
from rnnfast.backends.common.whole import set_d_parameters
from rnnfast.backends.contract import Backend, BackwardArrays, ForwardArrays
from rnnfast.problem import Array, Pair, Problem
from rnnfast.segments.pieces import Checkpoints, Pieces
from rnnfast.segments.plan import Plan, choose, kept_bytes
from rnnfast.segments.slices import one_way, own_features


@dataclass
class Reserve:
    """Memory that the runs of a call left for backward."""

    runs: list[Checkpoints]
    below: list[Array]
    """(T, B, D·S): outputs of the layers below the last, where each sees all steps of the one below it."""
    dropout_seed: int
    inputs: tuple[Any, ...]
    """x, the states before the first step, lengths, mask and resets, for activations that are recomputed."""


class Segmented:
    """Binder of calls that run in the pieces of a plan. Nets of two directions go layer by layer."""

    def __init__(self, backend: Backend, plan: Plan) -> None:
        self.backend, self.plan = backend, plan

    def bind(self, problem: Problem, layout: Layout) -> SegmentedCall:
        """Prepare calls of this problem."""
        return SegmentedCall(self.backend, self.plan, problem, layout)


class SegmentedCall:
    """A call in the pieces of a plan, with the methods of `Bound`."""

    def __init__(self, backend: Backend, plan: Plan, problem: Problem, layout: Layout) -> None:
        self.backend, self.plan, self.problem, self.layout = backend, plan, problem, layout

    def run(self, arrays: ForwardArrays, dropout_seed: int = 0) -> Reserve:
        """Write y and final states; return what `backward` needs."""
        # Views: the caller's own arrays can get another shape in place.
        start = tuple([None if array is None else array.view() for array in arrays.start])
        inputs = arrays.x.view(), start, arrays.lengths, arrays.mask, arrays.resets
        problem = self._with_inputs(*inputs)
        problem.y, problem.dropout_seed = self.layout.sequence(arrays.y), dropout_seed
        problem.h_n, problem.c_n = self._states(arrays.final)
        parts, sequence = one_way(problem), (problem.steps, problem.batch, 2 * problem.state_size)
        below = [np.empty(sequence, problem.dtype) for _ in parts[2::2]]
        reserve = Reserve([], below, dropout_seed, inputs)
        outputs = [*reserve.below, problem.y]
        for k, part in enumerate(parts):
            part.x, part.y = self._input(problem, reserve, k // 2), own_features(outputs[k // 2], part)
            reserve.runs.append(Pieces(self.backend, part, self.plan).forward())
        return reserve

    def backward(self, reserve: Reserve, arrays: BackwardArrays, *, overwrite: bool = True, keep: bool = False) -> None:
        """Write the gradients. Consumes the reserve, unless told to `keep` it."""
        problem = self._with_inputs(arrays.x, arrays.start, arrays.lengths, arrays.mask, arrays.resets)
        problem.dropout_seed, problem.overwrite = reserve.dropout_seed, overwrite
        problem.dh_n, problem.dc_n = self._states(arrays.d_final)
        problem.dh0, problem.dc0 = self._states(arrays.d_start)
        problem.dx = None if arrays.dx is None else self.layout.sequence(arrays.dx)
        problem.state_grad_norms = arrays.norms
        set_d_parameters(problem, arrays.d_parameters)
        dx = None if arrays.dy is None else self.layout.sequence(arrays.dy)
        parts = one_way(problem)
        for layer in reversed(range(len(reserve.below) + 1)):
            dy, dx = dx, np.empty_like(reserve.below[layer - 1]) if layer else problem.dx
            for k, part in list(enumerate(parts))[2 * layer : 2 * layer + 2]:
                part.x, part.dy, part.dx = self._input(problem, reserve, layer), own_features(dy, part), dx
                Pieces(self.backend, part, self.plan).backward(reserve.runs[k], keep=keep)
                if part.only_direction and problem.state_grad_norms is not None and part.state_grad_norms is not None:
                    problem.state_grad_norms[:, k] = part.state_grad_norms[:, 0]

    def activations(self, reserve: Reserve) -> dict[str, Array]:
        """Return gates and c of every step; what was not kept is recomputed."""
        problem = self._with_inputs(*reserve.inputs)
        problem.dropout_seed = reserve.dropout_seed
        found: list[dict[str, Array]] = []
        for k, (part, kept) in enumerate(zip(one_way(problem), reserve.runs, strict=True)):
            part.x = self._input(problem, reserve, k // 2)
            found.append(Pieces(self.backend, part, self.plan).activations(kept))
        return {name: np.concatenate([values[name] for values in found]) for name in found[0]}

    def reserve_bytes(self) -> int:
        """Bytes of the arrays that backward needs at one time, the reserve among them, where every step is live."""
        return kept_bytes(self.backend, self.problem, self.plan)

    def ran(self, reserve: Reserve) -> str:
        """Return how the steps were cut, and which products they had where these are others than of float32 numbers."""
        precision = self.problem.precision
        return str(self.plan) if precision == "float32" else f"{self.plan}, products of {precision}"

    def _with_inputs(self, x: Array, start: Any, lengths: Any, mask: Any, resets: Any) -> Problem:
        problem = replace(self.problem, x=self.layout.sequence(x), lengths=lengths, mask=mask, resets=resets)
        problem.h0, problem.c0 = self._states(start)
        return problem

    def _states(self, given: Sequence[Array | None]) -> Pair:
        views = [None if array is None else self.layout.state(array) for array in given]
        h, c = (*views, None, None)[:2]
        return h, c

    @staticmethod
    def _input(problem: Problem, reserve: Reserve, layer: int) -> Array | None:
        """Return what the parts of a layer read."""
        return reserve.below[layer - 1] if layer else problem.x


def segmented(backend: Backend, problem: Problem, memory: Any, truncate: Any, *, on_host: bool) -> Segmented | None:
    """Return what runs a call with these arguments of `record`; None where its steps need not be cut.

    Raises as `choose`, and TypeError for a net on a device.
    """
    plan = choose(backend, problem, memory, truncate)
    if not on_host:
        raise TypeError(
            "memory= and truncate= cut calls on arrays in host memory, these are on the CUDA device: move the module "
            'with .to("cpu"), or record chunk after chunk with the state that each returns'
        )
    return Segmented(backend, plan) if plan.piece < plan.steps else None
