"""rnnfast itself, one of its backends: a frozen net forward, a stream step by step, record and backward in training."""

from __future__ import annotations

from functools import partial
from typing import Any

import rnnfast
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import NO_LINEAR, Prepared
from rnnfast.problem import Array

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {"nonlinearity": "tanh"}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "gru_before": ("GRU", {"reset_after": False}),
}
"""The class of each cell, and its options."""


class Backend:
    """One backend of rnnfast, "c" or "c:avx2"."""

    def __init__(self, name: str) -> None:
        self.name = name

    def lacks(self, case: Case) -> str | None:
        """Say what it cannot run: what stands around a net."""
        return NO_LINEAR if case.is_between else None

    def prepare(self, case: Case, data: Data) -> Prepared:
        """Make the case's call ready: of a frozen net, a stream, a step cell or the module itself."""
        state: Any = data.states if case.cell == "lstm" else data.states[0]
        if case.is_cell:
            return _cell_step(case, self.name, data)
        module = net(case, self.name)
        module.load_state_dict(data.weights)
        if case.work == "training":
            return _training(module, data, state)
        if case.work == "step":
            return _step(module, data, state, fresh=case.call == "stream.step(x)")
        called = {"module(x)": module, "record": module.record}.get(case.call) or module.freeze()
        given = (data.x, state) if case.has_state else (data.x,)
        return Prepared(partial(called, *given, **_flags(data)), forward_arrays)


def net(case: Case, backend: str) -> Any:
    """Return a module of this case's cell, sizes and dtype, for the call of a step cell such a cell."""
    kind, options = KINDS[case.cell]
    made = getattr(rnnfast, f"{kind}Cell" if case.is_cell else kind)
    return made(case.inputs, case.hidden, dtype=case.dtype, backend=backend, **options)


def forward_arrays(result: Any) -> dict[str, Array]:
    """Return y and the final state by name, of what a call returned."""
    y, state = result[:2]
    return {"y": y} | dict(zip(("h_n", "c_n"), _parts(state), strict=False))


def _training(module: Any, data: Data, state: Any) -> Prepared:
    record, x, dy, flags = module.record, data.x, data.dy, _flags(data)

    def work() -> Any:
        y, _, tape = record(x, state, **flags)
        return y, tape.backward(dy)

    def arrays(result: Any) -> dict[str, Array]:
        y, grads = result
        return {"y": y, "x": grads.x, **dict(zip(("h0", "c0"), _parts(grads.state), strict=False)), **grads.params}

    return Prepared(work, arrays)


def _step(module: Any, data: Data, state: Any, *, fresh: bool) -> Prepared:
    """Step a stream whose state advances from call to call, as in use; the check sets it back."""
    stream, x = module.stream(len(data.x[0])), data.x[0]
    step = partial(stream.step, x) if fresh else partial(stream.step, x, out=stream.step(x))

    def arrays(_: Any) -> dict[str, Array]:
        stream.state = state
        return {"y": step()[None]} | dict(zip(("h_n", "c_n"), _parts(stream.state), strict=False))

    return Prepared(step, arrays)


def _cell_step(case: Case, backend: str, data: Data) -> Prepared:
    cell = net(case, backend)
    cell.load_state_dict({name.removesuffix("_l0"): array for name, array in data.weights.items()})
    state: Any = tuple(part[0] for part in data.states) if case.cell == "lstm" else data.states[0][0]
    if case.work == "training":
        return _cell_training(cell, data, state)

    def arrays(result: Any) -> dict[str, Array]:
        parts = [part[None] for part in _parts(result)]
        return {"y": parts[0]} | dict(zip(("h_n", "c_n"), parts, strict=False))

    return Prepared(partial(cell, data.x[0], state), arrays)


def _cell_training(cell: Any, data: Data, state: Any) -> Prepared:
    record, x, dy = cell.record, data.x[0], data.dy[0]

    def work() -> Any:
        after, tape = record(x, state)
        return after, tape.backward(dy)

    def arrays(result: Any) -> dict[str, Array]:
        after, grads = result
        states = zip(("h0", "c0"), (part[None] for part in _parts(grads.state)), strict=False)
        params = {f"{name}_l0": array for name, array in grads.params.items()}
        return {"y": _parts(after)[0][None], "x": grads.x[None], **dict(states), **params}

    return Prepared(work, arrays)


def _flags(data: Data) -> dict[str, Array]:
    """Return the arguments that say which steps are live, and where the state starts anew."""
    return {name: array for name, array in data.flags.items() if array is not None}


def _parts(state: Any) -> tuple[Array, ...]:
    return state if isinstance(state, tuple) else (state,)
