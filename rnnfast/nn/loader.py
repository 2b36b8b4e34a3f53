"""The loader: data in batches, shuffled anew every epoch, sequences of different lengths padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.arrays.host import as_array
from rnnfast.checks.values import truth, whole
from rnnfast.nn.draws import Draws
from rnnfast.nn.padding import Padded, as_sequences, pad_arrays
from rnnfast.problem import Array

Batch = tuple[Any, ...]


class Loader(Draws):
    """Batches of examples; every `for batch in loader` is one epoch, every batch a tuple with one entry per argument.

    data: each an array with one example per entry of its first axis, which gives arrays (B, ...), or a list of
    sequences (T_b, ...) of any lengths, which gives `Padded` with `.values`, `.lengths` and `.mask`.
    batch_size: examples in a batch; the last of an epoch may be smaller, or with `drop_last` is left out.
    shuffle: a new random order every epoch, from the generator that `seed` starts; False: the order as given.
    buckets: with more than 1, the examples are sorted into so many groups of about one size by the length of the first
    list of sequences, and batches are filled from one group after another and then shuffled: less padding, at the
    price of less chance in what meets in a batch.
    `state_dict` between two epochs tells where the generator stands: a Loader of the same data and options that loads
    it goes on with the same batches.

    Raises ValueError for sizes that do not fit, TypeError for kinds.

    >>> from rnnfast import nn
    >>> loader = nn.Loader(np.arange(5), [[1, 2], [3], [4], [5], [6]], batch_size=2, shuffle=False)
    >>> for numbers, words in loader:
    ...     print(numbers, words.lengths)
    [0 1] [2 1]
    [2 3] [1 1]
    [4] [1]
    """

    def __init__(
        self,
        *data: ArrayLike | Sequence[ArrayLike],
        batch_size: int = 32,
        shuffle: bool = True,
        buckets: int = 1,
        drop_last: bool = False,
        seed: int | None = None,
    ) -> None:
        self._data = [_examples(f"data[{k}]", values) for k, values in enumerate(data)]
        self.size = _size(self._data)
        self.batch_size, self.buckets = whole("batch_size", batch_size), whole("buckets", buckets)
        self.shuffle, self.drop_last = truth("shuffle", shuffle), truth("drop_last", drop_last)
        if self.drop_last and self.size < self.batch_size:
            raise ValueError(f"drop_last leaves nothing of {self.size} examples in batches of {self.batch_size}")
        self._bucket = self._buckets()
        super().__init__(seed)

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        return self.size // self.batch_size if self.drop_last else -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of one epoch."""
        order = self._order()
        batches = np.arange(len(self))
        if self._bucket is not None:
            self._rng.shuffle(batches)
        for batch in batches:
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield tuple(_take(values, rows) for values in self._data)

    def _buckets(self) -> Array | None:
        """Every example's group, None without groups."""
        if self.buckets == 1:
            return None
        if not self.shuffle:
            raise ValueError(f"buckets is {self.buckets}, which changes the order: leave out shuffle=False")
        sequences = next((values for values in self._data if isinstance(values, list)), None)
        if sequences is None:
            raise ValueError(f"buckets is {self.buckets}, but the data hold no list of sequences to sort by length")
        bucket = np.empty(self.size, np.int64)
        bucket[np.argsort([len(s) for s in sequences], kind="stable")] = (
            np.arange(self.size) * self.buckets // self.size
        )
        return bucket

    def _order(self) -> Array:
        if not self.shuffle:
            return np.arange(self.size)
        order: Array = self._rng.permutation(self.size)
        if self.drop_last:  # by chance, before the order says something of lengths
            order = order[: len(self) * self.batch_size]
        return order if self._bucket is None else order[np.argsort(self._bucket[order], kind="stable")]


def _examples(name: str, values: Any) -> Array | list[Array]:
    if isinstance(values, tuple):
        raise TypeError(f"{name} is a tuple, expected an array or a list of sequences: pass Loader(x, y), not (x, y)")
    if isinstance(values, list) and len(values) and as_array(f"{name}[0]", values[0]).ndim:
        return as_sequences(name, values)
    array = as_array(name, values)
    if array.ndim == 0:
        raise ValueError(f"{name} is a single value, expected an array of examples or a list of sequences")
    return array


def _size(data: list[Array | list[Array]]) -> int:
    sizes = [len(values) for values in data]
    if not sizes or min(sizes) == 0 or min(sizes) < max(sizes):
        raise ValueError(f"the data hold {sizes} examples, expected the same number, at least 1, in each")
    return sizes[0]


def _take(values: Array | list[Array], rows: Array) -> Array | Padded:
    return pad_arrays([values[row] for row in rows]) if isinstance(values, list) else values[rows]
