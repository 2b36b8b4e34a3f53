"""A layer's parameters: arrays by name that stay the same ones, as a recurrent module's do."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnnfast.checks.arrays import check_shape
from rnnfast.net import files, saved
from rnnfast.nn import checks
from rnnfast.nn.state import Faults, fitting
from rnnfast.problem import Array


class Parameters(Mapping[str, Array]):
    """Name -> array. `parameters[name] = values` copies into the array, which optimisers and others may hold.

    Names can be neither added nor removed.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> Array:
        try:
            return self._arrays[name]
        except KeyError:
            raise KeyError(f"this layer has no parameter {name!r}, only {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{name} {array.shape}' for name, array in self.items())})"

    def __setitem__(self, name: str, values: Any) -> None:
        """Raises KeyError for another name, ValueError for another shape, TypeError for another dtype."""
        array = self[name]
        if values is not array:
            given = checks.floats_as(name, values, "the parameter", array.dtype)
            check_shape(name, given, array.shape)
            array[...] = given


class Layer(ABC):
    """Part with `Parameters`, live arrays by name.

    >>> from rnnfast import nn
    >>> first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> second.load_state_dict(first.state_dict())
    >>> bool((first.parameters["weight"] == second.parameters["weight"]).all())
    True
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    @property
    def parameters(self) -> Parameters:
        """Live arrays by name: change them in place, or assign values by name."""
        return self._parameters

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Options that it was made with, by the names that its constructor takes."""

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters by name, as PyTorch names and shapes them."""
        return {name: array.copy() for name, array in self.parameters.items()}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Copy parameters in, all or none; the state dict of PyTorch's layer fits as it is.

        Raises ValueError that lists every missing name, unexpected name and wrong shape, TypeError for wrong dtypes.
        """
        checks.by_name("values", values)
        faults = Faults()
        faults.names(values, self.parameters)
        loaded = fitting(values, self.parameters, faults)
        faults.check(f"these parameters do not fit this {type(self).__name__}")
        for name, array in loaded.items():
            self.parameters[name][...] = array

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters and options to an .npz or, with safetensors installed, a .safetensors file.

        A file that was there is replaced whole or not at all. Raises OSError where it cannot be written.
        """
        files.save(path, self.state_dict(), saved.metadata_of([self.described("")]))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what `save`, or PyTorch through safetensors, wrote; raises as `load_state_dict`, of another kind too."""
        arrays, metadata = files.load_with_metadata(path)
        self.check_described("", saved.parts_in(metadata, str(path)), str(path))
        self.load_state_dict(arrays)

    def described(self, name: str) -> saved.Part:
        """Return what a file says about the part of this name, "" for a layer alone."""
        return {"name": name, "kind": type(self).__name__, "options": self.options}

    def check_described(self, name: str, parts: Iterable[saved.Part], path: str) -> None:
        """Raise ValueError where the part of this name is of another kind; shapes tell all options of a layer."""
        for part in parts:
            if part["name"] == name and part["kind"] != type(self).__name__:
                raise ValueError(f"{path} holds a part of kind {part['kind']}, this is a {type(self).__name__}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name} {a.shape}' for name, a in self.parameters.items())})"
