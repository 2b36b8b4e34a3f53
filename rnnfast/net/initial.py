"""Initial values of parameters: uniform, as in PyTorch, with the forget gates' bias as asked for."""

from __future__ import annotations

import math

import numpy as np

from rnnfast.arrays.host import empty
from rnnfast.checks.values import finite
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array


def initial(net: Net, rng: np.random.Generator, forget_bias: float | None = None) -> Parameters:
    """Return new parameters, uniform in ±1/√H as in PyTorch; `forget_bias`: the total bias of an LSTM's forget gates.

    Raises MemoryError where they do not fit into memory, before anything is filled, ValueError for a forget_bias
    beyond the dtype or of a net without biases.

    >>> initial(Net("RNN", "rnn_tanh", 2, 4), np.random.default_rng(0))
    Parameters(weight_ih_l0 (4, 2), weight_hh_l0 (4, 4), bias_ih_l0 (4,), bias_hh_l0 (4,))
    """
    memory = empty((net.num_parameters,), net.dtype)
    arrays, start = {}, 0
    for name, shape in net.shapes.items():
        stop = start + math.prod(shape)
        arrays[name] = memory[start:stop].reshape(shape)
        start = stop
    bound = 1 / math.sqrt(net.hidden_size)
    for array in arrays.values():
        array[...] = rng.uniform(-bound, bound, array.shape)
    if forget_bias is not None:
        _set_forget_bias(net, arrays, forget_bias)
    return Parameters(arrays, net)


def _set_forget_bias(net: Net, arrays: dict[str, Array], forget_bias: float) -> None:
    if not net.bias:
        raise ValueError(f"forget_bias is {forget_bias}, but bias=False leaves no bias to set")
    total = finite("forget_bias", forget_bias, net.dtype)
    gate = net.gates.index("f")
    rows = slice(gate * net.hidden_size, (gate + 1) * net.hidden_size)
    for suffix in net.suffixes:
        arrays[f"bias_ih{suffix}"][rows] = total
        arrays[f"bias_hh{suffix}"][rows] = 0
