"""PyTorch: its nets and step cells; inference mode forward, autograd in training, packed sequences for lengths.

Weights in bfloat16 are those of a module in bfloat16, x and states too; in int8 of one quantised dynamically.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import LOOSE, Prepared
from rnnfast.problem import Array

ROUNDS = {
    "bfloat16": "x, states, sums and results are in bfloat16 as well",
    "int8": "x and h are rounded to 8 bits as well, at every step",
}
"""What its modules round besides weights of these types."""


def lacks(case: Case) -> str | None:
    """Say that it has no resets, one form of the GRU, and no int8 for RNNs or in versions to come."""
    if case.weights == "int8" and importlib.util.find_spec("torch.ao.quantization") is None:
        return "runs no int8: this version has no torch.ao.quantization"
    if case.weights == "int8" and case.cell in ("rnn", "rnn_relu") and case.work != "step":
        return "runs no int8: its quantize_dynamic leaves an RNN, other than its step cell, in float32"
    if case.cell == "gru_before":
        return "its GRU has the reset gate after the product"
    return "its nets have no resets" if case.kind == "resets" else None


def prepare(case: Case, data: Data, changed: Callable[[Any], Any] = lambda module: module) -> Prepared:
    """Make the module and its arguments, as tensors; packing and unpacking of ragged batches belong to the work.

    `changed` takes the whole module and returns the one that is run.
    """
    torch.set_num_threads(case.threads)
    is_cell = case.work == "step" or case.is_cell
    arrays = {"x": data.x, **dict(zip(("h0", "c0"), data.states, strict=False)), "dy": data.dy}
    kind = getattr(torch, "bfloat16" if case.weights == "bfloat16" else case.dtype)
    tensors = {name: torch.from_numpy(array[0] if is_cell else array).to(kind) for name, array in arrays.items()}
    dy = tensors.pop("dy")
    x, *states = tensors.values()
    module = _Between(case, data) if case.is_between else _module(case, data, "Cell" if is_cell else "")
    module = changed(_narrow(module, case.weights))
    given: tuple[Any, ...] = (x,)
    if case.has_state:
        given = (x, tuple(states) if case.cell == "lstm" else states[0])
    run = partial(module, *given)
    if data.lengths is not None:
        run = partial(_ragged, module, case.steps, torch.from_numpy(data.lengths), *given)
    if case.work == "training":
        return _training(run, tensors, dict(module.named_parameters()), dy)
    read = _cell_arrays if is_cell else _forward_arrays
    within = nullcontext if case.call == "record" else torch.inference_mode
    return Prepared(run, read, within, ROUNDS.get(case.weights, ""), LOOSE if case.weights else None)


def _narrow(module: Any, weights: str) -> Any:
    """Return the module with weights of this type. Raises RuntimeError where PyTorch leaves it as it is."""
    if weights == "int8":
        with warnings.catch_warnings():  # that it is to go from later versions
            warnings.simplefilter("ignore")
            quantise: Any = torch.ao.quantization.quantize_dynamic
            holder = quantise(torch.nn.Sequential(module), {type(module)}, torch.qint8)
        if type(holder[0]) is type(module):
            raise RuntimeError(f"quantize_dynamic left {type(module).__name__} in float32")
        return holder[0]  # a module that is given itself stays what it is
    return module.bfloat16() if weights else module


def _training(run: Callable[[], Any], tensors: dict[str, Any], parameters: dict[str, Any], dy: Any) -> Prepared:
    """Make the work forward and backward of these inputs and parameters, by name; dy has the shape of the output."""
    for tensor in tensors.values():
        tensor.requires_grad_()
    wanted = (*tensors.values(), *parameters.values())

    def train() -> Any:
        y = run()
        y = y[0] if isinstance(y, tuple) else y  # a net's output, or a cell's h
        return y, torch.autograd.grad(y, wanted, dy)

    def arrays(result: Any) -> dict[str, Array]:
        y, grads = result
        found = {"y": y.detach(), **dict(zip((*tensors, *parameters), grads, strict=True))}
        if "weight_hh" in found:  # a cell's: one step
            found = {name: a[None] if name in ("y", *tensors) else a for name, a in found.items()}
            found = {f"{name}_l0" if name in parameters else name: a for name, a in found.items()}
        return {name.removeprefix("net."): a.numpy() for name, a in found.items() if not name.startswith("linear")}

    return Prepared(train, arrays)


class _Between(torch.nn.Module):
    """The case's net between linear layers that change nothing, as their weight is the identity."""

    def __init__(self, case: Case, data: Data) -> None:
        super().__init__()
        kind = getattr(torch, case.dtype)
        self.linear_before, self.linear_behind = (
            torch.nn.Linear(size, size, dtype=kind) for size in (case.inputs, case.hidden)
        )
        self.net = _module(case, data)
        for linear in (self.linear_before, self.linear_behind):
            torch.nn.init.eye_(linear.weight)
            torch.nn.init.zeros_(linear.bias)

    def forward(self, x: Any, state: Any) -> Any:
        """Return the net's output and final state."""
        y, after = self.net(self.linear_before(x), state)
        return self.linear_behind(y), after


def _ragged(module: Any, steps: int, lengths: Any, x: Any, *state: Any) -> Any:
    packed, after = module(pack_padded_sequence(x, lengths, enforce_sorted=False), *state)
    return pad_packed_sequence(packed, total_length=steps)[0], after


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
    named = zip(("y", "h_n", "c_n"), (y, *_parts(state)), strict=False)
    return {name: _numpy(part.detach()) for name, part in named}


def _numpy(tensor: Any) -> Array:
    """Return an array, of numbers that NumPy does not have in float32."""
    array: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _cell_arrays(result: Any) -> dict[str, Array]:
    parts = tuple(part[None] for part in _parts(result))
    return _forward_arrays((parts[0], parts))


def _parts(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)
