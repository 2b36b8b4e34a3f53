"""Calls of modules that have what PyTorch's lack which nothing here serves: refused by what is wrong with them."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from rnnfast.calls import states
from rnnfast.calls.prepared import RECORDED
from rnnfast.checks.arrays import conversion
from rnnfast.integrations.torch import traced
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.checked import check_tensor
from rnnfast.integrations.torch.forms import PLAIN, STRIDED
from rnnfast.integrations.torch.layers import Module, against
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.served import cast


def refuse(layer: Layer, module: Module, input: Any, hx: Any) -> NoReturn:
    """Raise ValueError for a size of x or hx, TypeError for a dtype, and for what PyTorch's own code would have to run.

    >>> from rnnfast.integrations.torch import GRU
    >>> import torch
    >>> GRU(3, 4)(torch.ones(5, 2, 9), lengths=[5, 1])
    Traceback (most recent call last):
    ...
    ValueError: x has 9 features, this GRU was made for 3
    """
    runner, _ = layer.read(module)
    if runner is None:
        _leave(module, str(against(module)))
    named = _checked(runner, input, hx)
    if traced.operators_are_seen():
        _leave(module, "a TorchDispatchMode is active")
    for name, tensor in named.items():
        if type(tensor) not in PLAIN or not runner.is_here(tensor) or tensor.layout is not STRIDED:
            came = f"a {type(tensor).__name__} on {tensor.device}, its layout {tensor.layout}"
            _leave(module, f"{name} is {came}, expected a Tensor on {runner.place}, its layout {STRIDED}")
    if (reason := runner.declines(RECORDED, cut=module.truncate is not None)) is not None:
        _leave(module, reason)
    raise ValueError("x has no steps, expected at least one where lengths, mask and resets are left out")


def _leave(module: Module, reason: str) -> NoReturn:
    raise TypeError(f"rnnfast cannot run this {type(module).__name__} with what PyTorch's lacks: {reason}")


def _checked(runner: Runner, input: Any, hx: Any) -> dict[str, Tensor]:
    """Return x and the states by name. Raises ValueError for a size, TypeError for a dtype that is none for the net."""
    net, x = runner.net, _tensor("x", runner, input.data if isinstance(input, PackedSequence) else input)
    if x.dtype is not runner.dtype:
        advice = conversion(x, net.dtype)
        raise TypeError(f"x has dtype {x.dtype}, expected that of the parameters, {runner.dtype}: {advice}")
    shape = tuple(x.shape)
    if isinstance(input, PackedSequence):
        sizes, runner = input.batch_sizes.tolist(), runner.time_major()
        check_tensor("x.data", x, (sum(sizes), net.input_size))
        shape = len(sizes), max(sizes, default=0), net.input_size
    layout, named = runner.layout(shape), {"x": x}
    if hx is not None:
        shapes = layout.state_shapes(net.num_layers * net.num_directions, layout.sizes(shape)[1], net.state_sizes)
        for (name, part), expected in zip(states.parts("hx", hx, net), shapes, strict=True):
            named[name] = _tensor(name, runner, part)
            check_tensor(name, named[name], expected, x.dtype)
    return named


def _tensor(name: str, runner: Runner, value: Any) -> Tensor:
    """Return a caller's tensor as autocast has it. Raises TypeError for what is none."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is of type {type(value).__name__}, expected a tensor")
    found: Tensor = cast(runner, value)
    return found
