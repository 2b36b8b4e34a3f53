"""PyTorch's recurrent modules as nets of ours: which of them are served, and where their parameters are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from rnnfast.integrations.torch import on_cuda
from rnnfast.integrations.torch.forms import DTYPES, PLAIN, STRIDED
from rnnfast.net.description import Net
from rnnfast.net.options import gru_cell, lstm_cell

Module = Any
"""One of `KINDS`, or a module of a class made from one of them."""
CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn_tanh", "RNN_RELU": "rnn_relu"}
"""Our cells by the word that PyTorch's sequence modules have for theirs, `mode`."""


@dataclass(frozen=True)
class Kind:
    """One of PyTorch's classes: the attributes that say what it computes, and the net's options in their order."""

    attributes: tuple[str, ...]
    cell: Callable[[Module], str]
    one_step: bool = False


_OF_SEQUENCES = (
    "input_size",
    "hidden_size",
    "num_layers",
    "bias",
    "batch_first",
    "dropout",
    "bidirectional",
    "proj_size",
    "mode",
)
_OF_CELLS = ("input_size", "hidden_size", "bias")
KINDS: dict[type, Kind] = {
    nn.LSTM: Kind(_OF_SEQUENCES, lambda module: lstm_cell(module.proj_size)),
    nn.GRU: Kind(_OF_SEQUENCES, lambda module: gru_cell(getattr(module, "reset_after", True))),
    nn.RNN: Kind(_OF_SEQUENCES, lambda module: CELLS[module.mode]),
    nn.LSTMCell: Kind(_OF_CELLS, lambda module: "lstm", one_step=True),
    nn.GRUCell: Kind(_OF_CELLS, lambda module: "gru", one_step=True),
    nn.RNNCell: Kind((*_OF_CELLS, "nonlinearity"), lambda module: f"rnn_{module.nonlinearity}", one_step=True),
}
"""What is served."""


def kind_of(module: Module) -> type | None:
    """Return which of `KINDS` a module is one of, by itself or by its class; None: none.

    >>> import torch
    >>> kind_of(torch.nn.GRU(3, 4)).__name__
    'GRU'
    """
    return next((kind for kind in KINDS if isinstance(module, kind)), None)


def net_of(module: Module, dtype: Any) -> Net:
    """Return the net that a module is. Raises ValueError or TypeError where it cannot be one of ours.

    >>> import torch
    >>> net_of(torch.nn.GRU(3, 4, num_layers=2), torch.float32).num_layers
    2
    """
    kind = kind_of(module)
    assert kind is not None
    not_options = "mode", "nonlinearity", "reset_after"
    own: dict[str, Any] = {name: getattr(module, name) for name in attributes_of(module) if name not in not_options}
    cell, one_step = KINDS[kind].cell(module), KINDS[kind].one_step
    return Net(kind.__name__, cell, dtype=DTYPES[dtype], one_step=one_step, **own)


def attributes_of(module: Module) -> tuple[str, ...]:
    """Return the names of the attributes that say what a module computes, those that PyTorch's has not as well."""
    kind = kind_of(module)
    assert kind is not None
    return KINDS[kind].attributes + getattr(type(module), "rnnfast_options", ())


def against(module: Module, parameters: Sequence[Any] | None = None) -> str | None:
    """Return why a module's calls cannot run here, whatever its input; None where they can.

    `parameters`: those of the module, where they were read before.

    >>> import torch
    >>> against(torch.nn.LSTM(3, 4, dtype=torch.bfloat16))
    'its parameters are torch.bfloat16, float32 and float64 are served'
    """
    weights = parameters_of(module) if parameters is None else parameters
    for weight in weights:
        if type(weight) not in PLAIN:
            return f"a parameter is of type {type(weight).__name__}, tensors and parameters of PyTorch's own are served"
        if not (weight.is_cpu or on_cuda.is_there(weight)):
            return f"its parameters are on {weight.device}, where PyTorch's own code runs"
        if weight.device != weights[0].device:
            return f"its parameters are on {weights[0].device} and {weight.device}, expected one device"
        if weight.dtype not in DTYPES:
            return f"its parameters are {weight.dtype}, float32 and float64 are served"
        if weight.layout is not STRIDED:
            return f"a parameter has the layout {weight.layout}, {STRIDED} is served"
        if weight.is_neg():
            return "a parameter holds numbers that are negated when they are read: give it resolve_neg() of them"
        if weight.dtype is not weights[0].dtype:
            return f"its parameters are {weights[0].dtype} and {weight.dtype}, expected one dtype"
    try:
        if on_cuda.is_there(weights[0]) and (reason := _against_device(module, weights[0])) is not None:
            return reason
        expected = [*net_of(module, weights[0].dtype).shapes.values()]
    except (TypeError, ValueError, KeyError) as error:
        return f"it has an option that is not served: {error}"
    if (shapes := [tuple(weight.shape) for weight in weights]) != expected:
        return f"its parameters have shapes {shapes}, for its options they would be {expected}"
    return None


def _against_device(module: Module, weight: Any) -> str | None:
    """Return why a module with a parameter on a CUDA device cannot run there; None where it can."""
    if not all(name in module._parameters for name in names_of(module)):
        return f"its parameters, on {weight.device}, are computed anew for each call, where PyTorch's own code runs"
    kind = KINDS[kind_of(module)]  # type: ignore[index]
    return on_cuda.against(kind.cell(module), module.hidden_size, weight, one_step=kind.one_step)


def names_of(module: Module) -> tuple[str, ...]:
    """Return the names of a module's parameters, in the order of our nets'."""
    kind = kind_of(module)
    assert kind is not None
    if not KINDS[kind].one_step:
        return tuple(module._flat_weights_names)
    return ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ()))


def parameters_of(module: Module) -> list[Any]:
    """Return what stands under the parameters' names, None where nothing does.

    A call reads them once, as PyTorch's parametrizations compute a parameter anew, or draw it, for whoever reads it.
    """
    registered, names = module._parameters, names_of(module)
    try:
        return [registered[name] for name in names]
    except KeyError:  # computed by a parametrization, or swapped for this call
        return [getattr(module, name, None) for name in names]
