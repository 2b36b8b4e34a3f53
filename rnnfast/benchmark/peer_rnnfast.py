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
ROUNDED_ROWS = 4e-3
"""Error over the truth that the check allows where x and h are rounded to bfloat16 besides the weights."""


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
            return _step(case, module, data, state)
        called = {"module(x)": module, "record": module.record}.get(case.call) or _frozen(case, module)
        given = (data.x, state) if case.has_state else (data.x,)
        return Prepared(partial(called, *given, **_flags(data)), forward_arrays, **_rounding(case, called))


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


def rounded_weights(case: Case, data: Data) -> dict[str, Array]:
    """Return the weights by name, matrices as the float32 numbers that rounding them makes of them."""
    if not case.weights:
        return data.weights
    module = net(case, "reference")
    module.load_state_dict(data.weights)
    return dict(_frozen(case, module).parameters)


def _frozen(case: Case, module: Any) -> Any:
    """Return the frozen net; the argument is given where it says something, as not every revision has it."""
    return module.freeze(weights=case.weights) if case.weights else module.freeze()


def _rounding(case: Case, frozen: Any) -> dict[str, Any]:
    """Return what this net rounds besides its weights, and the tolerance that follows, as `Prepared` has them."""
    _, _, rounds = frozen.ran_on(case.batch).partition(": ") if case.weights else ("", "", "")
    return {"rounds": rounds, "tolerance": ROUNDED_ROWS} if rounds else {}


def _step(case: Case, module: Any, data: Data, state: Any) -> Prepared:
    """Step a stream whose state advances from call to call, as in use; the check sets it back."""
    frozen, x = _frozen(case, module), data.x[0]
    stream = frozen.stream(case.batch)
    step = partial(stream.step, x)
    if case.call != "stream.step(x)":
        step = partial(step, out=step())

    def arrays(_: Any) -> dict[str, Array]:
        stream.state = state
        return {"y": step()[None]} | dict(zip(("h_n", "c_n"), _parts(stream.state), strict=False))

    return Prepared(step, arrays, **_rounding(case, frozen))


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
