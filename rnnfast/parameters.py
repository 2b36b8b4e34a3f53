"""Parameters by PyTorch's names: their arrays, their initial values, and loading them from others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnnfast.arrays import as_array, check_dtype, check_shape, empty
from rnnfast.net import Net
from rnnfast.problem import Array


class Parameters(Mapping[str, Array]):
    """Name -> array, in PyTorch's order. The arrays are live: change them in place and the net has changed.

    `parameters[name] = values` copies into the array, so `parameters[name] -= step` and `parameters[name] = new` do
    what they say while shape, dtype and identity of the arrays stay. Names can be neither added nor removed.
    """

    def __init__(self, arrays: dict[str, Array], owner: str) -> None:
        self._arrays, self._owner = arrays, owner

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __setitem__(self, name: str, values: Any) -> None:
        if values is not self[name]:
            self[name][...] = self._fitting(name, values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{name} {array.shape}' for name, array in self.items())})"

    def copy(self, *, writeable: bool = True) -> Parameters:
        """The same values in arrays of their own."""
        arrays = {name: array.copy() for name, array in self.items()}
        for array in arrays.values():
            array.flags.writeable = writeable
        return Parameters(arrays, self._owner)

    def load(self, values: Mapping[str, Any]) -> None:
        """Copy `values` into the arrays: all of them or, if anything does not fit, none.

        Raises ValueError that lists every missing name, unexpected name and wrong shape; TypeError for wrong dtypes.
        """
        faults = [f"missing {name}" for name in self if name not in values]
        faults += [f"unexpected {name}" for name in values if name not in self]
        arrays, dtype_faults = {}, []
        for name in (name for name in self if name in values):
            try:
                arrays[name] = self._fitting(name, values[name])
            except ValueError as error:
                faults.append(str(error))
            except TypeError as error:
                dtype_faults.append(str(error))
        if faults or dtype_faults:
            text = f"these parameters do not fit this {self._owner}: " + "; ".join(faults + dtype_faults)
            raise ValueError(text) if faults else TypeError(text)
        for name, array in arrays.items():
            self[name][...] = array

    def _fitting(self, name: str, values: Any) -> Array:
        array, own = as_array(name, values), self[name]
        check_dtype(name, array, own.dtype, self._owner)
        check_shape(name, array, own.shape)
        return array


def initial(net: Net, rng: np.random.Generator, forget_bias: float | None = None) -> Parameters:
    """New parameters, uniform in ±1/√H as in PyTorch. `forget_bias`: the total bias of the LSTM's forget gates.

    Raises MemoryError where they do not fit into memory, before anything is filled.
    """
    memory = empty((net.num_parameters,), net.dtype)
    arrays, start = {}, 0
    for name, shape in net.shapes():
        stop = start + math.prod(shape)
        arrays[name] = memory[start:stop].reshape(shape)
        start = stop
    bound = 1 / math.sqrt(net.hidden_size)
    for array in arrays.values():
        array[...] = rng.uniform(-bound, bound, array.shape)
    if forget_bias is not None:
        _set_forget_bias(net, arrays, forget_bias)
    return Parameters(arrays, net.name)


def _set_forget_bias(net: Net, arrays: dict[str, Array], forget_bias: float) -> None:
    if not net.bias:
        raise ValueError(f"forget_bias is {forget_bias}, but bias=False leaves no bias to set")
    gate = net.gates.index("f")
    rows = slice(gate * net.hidden_size, (gate + 1) * net.hidden_size)
    for suffix in net.suffixes:
        arrays[f"bias_ih{suffix}"][rows] = forget_bias
        arrays[f"bias_hh{suffix}"][rows] = 0
