"""A layer's parameters: a dict whose arrays stay the same ones, as a recurrent module's do."""

from __future__ import annotations

from typing import Any

from rnnfast.array_checks import check_shape
from rnnfast.nn import checks
from rnnfast.problem import Array


class Parameters(dict[str, Array]):
    """Name -> array. `parameters[name] = values` copies into the array, which optimisers and others may hold."""

    def __setitem__(self, name: str, values: Any) -> None:
        """Raises KeyError for another name, ValueError for another shape, TypeError for another dtype."""
        if name not in self:
            raise KeyError(f"this layer has no parameter {name!r}, only {', '.join(self)}")
        array = self[name]
        if values is not array:
            given = checks.floats_as(name, values, "the parameter", array.dtype)
            check_shape(name, given, array.shape)
            array[...] = given

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made with all names at once: none can be added later."""
        return Parameters, (dict(self),)
