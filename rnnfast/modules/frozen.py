"""Frozen nets: an immutable snapshot of a module, its weights packed once, for inference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic

from rnnfast.backends import choose
from rnnfast.backends.choose import Choice
from rnnfast.calls.forward import forward
from rnnfast.calls.gradients import StateT
from rnnfast.calls.prepared import Engine
from rnnfast.modules.stream import Stream
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array


@dataclass(frozen=True, eq=False)
class Frozen(Generic[StateT]):
    """A net whose parameters are read-only copies and whose backend stays the one chosen when it was frozen."""

    net: Net
    parameters: Parameters = field(repr=False)
    _engine: Engine = field(repr=False)

    def __call__(
        self,
        x: Any,
        state: StateT | None = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        out: Array | None = None,
    ) -> tuple[Array, StateT]:
        """y and the final state; arguments, shapes and errors as the module's own call."""
        return forward(self._engine, x, state, lengths, mask, resets, out)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold the parameters and the backend's name; packing is done anew where they arrive."""
        return _restored, (self.net, self.parameters, self._engine.choice.full_name)

    def stream(self, batch: int = 1) -> Stream[StateT]:
        """A stream of single steps with its own state, zero at first. Raises ValueError for a bidirectional net."""
        return Stream(self._engine, batch)


def freeze(net: Net, parameters: Parameters, choice: Choice) -> Frozen[Any]:
    """A snapshot of these parameters for one backend."""
    snapshot = parameters.copy(writeable=False)
    return Frozen(net, snapshot, Engine(net, snapshot, choice, frozen=True))


def _restored(net: Net, parameters: Parameters, backend: str) -> Frozen[Any]:
    return freeze(net, parameters, choose.select(backend, parameters.device, net.cell))
