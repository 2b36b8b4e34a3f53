"""PyTorch: nn.RNN, nn.LSTM, nn.GRU; inference mode forward, autograd in training, packed sequences for lengths."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peers import Prepared
from rnnfast.problem import Array


def lacks(case: Case) -> str | None:
    """Nothing."""
    return None


def prepare(case: Case, data: Data) -> Prepared:
    """The module and its arguments as tensors; packing and unpacking of ragged batches belong to the work."""
    torch.set_num_threads(case.threads)
    module = _module(case)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in data.weights.items()})
    x, dy = torch.from_numpy(data.x), torch.from_numpy(data.dy)
    states = tuple(torch.from_numpy(array) for array in data.states)
    lengths = None if data.lengths is None else torch.from_numpy(data.lengths)

    def run() -> Any:
        state = states if case.cell == "lstm" else states[0]
        if lengths is None:
            return module(x, state)
        packed, state = module(pack_padded_sequence(x, lengths, enforce_sorted=False), state)
        return pad_packed_sequence(packed, total_length=case.steps)[0], state

    if case.work != "training":
        return Prepared(torch.inference_mode()(run), _forward_arrays)
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


def _module(case: Case) -> Any:
    sizes, dtype = (case.inputs, case.hidden), getattr(torch, case.dtype)
    if case.cell == "lstm":
        return torch.nn.LSTM(*sizes, dtype=dtype)
    if case.cell == "gru":
        return torch.nn.GRU(*sizes, dtype=dtype)
    return torch.nn.RNN(*sizes, nonlinearity="relu" if case.cell == "rnn_relu" else "tanh", dtype=dtype)


def _forward_arrays(result: Any) -> dict[str, Array]:
    y, state = result
    parts = state if isinstance(state, tuple) else (state,)
    return {"y": y.numpy()} | {name: part.numpy() for name, part in zip(("h_n", "c_n"), parts, strict=False)}
