"""The description of a net: its sizes and options, checked once when it is made."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from rnnfast.arrays.layout import Layout, layout_of
from rnnfast.checks.arrays import DTYPES
from rnnfast.checks.values import one_of, probability, projection, truth, whole
from rnnfast.problem import CELLS, Array, MaskedOutput, Precision


@dataclass(frozen=True)
class Net:
    """A net of L layers, D directions, input size I, hidden size H, G gates. `name` is its class, as messages call it.

    S, the numbers of h, is H or, where the cell projects, proj_size.

    Raises ValueError for a size below 1 or an option out of range, TypeError for values of the wrong kind.

    >>> Net("LSTM", "lstm", 3, 4).shapes["weight_ih_l0"]
    (16, 3)
    """

    name: str
    cell: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    masked_output: MaskedOutput = "zero"
    dtype: np.dtype[Any] = DTYPES[0]
    one_step: bool = False
    """True for the step cells: arrays without a time axis, parameter names without a layer."""
    proj_size: int = 0
    """P, below H, of a cell that projects; 0 of others."""
    precision: Precision = "float32"
    """What products of calls and of their backward multiply, as in `Problem`; files say nothing of it."""

    def __post_init__(self) -> None:
        def settle(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("input_size", "hidden_size", "num_layers"):
            settle(name, whole(name, getattr(self, name)))
        for name in ("dropout", "input_dropout", "recurrent_dropout"):
            settle(name, probability(name, getattr(self, name)))
        for name in ("bias", "batch_first", "bidirectional"):
            settle(name, truth(name, getattr(self, name)))
        one_of("masked_output", self.masked_output, get_args(MaskedOutput))
        one_of("precision", self.precision, get_args(Precision))
        if self.precision != "float32" and self.dtype != DTYPES[0]:
            raise ValueError(f"precision is {self.precision!r}, of float32 nets alone: leave it out, or dtype")
        settle("proj_size", projection(self.proj_size, self.hidden_size))
        if CELLS[self.cell].projects != (self.proj_size > 0):
            raise ValueError(f"proj_size is {self.proj_size}, which is of no {self.name}: leave it out")

    @functools.cached_property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates, in PyTorch's order."""
        return CELLS[self.cell].gates

    @functools.cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the cell's states: ("h",) or ("h", "c")."""
        return CELLS[self.cell].states

    @property
    def num_directions(self) -> int:
        """D, the number of directions."""
        return 2 if self.bidirectional else 1

    @property
    def state_size(self) -> int:
        """S, the numbers of h: P where it is projected, else H."""
        return self.proj_size or self.hidden_size

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Numbers of h and, of cells that have it, of c."""
        return (self.state_size, self.hidden_size)[: len(self.states)]

    @property
    def output_size(self) -> int:
        """D·S, the features of y."""
        return self.num_directions * self.state_size

    @property
    def suffixes(self) -> Iterator[str]:
        """Ends of the parameters' names, layer l direction d at l * D + d."""
        if self.one_step:
            yield ""
            return
        for layer in range(self.num_layers):
            yield from (f"_l{layer}", f"_l{layer}_reverse")[: self.num_directions]

    def layer_shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of one layer's parameters, the same for each direction: (G·H, ·), (G·H,) and (P, H)."""
        rows = len(self.gates) * self.hidden_size
        columns = self.input_size if layer == 0 else self.output_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, self.state_size)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        return shapes | ({"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {})

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by name, in PyTorch's order."""
        return {
            name + suffix: shape
            for k, suffix in enumerate(self.suffixes)
            for name, shape in self.layer_shapes(k // self.num_directions).items()
        }

    @property
    def num_parameters(self) -> int:
        """Number of numbers in all parameters."""
        first, above = (sum(math.prod(shape) for shape in self.layer_shapes(layer).values()) for layer in (0, 1))
        return self.num_directions * (first + (self.num_layers - 1) * above)

    @functools.cached_property
    def _table_names(self) -> dict[str, list[str]]:
        return {name: [name + suffix for suffix in self.suffixes] for name in self.layer_shapes(layer=0)}

    def tables(self, arrays: Mapping[str, Array], prefix: str = "") -> dict[str, Any]:
        """Return parameters or, with prefix "d_", their gradients as the lists that `Problem` holds."""
        return {prefix + table: [arrays[name] for name in names] for table, names in self._table_names.items()}

    def layout(self, x: Array) -> Layout:
        """Return how the axes of this x are arranged. Raises ValueError for a wrong rank or number of features."""
        ranks = (1, 2) if self.one_step else (2, 3)
        if x.ndim not in ranks:
            axes = "B, T" if self.batch_first else "T, B"
            batched, alone = (f"({axes}, {self.input_size})", f"(T, {self.input_size})")
            if self.one_step:
                batched, alone = (f"(B, {self.input_size})", f"({self.input_size},)")
            raise ValueError(f"x has shape {x.shape}, expected {batched} or, without a batch axis, {alone}")
        if x.shape[-1] != self.input_size:
            raise ValueError(f"x has {x.shape[-1]} features, this {self.name} was made for {self.input_size}")
        return layout_of(not self.one_step, x.ndim == ranks[1], self.batch_first, not self.one_step)
