"""A net's weights together with the backend that runs them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rnnfast.arrays.access import Memory
from rnnfast.backends.choose import Choice
from rnnfast.backends.contract import Backend
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """All of a call but its sequences."""

    net: Net
    parameters: Parameters
    choice: Choice
    packed: Any = None
    cache: dict[str, Any] = field(default_factory=dict)
    repeated: dict[tuple[str, tuple[int, ...]], Any] = field(default_factory=dict)
    """By how and with what shape of x it was called; see repeated.py."""

    @property
    def backend(self) -> Backend:
        """The backend chosen."""
        return self.choice.backend

    def memory(self, x: Any) -> Memory:
        """Where the parameters live, and so what comes with x must. Raises TypeError where x lives elsewhere."""
        return self.parameters.memory(x)

    def problem(self, steps: int, batch: int) -> Problem:
        """The record of a call of T steps and batch B, dropout off, its sequences and states still missing.

        Raises as `Parameters.tables`.
        """
        net = self.net
        return Problem(
            net.cell,
            net.dtype,
            net.num_layers,
            net.num_directions,
            steps,
            batch,
            net.input_size,
            net.hidden_size,
            net.masked_output,
            packed=self.packed,
            variant=self.choice.variant,
            cache=self.cache,
            **self.parameters.tables(),
        )

    def with_packed_weights(self) -> Engine:
        """The same with the weights rearranged once for many calls; they must not change afterwards."""
        return replace(self, packed=self.backend.pack(self.problem(steps=1, batch=1)), cache={}, repeated={})
