"""A layer's parameters: arrays by name that stay the same ones, as a recurrent module's do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rnnfast.checks.arrays import check_shape
from rnnfast.nn import checks
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


class Layer:
    """What has such parameters."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    @property
    def parameters(self) -> Parameters:
        """Live arrays by name: change them in place, or assign values by name."""
        return self._parameters

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name} {a.shape}' for name, a in self.parameters.items())})"
