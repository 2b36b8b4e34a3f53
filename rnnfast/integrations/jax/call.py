"""A call as its handler sees it, apart from the arrays: static, so that JAX compiles one program for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnfast.backends.c.reserve_size import reserve_bytes
from rnnfast.net.description import Net

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A net, the operands that come with a call of it, and how it is to run."""

    net: Net
    extras: tuple[str, ...]
    """Operands besides x and the parameters, of `EXTRAS` and in their order."""
    isa: str = ""
    """An instruction set; "": the best."""
    num_threads: int = 0
    """At most so many; 0: as many as are set for all calls."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the parameters without layer and direction."""
        return tuple(self.net.layer_shapes(0))

    @property
    def count(self) -> int:
        """L·D, the layers and directions: arrays of a table."""
        return self.net.num_layers * self.net.num_directions

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters as the caller has them, in the order of operands: table by table."""
        return [table + suffix for table in self.tables for suffix in self.net.suffixes]

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of what a call takes, fields of rf_problem; under a table's, L·D arrays."""
        return ("x", *self.tables, *self.extras)

    @property
    def finals(self) -> tuple[str, ...]:
        """Names of the final states."""
        return tuple(f"{state}_n" for state in self.net.states)

    def expanded(self, names: Iterable[str]) -> list[str]:
        """Return the names with that of a table, or its gradients, once for each of its arrays."""
        return [name for name in names for _ in range(self.count if name.removeprefix("d_") in self.tables else 1)]

    def batch_axis(self, name: str) -> int | None:
        """Return which axis of an operand or result has a row for each sequence, None where there is none."""
        if name.removeprefix("d") in ("x", "y"):
            return 0 if self.net.batch_first else 1
        if name == "lengths":
            return 0
        return None if name.removeprefix("d_") in self.tables or name in ("dropout_seed", "reserve") else 1

    def sizes(self, x: Shape) -> tuple[int, int]:
        """Return T and B of x."""
        axis = 0 if self.net.batch_first else 1
        return x[1 - axis], x[axis]

    def shape(self, name: str, x: Shape) -> Shape:
        """Return the shape of an operand or result, of a table of its first array, for x of that shape."""
        net, (steps, batch) = self.net, self.sizes(x)
        if name.removeprefix("d") in ("x", "y"):
            features = net.input_size if name.endswith("x") else net.output_size
            return (*x[:2], features)
        if name == "reserve":
            return (self.reserve_bytes(steps, batch),)
        state = name.removeprefix("d").removesuffix("_n").removesuffix("0")
        return self.count, batch, net.state_sizes[net.states.index(state)]

    def parameter_shapes(self) -> list[Shape]:
        """Return the shapes of the parameters in the order of operands."""
        return [self.net.shapes[name] for name in self.parameters]

    def reserve_bytes(self, steps: int, batch: int) -> int:
        """Return the bytes that a recorded call keeps for its gradients."""
        net = self.net
        sizes = net.num_layers, net.num_directions, net.hidden_size, steps, batch
        hold = net.masked_output == "hold"
        return reserve_bytes(net.cell, net.dtype, *sizes, proj_size=net.proj_size, hold=hold)

    def attributes(self, operands: Sequence[str], results: Sequence[str]) -> dict[str, Any]:
        """Return what csrc/python/xla_options.h reads."""
        net = self.net
        whole = {
            "num_layers": net.num_layers,
            "num_directions": net.num_directions,
            "hidden_size": net.hidden_size,
            "batch_first": net.batch_first,
            "hold": net.masked_output == "hold",
            "num_threads": self.num_threads,
        }
        names = {"cell": net.cell, "isa": self.isa, "operands": " ".join(operands), "results": " ".join(results)}
        dropouts = {name: getattr(net, name) for name in ("dropout", "input_dropout", "recurrent_dropout")}
        return (
            names
            | {name: np.int64(value) for name, value in whole.items()}
            | {name: np.float64(value) for name, value in dropouts.items()}
        )
