"""Sequences of different lengths as one array, padded with zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.arrays.host import as_array
from rnnfast.nn import checks
from rnnfast.problem import Array


class Padded(NamedTuple):
    """B sequences side by side: `values` (B, T, ...), zeros from step lengths[b] on, and `lengths` (B,).

    As nets with batch_first=True take them; others take `values.swapaxes(0, 1)`, a view.

    >>> from rnnfast import nn
    >>> nn.pad([[1.0, 2.0, 3.0], [4.0]]).mask
    array([[ True,  True,  True],
           [ True, False, False]])
    """

    values: Array
    lengths: Array

    @property
    def mask(self) -> Array:
        """(B, T) bool, True at the steps of the sequences: what losses take."""
        mask: Array = np.arange(self.values.shape[1]) < self.lengths[:, None]
        return mask


def pad(sequences: Sequence[ArrayLike]) -> Padded:
    """Return `sequences` (T_b, ...), one for each row, padded to the longest of them.

    Raises TypeError where they are of several dtypes, ValueError where their features are of several shapes or there
    is no sequence.

    >>> from rnnfast import nn
    >>> nn.pad([[1.0, 2.0, 3.0], [4.0]]).values
    array([[1., 2., 3.],
           [4., 0., 0.]])
    """
    return pad_arrays(as_sequences("sequences", sequences))


def pad_arrays(arrays: Sequence[Array]) -> Padded:
    """Pad as `pad` does what `as_sequences` returned."""
    lengths = np.array([len(array) for array in arrays])
    values = np.zeros((len(arrays), lengths.max(), *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(values, arrays, strict=True):
        row[: len(array)] = array
    return Padded(values, lengths)


def as_sequences(name: str, sequences: Sequence[ArrayLike]) -> list[Array]:
    """Return each sequence as an array. Raises as `pad`."""
    if len(sequences) == 0:
        raise ValueError(f"{name} is empty, expected at least one sequence")
    arrays = [as_array(f"{name}[{k}]", sequence) for k, sequence in enumerate(sequences)]
    untyped = [checks.is_empty_list(array, given) for array, given in zip(arrays, sequences, strict=True)]
    if not all(untyped):
        dtype = arrays[untyped.index(False)].dtype
        arrays = [array.astype(dtype) if of_any else array for array, of_any in zip(arrays, untyped, strict=True)]
    for k, array in enumerate(arrays):
        if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
            expected = f"(T, {', '.join(map(str, arrays[0].shape[1:]))})" if arrays[0].ndim > 1 else "(T,)"
            raise ValueError(f"{name}[{k}] has shape {array.shape}, expected {expected}")
        if array.dtype != arrays[0].dtype:
            raise TypeError(
                f"{name}[{k}] has dtype {array.dtype}, {name}[0] has {arrays[0].dtype}: convert one of them"
            )
    return arrays
