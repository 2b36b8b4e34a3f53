"""PyTorch's recurrent modules as nets of ours: which of them are served, and where their parameters are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from rnnfast.integrations.torch.calls import DTYPES, PLAIN, Runner, runner_of
from rnnfast.net.description import Net

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
    nn.LSTM: Kind(_OF_SEQUENCES, lambda module: CELLS[module.mode]),
    nn.GRU: Kind(_OF_SEQUENCES, lambda module: CELLS[module.mode]),
    nn.RNN: Kind(_OF_SEQUENCES, lambda module: CELLS[module.mode]),
    nn.LSTMCell: Kind(_OF_CELLS, lambda module: "lstm", one_step=True),
    nn.GRUCell: Kind(_OF_CELLS, lambda module: "gru", one_step=True),
    nn.RNNCell: Kind((*_OF_CELLS, "nonlinearity"), lambda module: f"rnn_{module.nonlinearity}", one_step=True),
}
"""What is served."""


def kind_of(module: Module) -> type | None:
    """Return which of `KINDS` a module is one of, by itself or by its class; None: none.

    >>> kind_of(torch.nn.GRU(3, 4)).__name__
    'GRU'
    """
    return next((kind for kind in KINDS if isinstance(module, kind)), None)


def net_of(module: Module, dtype: torch.dtype, **options: Any) -> Net:
    """Return the net that a module is. Raises ValueError or TypeError where it cannot be one of ours.

    `options`: those that PyTorch has not.

    >>> net_of(torch.nn.GRU(3, 4, num_layers=2), torch.float32).num_layers
    2
    """
    kind = kind_of(module)
    assert kind is not None
    names = [name for name in KINDS[kind].attributes if name not in ("mode", "nonlinearity", "proj_size")]
    own = {name: getattr(module, name) for name in names}
    cell, one_step = KINDS[kind].cell(module), KINDS[kind].one_step
    return Net(kind.__name__, **{"cell": cell, "dtype": DTYPES[dtype], "one_step": one_step, **own, **options})


def against(module: Module) -> str | None:
    """Return why a module's calls cannot run here, whatever its input; None where they can.

    >>> against(torch.nn.LSTM(3, 4, dtype=torch.bfloat16))
    'its parameters are torch.bfloat16, float32 and float64 are served'
    """
    weights: list[Any] = [getattr(module, name, None) for name in names_of(module)]
    for weight in weights:
        if type(weight) not in PLAIN:
            return f"a parameter is of type {type(weight).__name__}, tensors and parameters of PyTorch's own are served"
        if not weight.is_cpu:
            return f"its parameters are on {weight.device}, where PyTorch's own code runs"
        if weight.dtype not in DTYPES:
            return f"its parameters are {weight.dtype}, float32 and float64 are served"
        if weight.dtype is not weights[0].dtype:
            return f"its parameters are {weights[0].dtype} and {weight.dtype}, expected one dtype"
    if getattr(module, "proj_size", 0):
        return f"proj_size={module.proj_size}: projections are not served yet"
    try:
        net_of(module, weights[0].dtype)
    except (TypeError, ValueError, KeyError) as error:
        return f"it has an option that is not served: {error}"
    return None


def names_of(module: Module) -> tuple[str, ...]:
    """Return the names of a module's parameters, in the order of our nets'."""
    kind = kind_of(module)
    assert kind is not None
    if not KINDS[kind].one_step:
        return tuple(module._flat_weights_names)
    return ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ()))


class Layer:
    """What is known of one module, learnt again where its options, dtype or number of threads are no longer the same.

    It keeps neither the module nor its parameters alive.

    >>> gru = torch.nn.GRU(3, 4)
    >>> runner, parameters = Layer().read(gru)
    >>> runner.net.cell, runner.fits(parameters)
    ('gru', True)
    """

    __slots__ = ("_attributes", "_names", "_options", "_runner", "_threads")

    def __init__(self) -> None:
        self._attributes: Callable[[dict[str, Any]], Any] = len
        self._options: Any = None
        self._names: Sequence[str] = ()
        self._runner: Runner | None = None
        self._threads = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has all to learn."""
        return type(self), ()

    def read(self, module: Module) -> tuple[Runner | None, list[Any]]:
        """Return what runs the module's calls, None: nothing here does, and its parameters of now."""
        values, threads = module.__dict__, torch.get_num_threads()
        if self._attributes(values) != self._options or threads != self._threads:
            self.learn(module, threads)
        registered = values["_parameters"]
        try:
            return self._runner, [registered[name] for name in self._names]
        except KeyError:  # computed by a parametrization, or swapped for this call
            return self._runner, [getattr(module, name, None) for name in self._names]

    def learn(self, module: Module, threads: int) -> Runner | None:
        """Look at the module, and return what runs its calls."""
        kind = kind_of(module)
        assert kind is not None
        self._attributes, self._threads = itemgetter(*KINDS[kind].attributes), threads
        self._options, self._names = self._attributes(module.__dict__), names_of(module)
        self._runner = None
        if against(module) is None:
            self._runner = runner_of(self.net(module), threads)
        return self._runner

    def net(self, module: Module) -> Net:
        """Return the net that a module which is served is."""
        return net_of(module, getattr(module, self._names[0]).dtype)
