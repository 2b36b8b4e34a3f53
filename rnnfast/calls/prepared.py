"""Prepared calls: a net's weights with the backend that runs them, bound once for every form of call that came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.watch import unchanged
from rnnfast.backends.choose import Choice
from rnnfast.backends.contract import Binder, Bound
from rnnfast.calls.given import GivenGradients
from rnnfast.checks.arrays import check_steps
from rnnfast.net.description import Net
from rnnfast.net.narrow import Weights
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Problem

INFERENCE, RECORDED, TRAINING = range(3)
"""How a call runs: for its results alone, for a backward as well, or with dropout on top."""
FORMS_KEPT = 64
"""Forms of call whose prepared calls a net keeps."""


@dataclass(slots=True, eq=False)
class Prepared:
    """One form of call, how it runs and the shape of x, with all but its numbers settled."""

    bound: Bound
    layout: Layout
    steps: int
    batch: int
    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    state_shapes: tuple[tuple[int, ...], ...]
    """Of h and, of cells that have it, of c."""
    given: tuple[GivenGradients, ...] = ()
    """Gradients that backward was given to write into lately."""


class Engine:
    """A net's weights, the backend that runs them, and the prepared calls of the forms seen so far.

    `frozen`: the parameters never change again. `num_threads`, `team` and, of frozen nets, `weights` as in `Problem`.
    """

    def __init__(
        self,
        net: Net,
        parameters: Parameters,
        choice: Choice,
        *,
        frozen: bool = False,
        num_threads: int = 0,
        team: int = 0,
        weights: Weights | None = None,
    ) -> None:
        self.num_threads, self.team, self.weights = num_threads, team, weights
        self.net, self.parameters, self.choice, self.frozen = net, parameters, choice, frozen
        self.backend, self.dtype, self.on_host = choice.backend, net.dtype, parameters.device == "cpu"
        self.two_states = len(net.states) > 1
        parameters.check()
        self._unchanged = unchanged([*parameters.values()]) if self.on_host and parameters else None
        self.cache: dict[str, Any] = {}
        self.forms: dict[tuple[int, tuple[int, ...]], Prepared] = {}
        self.seen: dict[tuple[Any, ...], Prepared] = {}
        """The same by how a call runs and the shape, strides and dtype of an x on a device that was found to fit."""

    def check(self) -> None:
        """Raise ValueError or TypeError where a parameter's array is no longer what it was, its values aside."""
        if self._unchanged is None:
            self.parameters.check()
        elif not self._unchanged():
            self.parameters.check()
            raise ValueError(
                f"an array of this {self.net.name}'s parameters was moved to other memory in place, where only its "
                "values may change: make the net anew and load them with load_state_dict"
            )

    def access(self, x: Any) -> Access:
        """Return how arrays are reached where the parameters are. Raises TypeError where x is elsewhere."""
        return host if self.on_host else self.parameters.access(x)

    def prepared(
        self, how: int, shape: tuple[int, ...], layout: Layout, seen: tuple[Any, ...] | None = None
    ) -> Prepared:
        """Return the prepared call for x of this shape, made where it is the first of its form; `seen` finds it too."""
        found = self.forms.get((how, shape))
        if found is None:
            found = self.bound(self.backend, how, shape, layout)
            if len(self.forms) >= FORMS_KEPT:
                self.forms.clear()
            self.forms[how, shape] = found
        if seen is not None:
            if len(self.seen) >= FORMS_KEPT:
                self.seen.clear()
            self.seen[seen] = found
        return found

    def bound(self, binder: Binder, how: int, shape: tuple[int, ...], layout: Layout) -> Prepared:
        """Prepare a call by the backend, or by what runs it piece by piece."""
        net, (steps, batch), y_shape = self.net, layout.sizes(shape), (*shape[:-1], self.net.output_size)
        if self.on_host:
            host.empty(y_shape, self.dtype)  # sizes beyond memory end here, with NumPy's own words
        check_steps(steps, batch)
        return Prepared(
            binder.bind(self.problem(how, steps, batch), layout),
            layout,
            steps,
            batch,
            shape,
            y_shape,
            layout.state_shapes(net.num_layers * net.num_directions, batch, net.state_sizes),
        )

    def problem(self, how: int, steps: int, batch: int) -> Problem:
        """Return the record of a call of T steps and batch B, without sequences and states.

        Raises as `Parameters.check`.
        """
        net = self.net
        problem = Problem(
            net.cell,
            net.dtype,
            net.num_layers,
            net.num_directions,
            steps,
            batch,
            net.input_size,
            net.hidden_size,
            net.masked_output,
            proj_size=net.proj_size,
            record=how != INFERENCE,
            frozen=self.frozen,
            weights=self.weights,
            precision="float32" if self.frozen else net.precision,
            variant=self.choice.variant,
            num_threads=self.num_threads,
            team=self.team,
            cache=self.cache,
            **self.parameters.tables(),
        )
        if how == TRAINING:
            problem.dropout, problem.input_dropout = net.dropout, net.input_dropout
            problem.recurrent_dropout = net.recurrent_dropout
        return problem
