"""A recurrent module's call as tracers see it, `torch.compile`, `torch.export`, `make_fx`: plain code, one operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._device import DeviceContext

from rnnfast.integrations.torch.forms import DTYPES, STRIDED
from rnnfast.integrations.torch.layers import KINDS, kind_of, names_of
from rnnfast.integrations.torch.operators import call
from rnnfast.integrations.torch.schemas import Options
from rnnfast.problem import CELLS

operators_are_seen = torch._C._len_torch_dispatch_stack
"""How many modes, TorchDispatchMode, see every operator just now: they are shown ours or PyTorch's."""
functions_are_seen = torch._C._is_torch_function_mode_enabled
"""Whether there is a mode, TorchFunctionMode, that sees every function, be it only that of a default device."""
_modes, _mode = torch._C._len_torch_function_stack, torch._C._get_function_stack_at
is_exporting: Any = getattr(torch.compiler, "is_exporting", bool)
"""Whether torch.export, which cannot leave code out, traces: where there is no operator, PyTorch's own."""
HALVES = torch.float16, torch.bfloat16
"""What autocast may have made of an input."""


def is_seen() -> bool:
    """Return whether modes of a user see what is called just now, and are to see one operator of ours.

    A default device is a mode of PyTorch's own, which has no say in a call.
    """
    if operators_are_seen():
        return True
    return functions_are_seen() and {*map(type, map(_mode, range(_modes())))} != {DeviceContext}


def untraced(run: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function out of Dynamo's sight, which is told so as soon as it is there."""
    return run(*arguments)


def served(module: Any, input: Any, hx: Any, ragged: Sequence[Any] = (None, None, None)) -> Any:
    """Return what the module's class would, or NotImplemented where no operator serves the call.

    `ragged`: lengths, mask and resets. The parameters of now count, also in a model that is frozen.
    """
    options, one_step = _options_of(module)
    parameters = [getattr(module, name) for name in names_of(module)]
    two_states = len(CELLS[options.cell].states) > 1
    state = () if hx is None else hx if two_states else (hx,)
    axes = {"one_step": one_step, "batch_first": not one_step and module.batch_first}
    if not (
        _has_operator(module, options)
        and _are_served(input, state, parameters)
        and input.dim() in (2 - one_step, 3 - one_step)
        and input.shape[-1] == module.input_size
        and _fit(module, options, input, state, **axes)
    ):
        return NotImplemented
    tensors = [None if part is None else torch.as_tensor(part, device="cpu") for part in ragged]
    y, final = call(options, input, state, parameters, tensors, train=module.training, **axes)
    after = tuple(final) if two_states else final[0]
    return after if one_step else (y, after)


def _options_of(module: Any) -> tuple[Options, bool]:
    """Return the options of the net that a module is, and whether it is a step cell."""
    known: Any = kind_of(module)
    kind = KINDS[known]
    cell, own = kind.cell(module), ("zero", 0.0, 0.0, 0.0, 0)
    if kind.one_step:
        return Options(cell, module.hidden_size, 1, module.bias, False, *own), True
    own = (
        getattr(module, "masked_output", "zero"),
        module.dropout if module.num_layers > 1 else 0.0,
        getattr(module, "input_dropout", 0.0),
        getattr(module, "recurrent_dropout", 0.0),
        module.proj_size,
    )
    return Options(cell, module.hidden_size, module.num_layers, module.bias, module.bidirectional, *own), False


def _has_operator(module: Any, options: Options) -> bool:
    """Return whether a module's options are those of an operator."""
    cut = getattr(module, "memory", "full") != "full" or getattr(module, "truncate", None) is not None
    return 0 <= options.dropout < 1 and not cut


def _are_served(input: Any, state: Any, parameters: list[Tensor]) -> bool:
    """Return whether these are tensors on the CPU, of a dtype that is served."""
    if not isinstance(state, tuple | list) or not all(isinstance(tensor, Tensor) for tensor in (input, *state)):
        return False
    dtype = parameters[0].dtype
    cast = HALVES if dtype == torch.float32 and torch.is_autocast_enabled("cpu") else ()
    return (
        dtype in DTYPES
        and all(parameter.dtype == dtype for parameter in parameters)
        and all(tensor.dtype == dtype or tensor.dtype in cast for tensor in (input, *state))
        and all(tensor.device.type == "cpu" and tensor.layout == STRIDED for tensor in (input, *state, *parameters))
    )


def _fit(module: Any, options: Options, input: Tensor, state: Any, *, one_step: bool, batch_first: bool) -> bool:
    """Return whether there is a step, and no states or all, of the sizes that go with the input."""
    batched, layers = input.dim() == 3 - one_step, options.num_layers * (1 + options.bidirectional)
    rows = input.shape[0 if one_step or batch_first else 1]
    steps = 1 if one_step else input.shape[1 if batched and batch_first else 0]
    before = *([] if one_step else [layers]), *([rows] if batched else [])
    sizes = (options.proj_size or module.hidden_size, module.hidden_size)[: len(CELLS[options.cell].states)]
    shapes = [(*before, size) for size in sizes]
    return steps > 0 and (len(state) == 0 or [tuple(part.shape) for part in state] == shapes)
