"""PyTorch: its nets and step cells; inference mode forward, autograd in training, packed sequences for lengths."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.problem import Array


def lacks(case: Case) -> str | None:
    """Say that it has no resets."""
    return "its nets have no resets" if case.kind == "resets" else None


def prepare(case: Case, data: Data) -> Prepared:
    """Make the module and its arguments, as tensors; packing and unpacking of ragged batches belong to the work."""
    torch.set_num_threads(case.threads)
    x, dy = torch.from_numpy(data.x), torch.from_numpy(data.dy)
    states = tuple(torch.from_numpy(array) for array in data.states)
    if case.work == "step" or case.call == "cell(x, state)":
        return _cell_step(case, data, x[0], tuple(state[0] for state in states))
    module = _module(case, data)
    given: tuple[Any, ...] = (x,)
    if case.has_state:
        given = (x, states if case.cell == "lstm" else states[0])
    run = partial(module, *given)
    if data.lengths is not None:
        run = partial(_ragged, module, case.steps, torch.from_numpy(data.lengths), *given)
    if case.work != "training":
        return Prepared(run, _forward_arrays, torch.inference_mode)
    for tensor in (x, *states):
        tensor.requires_grad_()
    named = {"x": x, **dict(zip(("h0", "c0"), states, strict=False)), **dict(module.named_parameters())}
    wanted = tuple(named.values())

    def train() -> Any:
        y, _ = run()
        return y, torch.autograd.grad(y, wanted, dy)

    def arrays(result: Any) -> dict[str, Array]:
        y, grads = result
        return {"y": y.detach().numpy()} | {name: g.numpy() for name, g in zip(named, grads, strict=True)}

    return Prepared(train, arrays)


def _ragged(module: Any, steps: int, lengths: Any, x: Any, *state: Any) -> Any:
    packed, after = module(pack_padded_sequence(x, lengths, enforce_sorted=False), *state)
    return pad_packed_sequence(packed, total_length=steps)[0], after


def _cell_step(case: Case, data: Data, x: Any, states: tuple[Any, ...]) -> Prepared:
    module = _module(case, data, "Cell")

    def arrays(result: Any) -> dict[str, Array]:
        parts = [part[None] for part in _parts(result)]
        return _forward_arrays((parts[0], tuple(parts)))

    return Prepared(partial(module, x, states if case.cell == "lstm" else states[0]), arrays, torch.inference_mode)


def _module(case: Case, data: Data, suffix: str = "") -> Any:
    """Make a net, or with the suffix "Cell" a step cell, of the case's weights."""
    kind = {"lstm": "LSTM", "gru": "GRU"}.get(case.cell, "RNN") + suffix
    options = {} if case.cell in ("lstm", "gru") else {"nonlinearity": "relu" if case.cell == "rnn_relu" else "tanh"}
    module = getattr(torch.nn, kind)(case.inputs, case.hidden, dtype=getattr(torch, case.dtype), **options)
    cut = "_l0" if suffix else ""
    module.load_state_dict({name.removesuffix(cut): torch.from_numpy(array) for name, array in data.weights.items()})
    return module


def _forward_arrays(result: Any) -> dict[str, Array]:
    y, state = result
    return {"y": y.numpy()} | {name: p.numpy() for name, p in zip(("h_n", "c_n"), _parts(state), strict=False)}


def _parts(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)
