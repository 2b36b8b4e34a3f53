"""rnnfast itself, one of its backends: a frozen net forward, a stream step by step, record and backward in training."""

from __future__ import annotations

from typing import Any

import rnnfast
from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peers import Prepared
from rnnfast.problem import Array


class Backend:
    """One backend of rnnfast, "c" or "c:avx2"."""

    def __init__(self, name: str) -> None:
        self.name = name

    def lacks(self, case: Case) -> str | None:
        """Nothing."""
        return None

    def prepare(self, case: Case, data: Data) -> Prepared:
        """A frozen net, a stream, or the module itself."""
        module = net(case, self.name)
        module.load_state_dict(data.weights)
        state: Any = data.states if case.cell == "lstm" else data.states[0]
        if case.work == "training":
            return _training(module, data, state)
        if case.work == "step":
            return _step(module, data, state)
        frozen = module.freeze()
        return Prepared(lambda: frozen(data.x, state, lengths=data.lengths), forward_arrays)


def net(case: Case, backend: str) -> Any:
    """A module of this case's cell, sizes and dtype."""
    sizes = (case.inputs, case.hidden)
    if case.cell == "lstm":
        return rnnfast.LSTM(*sizes, dtype=case.dtype, backend=backend)
    if case.cell == "gru":
        return rnnfast.GRU(*sizes, dtype=case.dtype, backend=backend)
    f: Any = "relu" if case.cell == "rnn_relu" else "tanh"
    return rnnfast.RNN(*sizes, nonlinearity=f, dtype=case.dtype, backend=backend)


def forward_arrays(result: Any) -> dict[str, Array]:
    """y and the final state by name."""
    y, state = result
    return {"y": y} | dict(zip(("h_n", "c_n"), _parts(state), strict=False))


def _training(module: Any, data: Data, state: Any) -> Prepared:
    def work() -> Any:
        y, _, tape = module.record(data.x, state, lengths=data.lengths)
        return y, tape.backward(data.dy)

    def arrays(result: Any) -> dict[str, Array]:
        y, grads = result
        return {"y": y, "x": grads.x, **dict(zip(("h0", "c0"), _parts(grads.state), strict=False)), **grads.params}

    return Prepared(work, arrays)


def _step(module: Any, data: Data, state: Any) -> Prepared:
    """The state advances from call to call, as in use; the check sets it back."""
    stream, x = module.stream(len(data.x[0])), data.x[0]
    out = stream.step(x)

    def arrays(_: Any) -> dict[str, Array]:
        stream.state = state
        return {"y": stream.step(x)[None]} | dict(zip(("h_n", "c_n"), _parts(stream.state), strict=False))

    return Prepared(lambda: stream.step(x, out=out), arrays)


def _parts(state: Any) -> tuple[Array, ...]:
    return state if isinstance(state, tuple) else (state,)
