"""The embedding: one row of a table per index."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from rnnfast.arrays.host import as_array, empty
from rnnfast.checks.arrays import check_shape
from rnnfast.checks.values import float_dtype, seed_or_none, whole
from rnnfast.nn import checks
from rnnfast.nn.parameters import Layer, Parameters
from rnnfast.nn.record import Gradients, Tape
from rnnfast.problem import Array


class Embedding(Layer):
    """Looks up row `index` of a table for every index: integers (...) to vectors (..., embedding_dim).

    `parameters` holds `weight` (num_embeddings, embedding_dim), PyTorch's name and shape; initial values are standard
    normal, drawn from `seed`. Raises TypeError for indices that are not integers or a dtype other than the layer's,
    ValueError for an index outside 0..num_embeddings-1.

    >>> from rnnfast import nn
    >>> nn.Embedding(7, 3, seed=0)([[0, 6], [2, 2]]).shape
    (2, 2, 3)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, dtype: DTypeLike = "float32", seed: int | None = None
    ) -> None:
        self.num_embeddings = whole("num_embeddings", num_embeddings)
        self.embedding_dim = whole("embedding_dim", embedding_dim)
        self.dtype = float_dtype(dtype)
        rng = np.random.default_rng(seed_or_none("seed", seed))
        table = empty((self.num_embeddings, self.embedding_dim), self.dtype)
        table[...] = rng.standard_normal(table.shape)
        super().__init__(Parameters({"weight": table}))

    @property
    def options(self) -> dict[str, Any]:
        """Options that it was made with."""
        sizes = {"num_embeddings": self.num_embeddings, "embedding_dim": self.embedding_dim}
        return sizes | {"dtype": self.dtype.name}

    @classmethod
    def from_matrix(cls, weight: ArrayLike) -> Embedding:
        """An embedding of this dtype that begins with a copy of weight (num_embeddings, embedding_dim)."""
        weight = checks.any_floats("weight", weight)
        if weight.ndim != 2:
            raise ValueError(f"weight has shape {weight.shape}, expected (num_embeddings, embedding_dim)")
        layer = cls(*weight.shape, dtype=weight.dtype)
        layer.parameters["weight"][...] = weight
        return layer

    def __call__(self, index: ArrayLike) -> Array:
        """Return the rows (..., embedding_dim) for integers (...)."""
        return np.take(self.parameters["weight"], checks.indices("index", index, self.num_embeddings), axis=0)

    def record(self, index: ArrayLike) -> tuple[Array, EmbeddingTape]:
        """Return the rows and the tape for their backward, which refers to `index`: leave it until then."""
        index = as_array("index", index)
        return self(index), EmbeddingTape(self, index)


class EmbeddingTape(Tape):
    """One recorded call of an `Embedding`."""

    def __init__(self, layer: Embedding, index: Array) -> None:
        self._layer, self._index = layer, index

    def backward(self, dy: ArrayLike) -> Gradients:
        """The table's gradient for dy (..., embedding_dim): every row of dy added to the row it was looked up from."""
        layer, index = self._layer, self._index
        dy = checks.floats("dy", dy, layer.dtype, "Embedding")
        check_shape("dy", dy, (*index.shape, layer.embedding_dim))
        self._spend()
        weight = np.zeros((layer.num_embeddings, layer.embedding_dim), layer.dtype)
        if index.size:
            # Sorting brings equal indices together, so that each run is one sum: many times faster than np.add.at.
            order = np.argsort(index, axis=None, kind="stable")
            sorted_index = index.reshape(-1)[order]
            starts = np.flatnonzero(np.concatenate(([True], sorted_index[1:] != sorted_index[:-1])))
            rows = dy.reshape(index.size, layer.embedding_dim)[order]
            weight[sorted_index[starts]] = np.add.reduceat(rows, starts, axis=0)
        return Gradients(None, {"weight": weight})
