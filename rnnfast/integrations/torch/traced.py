"""A recurrent module's call as tracers see it, `torch.compile` and `torch.export`: plain code around one operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnnfast.integrations.torch.calls import DTYPES
from rnnfast.integrations.torch.layers import CELLS
from rnnfast.integrations.torch.operators import call
from rnnfast.integrations.torch.schemas import Options

HALVES = torch.float16, torch.bfloat16
"""What autocast may have made of an input."""


def untraced(run: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function out of Dynamo's sight, which is told so as soon as it is there."""
    return run(*arguments)


def served(module: Any, input: Any, hx: Any, ragged: Sequence[Tensor | None] = (None, None, None)) -> Any:
    """Return what the module's class would, or NotImplemented where no operator serves the call.

    `ragged`: lengths, mask and resets.
    """
    one_step = isinstance(module, nn.RNNCellBase)
    options, names = _of_cell(module) if one_step else _of_sequence(module)
    parameters = [getattr(module, name) for name in names]
    two_states = options.cell == "lstm"
    state = () if hx is None else hx if two_states else (hx,)
    axes = {"one_step": one_step, "batch_first": not one_step and module.batch_first}
    if not (
        _are_served(module, options, input, state, parameters)
        and input.dim() in (2 - one_step, 3 - one_step)
        and input.shape[-1] == module.input_size
        and _fit(module, options, input, state, **axes)
    ):
        return NotImplemented
    y, final = call(options, input, state, parameters, ragged, train=module.training, **axes)
    after = tuple(final) if two_states else final[0]
    return after if one_step else (y, after)


def _of_sequence(module: Any) -> tuple[Options, list[str]]:
    """Return the options of a module that takes sequences, and the names of its parameters."""
    between = module.dropout if module.num_layers > 1 else 0.0
    sizes = module.hidden_size, module.num_layers, module.bias, module.bidirectional
    return Options(CELLS[module.mode], *sizes, "zero", between, 0.0, 0.0), module._flat_weights_names


def _of_cell(module: Any) -> tuple[Options, list[str]]:
    """Return the options of a step cell, and the names of its parameters."""
    cell = "lstm" if isinstance(module, nn.LSTMCell) else "gru"
    if isinstance(module, nn.RNNCell):
        cell = f"rnn_{module.nonlinearity}"
    names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if module.bias else [])]
    return Options(cell, module.hidden_size, 1, module.bias, False, "zero", 0.0, 0.0, 0.0), names


def _are_served(module: Any, options: Options, input: Any, state: Any, parameters: list[Tensor]) -> bool:
    """Whether a net of ours does what the module does, and these are tensors on the CPU of a dtype that it takes."""
    dtype = parameters[0].dtype
    if dtype not in DTYPES or not 0 <= options.dropout < 1 or getattr(module, "proj_size", 0):
        return False
    if not isinstance(state, tuple | list) or not all(isinstance(tensor, Tensor) for tensor in (input, *state)):
        return False
    cast = HALVES if dtype == torch.float32 and torch.is_autocast_enabled("cpu") else ()
    return all(tensor.device.type == "cpu" for tensor in (input, *state, *parameters)) and (
        all(parameter.dtype == dtype for parameter in parameters)
        and all(tensor.dtype == dtype or tensor.dtype in cast for tensor in (input, *state))
    )


def _fit(module: Any, options: Options, input: Tensor, state: Any, *, one_step: bool, batch_first: bool) -> bool:
    """Whether there is a step, and no states or all, of the sizes that go with the input."""
    batched, layers = input.dim() == 3 - one_step, options.num_layers * (1 + options.bidirectional)
    rows = input.shape[0 if one_step or batch_first else 1]
    steps = 1 if one_step else input.shape[1 if batched and batch_first else 0]
    shape = *([] if one_step else [layers]), *([rows] if batched else []), module.hidden_size
    count = 2 if options.cell == "lstm" else 1
    return steps > 0 and len(state) in (0, count) and all(part.shape == shape for part in state)
