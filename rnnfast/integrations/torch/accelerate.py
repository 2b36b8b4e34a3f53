"""Existing models: every recurrent layer in one is given our forward, and its own back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import nn

from rnnfast.backends.c import backend as c
from rnnfast.integrations.torch.forward import Forward, refuse_script
from rnnfast.integrations.torch.layers import KINDS, against, kind_of
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.modules import Extended

HOOK_OF_SCRIPT = "__prepare_scriptable__"
"""Where torch.jit.script looks first."""
ModelT = TypeVar("ModelT", bound=nn.Module)


def accelerate(model: ModelT) -> ModelT:
    """Have rnnfast run every RNN, LSTM and GRU and their cells in a model from now on; the model itself.

    Classes, parameters, state dicts, hooks and results stay what they are, and copies and pickles of the model are
    accelerated, too. Of what rnnfast does not serve PyTorch's own code runs as before: `report` says which and why.
    A layer that could not be served, as it was on another device, is accelerated when this is called again later; one
    that was accelerated stays so wherever it goes.

    Every call reads the parameters as they are. What is between a user's call and rnnfast's own is least once `build`
    compiled a bridge for this machine. Calls use as many threads as `torch.get_num_threads()` says. The
    numbers of dropout between layers come from PyTorch's generator by way of a seed, but are others than PyTorch's.
    Under autocast layers of float32 compute in float32 and return it, where PyTorch's may return bfloat16.

    Layers whose parameters are on a CUDA device run on rnnfast's cuda backend where its clusters of blocks serve them,
    with numba-cuda installed: float32, up to 256 hidden units, on the device that is in use. Calls read the parameters
    where they lie, on the caller's stream, with float32's accuracy whatever is allowed of TF32. The rest is PyTorch's:
    `report` says why. So are calls under autocast and saved-tensor hooks, and while a CUDA graph is captured. They
    break the graphs of `torch.compile`, and run as without a compiler; `torch.export` takes PyTorch's own code.

    Under `torch.compile`, `fullgraph=True` and `dynamic=True` included, and `torch.export` each call of a layer on the
    CPU is one operator, in training as well: accelerate a model before it is compiled. Packed sequences break the
    graph, as PyTorch's packing does, and run as without a compiler; PyTorch does not export them. A frozen layer's
    operator takes the parameters of now. An exported program needs `import rnnfast.integrations.torch` where it is
    loaded. What sees every operator (a TorchDispatchMode: `make_fx`, fake tensors, `FlopCounterMode`, which counts it
    as PyTorch's layers) or every function (a TorchFunctionMode, but that of a default device) sees that one, too, and
    its backward if it saw the forward.

    Raises TypeError for what is no module.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.LSTM(3, 4))
    >>> accelerate(model) is model
    True
    >>> model(torch.ones(5, 2, 3))[0].shape
    torch.Size([5, 2, 4])
    """
    for module in modules_of(model):
        if not is_accelerated(module) and against_acceleration(module) is None:
            module.__dict__ |= {"forward": Forward(module), HOOK_OF_SCRIPT: refuse_script}
    return model


def restore(model: ModelT) -> ModelT:
    """Undo `accelerate`: PyTorch's own code runs the model's layers again; the model itself.

    Modules of this package's own classes, as `LSTM` here, stay run by rnnfast and are frozen no more.

    >>> import torch
    >>> model = restore(accelerate(torch.nn.GRU(3, 4)))
    >>> "forward" in vars(model)
    False
    """
    for module in modules_of(model):
        _restore(module)
    return model


@contextmanager
def accelerated(model: ModelT) -> Iterator[ModelT]:
    """Accelerate a model within a block; layers that were accelerated before stay so after it.

    >>> import torch
    >>> with accelerated(torch.nn.GRU(3, 4)) as gru:
    ...     y, h = gru(torch.ones(5, 2, 3))
    """
    before = {id(module) for module in modules_of(model) if is_accelerated(module)}
    accelerate(model)
    try:
        yield model
    finally:
        for module in model.modules():
            if id(module) not in before:
                _restore(module)


def against_acceleration(module: nn.Module) -> str | None:
    """Return why a recurrent module cannot have our forward or never uses it; None where nothing speaks against it."""
    kind = kind_of(module)
    if kind is None:
        return f"it is none of {served_kinds()}"
    if (reason := c.reason()) is not None:
        return reason
    if isinstance(module, Extended):
        return against(module)
    if type(module).forward is not kind.forward:  # type: ignore[attr-defined]
        return f"its class, {type(module).__name__}, has a forward of its own"
    if type(vars(module).get("forward", None)) not in (type(None), Forward):
        return "a forward of its own is bound to it"
    return against(module)


def is_accelerated(module: nn.Module) -> bool:
    """Return whether this very module has our forward, bound to it or by its class."""
    bound = vars(module).get("forward")
    return (type(bound) is Forward and bound.module() is module) or isinstance(module, Extended)


def _restore(module: nn.Module) -> None:
    if isinstance(module, Extended):
        module._layer = Layer()
    elif type(vars(module).get("forward")) is Forward:
        del module.__dict__["forward"], module.__dict__[HOOK_OF_SCRIPT]


def served_kinds() -> str:
    """Return the names of the classes that are served."""
    return ", ".join(kind.__name__ for kind in KINDS)


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Return all modules of a model. Raises TypeError for what is none."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is of type {type(model).__name__}, expected a torch.nn.Module")
    return list(model.modules())
