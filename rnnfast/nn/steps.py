"""Parts of a model that say which of the steps count: those that are live, their order, the last of them alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.arrays.host import as_array
from rnnfast.problem import Array

Rows = dict[str, Any]
"""What says of a batch which steps are live: lengths, mask and resets, as recurrent parts take them."""


class Steps:
    """A part without parameters that a `Sequential` calls on x and on what says which steps are live."""

    def __init__(self) -> None:
        self.parameters: dict[str, Array] = {}

    @property
    def options(self) -> dict[str, Any]:
        """Options that it was made with."""
        return {}

    def __call__(self, x: Any, rows: Rows) -> tuple[Any, Rows]:
        """Return x and rows as the parts behind this one see them."""
        return x, rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"


class Masking(Steps):
    """Takes the steps whose features, or index, are all `value` as not live: recurrent parts behind it skip them.

    Streams and C, which see a step at a time, have no such part.

    >>> Masking()(np.array([[1.0, 0.0], [0.0, 0.0]]), {})[1]
    {'mask': array([ True, False])}
    """

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"value is of type {type(value).__name__}, expected a number")
        self.value = value

    @property
    def options(self) -> dict[str, Any]:
        """Options that it was made with."""
        return {"value": self.value}

    def __call__(self, x: Any, rows: Rows) -> tuple[Array, Rows]:
        """Return x, zeros where it is masked, and rows with a mask, which a caller's own narrows.

        Indices, integers (T, B) or (T,), are themselves compared; of real numbers (T, B, I) or (T, I) every row.
        """
        array = as_array("x", x)
        of_steps = array != array.dtype.type(self.value)
        live: Array = of_steps if array.dtype.kind in "iu" else of_steps.any(axis=-1)
        if array.dtype.kind == "f":
            array = np.where(live[..., None], array, array.dtype.type(0))
        if (given := rows.get("mask")) is not None:
            flags = as_array("mask", given)
            if flags.shape != live.shape:
                raise ValueError(f"mask has shape {flags.shape}, expected {live.shape}")
            live = live & (flags != 0)
        return array, rows | {"mask": live}


class Reverse(Steps):
    """Turns sequences (T, B, ·) or (T, ·) around: the last step comes first. So do lengths and mask.

    Streams and C, which see a step at a time, have no such part.

    >>> Reverse()(np.array([[1.0], [2.0], [3.0]]), {"lengths": 2})[1]["mask"]
    array([False,  True,  True])
    """

    def __call__(self, x: Any, rows: Rows) -> tuple[Array, Rows]:
        """Return a view of x and the rows that go with it. Raises ValueError for resets, which would be at others."""
        if rows.get("resets") is not None:
            raise ValueError("resets are given to a model that reverses its sequences: cut these beforehand")
        array, found = as_array("x", x), dict(rows)
        mask = found.pop("mask", None)
        live = None if mask is None else as_array("mask", mask) != 0
        if (lengths := found.pop("lengths", None)) is not None:
            before = np.arange(len(array)).reshape(-1, *[1] * np.ndim(lengths)) < as_array("lengths", lengths)
            live = before if live is None else live & before
        return array[::-1], found if live is None else found | {"mask": live[::-1]}


class Last(Steps):
    """Gives the last output of the recurrent part before it: (T, B, D·H) to (B, D·H), of each direction its own last.

    With masked_output="hold" that is the output of the last live step. Streams, and C, give the output of every step.

    >>> Last().of(np.array([[1.0, 2.0], [3.0, 4.0]]), bidirectional=True)
    array([3., 2.])
    """

    def of(self, y: Array, bidirectional: bool) -> Array:
        """Return the last outputs of y, of a reverse direction those of the first step. Raises ValueError for none."""
        if not len(y):
            raise ValueError("x has no step, expected at least one, whose output is the last")
        half = y.shape[-1] // 2 if bidirectional else y.shape[-1]
        last: Array = np.concatenate((y[-1, ..., :half], y[0, ..., half:]), axis=-1)
        return last
