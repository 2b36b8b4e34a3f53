"""A net run segment by segment, so that a long sequence needs little memory or its gradient flows only so far."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.contract import Backend
from rnnfast.problem import Array, Problem
from rnnfast.segments.pieces import Kept, Walk
from rnnfast.segments.plan import Plan, choose, kept_bytes
from rnnfast.segments.slices import half, one_way


@dataclass
class Reserve:
    """What the walks of a call left for backward."""

    walks: list[Kept]
    below: list[Array]
    """(T, B, D·H): outputs of the layers below the last, where each sees all steps of the one below it."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Reserve:
        return Reserve(copy.deepcopy(self.walks, memo), self.below)


class Segmented:
    """Runs problems as a backend does, in the pieces of a plan. Nets of two directions go layer by layer."""

    def __init__(self, backend: Backend, plan: Plan) -> None:
        self.backend, self.plan = backend, plan

    def forward(self, problem: Problem) -> None:
        """Write y and final states; keep in `reserve` what `backward` needs."""
        parts, sequence = one_way(problem), (problem.steps, problem.batch, 2 * problem.hidden_size)
        reserve = Reserve([], [np.empty(sequence, problem.dtype) for _ in parts[2::2]])
        outputs = [*reserve.below, problem.y]
        for k, part in enumerate(parts):
            part.x, part.y = self.input(problem, reserve, k // 2), half(outputs[k // 2], part)
            reserve.walks.append(Walk(self.backend, part, self.plan).forward())
        problem.reserve = reserve

    def backward(self, problem: Problem) -> None:
        """Write the gradients. Consumes `reserve`."""
        reserve: Reserve = problem.reserve
        problem.reserve, dx, parts = None, problem.dy, one_way(problem)
        for layer in reversed(range(len(reserve.below) + 1)):
            dy, dx = dx, np.empty_like(reserve.below[layer - 1]) if layer else problem.dx
            for k, part in list(enumerate(parts))[2 * layer : 2 * layer + 2]:
                part.x, part.dy, part.dx = self.input(problem, reserve, layer), half(dy, part), dx
                Walk(self.backend, part, self.plan).backward(reserve.walks[k])
                if part.half and problem.state_grad_norms is not None and part.state_grad_norms is not None:
                    problem.state_grad_norms[:, k] = part.state_grad_norms[:, 0]

    def activations(self, problem: Problem) -> dict[str, Array]:
        """From a recorded problem, before `backward`: as a backend's; what was not kept is recomputed."""
        found: list[dict[str, Array]] = []
        for k, (part, kept) in enumerate(zip(one_way(problem), problem.reserve.walks, strict=True)):
            part.x = self.input(problem, problem.reserve, k // 2)
            found.append(Walk(self.backend, part, self.plan).activations(kept))
        return {name: np.concatenate([values[name] for values in found]) for name in found[0]}

    def reserve_bytes(self, problem: Problem) -> int:
        """Bytes of the arrays that backward needs at one time, `reserve` among them, where every step is live."""
        return kept_bytes(self.backend, problem, self.plan)

    def ran(self, problem: Problem) -> str:
        """How it was cut."""
        return str(self.plan)

    def input(self, problem: Problem, reserve: Reserve, layer: int) -> Array | None:
        """What the parts of a layer read."""
        return reserve.below[layer - 1] if layer else problem.x


def runner(backend: Backend, problem: Problem, memory: Any, truncate: Any) -> Segmented | None:
    """What runs a call with these arguments of `record`; None where its steps need not be cut. Raises as `choose`."""
    plan = choose(backend, problem, memory, truncate)
    if problem.library is not None:
        raise TypeError(
            "memory= and truncate= cut calls on arrays in host memory, these are on the CUDA device: move the module "
            'with .to("cpu"), or record chunk after chunk with the state that each returns'
        )
    return Segmented(backend, plan) if plan.piece < plan.steps else None
