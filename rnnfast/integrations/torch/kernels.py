"""The operators on CPU tensors: prepared calls of the library, on as many threads as PyTorch may use at the time."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from rnnfast.calls.prepared import INFERENCE, RECORDED, TRAINING
from rnnfast.integrations.torch.calls import Runner, runner_of
from rnnfast.integrations.torch.checked import check, check_gradients, check_reserve, check_seed, net_of, state_shapes
from rnnfast.integrations.torch.form import Form
from rnnfast.integrations.torch.memory import reserve_of, tensor_of
from rnnfast.integrations.torch.records import NOT_RAGGED, Ragged, Saved
from rnnfast.integrations.torch.schemas import Inputs, Options, library, taken_apart


def forward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return y, h_n and c_n, (0,) where the cell has no c. Raises ValueError and TypeError as `check`."""
    return _run(INFERENCE, arguments)[0]


def record(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what `forward` gives, and the reserve. Raises as `forward`."""
    results, reserve = _run(RECORDED, arguments)
    return *results, tensor_of(reserve)


def backward(
    dy: Tensor | None,
    dh_n: Tensor | None,
    dc_n: Tensor | None,
    reserve: Tensor,
    needed: list[bool],
    *arguments: Any,
) -> list[Tensor]:
    """Return the gradients of x, h0, c0 and all parameters, in so far as these are `needed`. Raises as `forward`."""
    runner, inputs, state = _read(arguments)
    form, seed, ragged = _form(RECORDED, runner, inputs)
    check_gradients(runner.net, inputs.x, dy, dh_n, dc_n)
    check_reserve(reserve)
    need_x, need_h, need_c, need_parameters = needed
    d_state = [None if part is None else part.contiguous() for part in (dh_n, dc_n)][: len(runner.net.states)]
    wanted, dy = (need_x, need_h or need_c, need_parameters), None if dy is None else _dense(dy)
    kept, _owner = reserve_of(reserve.contiguous(), seed, ragged)
    saved = Saved(kept, inputs.x, state, inputs.parameters)
    if (misfit := form.misfit(saved)) is not None:
        raise RuntimeError(misfit)
    dx, d_start, d_parameters = form.backward(saved, (dy, *d_state), wanted, keep=True)
    made: Any = dx, *d_start
    return [gradient for gradient, need in zip(made, needed, strict=False) if need] + (d_parameters or [])


def _run(how: int, arguments: tuple[Any, ...]) -> tuple[tuple[Tensor, Tensor, Tensor], Any]:
    """Return y, h_n and c_n, and the reserve, None in inference."""
    runner, inputs, state = _read(arguments)
    form, seed, ragged = _form(how, runner, inputs)
    y, (h_n, *rest), reserve = form.forward(inputs.x, state, inputs.parameters, seed, ragged)
    return (y, h_n, rest[0] if rest else h_n.new_empty(0)), reserve


def _read(arguments: tuple[Any, ...]) -> tuple[Runner, Inputs, list[Tensor]]:
    """Return what runs the call, its tensors without gaps, of x in the last axis, and its states, [] for zeros."""
    inputs, options = taken_apart(arguments)
    x, parameters, *rest = inputs
    runner = _runner(options, x.shape[-1] if x.dim() else 1, x.dtype, torch.get_num_threads())
    alone = not any(part is not None for part in rest[:5]) and x.dim() == 3 and x.stride(-1) == 1
    if alone and len(parameters) == len(runner.shapes) and runner.fits(parameters):
        return runner, inputs, []
    net = check(inputs, options)
    parameters = [parameter.contiguous() for parameter in parameters]
    inputs = inputs._replace(x=_dense(x), parameters=parameters)
    states = (inputs.h0, inputs.c0)[: len(net.states)]
    if all(part is None for part in states):
        return runner, inputs, []
    pairs = zip(states, state_shapes(net, x.shape[1]), strict=True)
    return runner, inputs, [x.new_zeros(shape) if part is None else part.contiguous() for part, shape in pairs]


@functools.lru_cache(maxsize=256)
def _runner(options: Options, input_size: int, dtype: torch.dtype, num_threads: int) -> Runner:
    return runner_of(net_of(options, input_size, dtype), num_threads)


def _dense(tensor: Tensor) -> Tensor:
    """Return a sequence without gaps in the last axis, a copy where it has some."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _form(how: int, runner: Runner, inputs: Inputs) -> tuple[Form, int, Ragged]:
    """Return how the call runs, its dropout seed, and which of its steps are live."""
    seed = 0
    if inputs.seed is not None:
        check_seed(inputs.seed)
        how, seed = TRAINING, int(inputs.seed)
    form = runner.form(how, inputs.x.shape)
    if inputs.lengths is None and inputs.mask is None and inputs.resets is None:
        return form, seed, NOT_RAGGED
    return form, seed, form.ragged(inputs.lengths, inputs.mask, inputs.resets)


for name, kernel in {"forward": forward, "infer": forward, "record": record, "backward": backward}.items():
    library.impl(name, kernel, "CPU")
