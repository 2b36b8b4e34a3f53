"""Launches of the cluster kernels: which nets they serve, and what a launch of one is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnfast.backends.cuda.cluster.cells import CELLS
from rnnfast.backends.cuda.cluster.forward import forward_kernel
from rnnfast.backends.cuda.cluster.shape import LARGEST, ROWS, THREADS, blocks_of, shape_of

CAPABILITY = (9, 0)
"""The first compute capability that has clusters."""
FEWEST = 16
"""Units of a cell without gates from which on the roundings of its products, two or three times float32's, average
out: with 8 units the gradient after 12 steps is beyond the limits for one set of weights in 40, with 16 for none."""


def reason_against(
    cell: str, size: int, itemsize: int, capability: tuple[int, int], masked_output: str = "zero"
) -> str | None:
    """Return why a layer of `size` units cannot run in clusters, None where it can.

    >>> reason_against("lstm", 256, 4, (9, 0))
    >>> reason_against("lstm", 257, 4, (9, 0))
    'clusters hold up to 256 hidden units, not 257'
    """
    if capability < CAPABILITY:
        return "clusters need compute capability 9.0"
    if itemsize != 4:
        return "clusters compute in float32"
    if cell not in CELLS:
        return f"clusters have no {cell}"
    if CELLS[cell].gates == 1 and size < FEWEST:
        return f"clusters take {FEWEST} hidden units or more of a cell without gates, not {size}"
    if size > LARGEST:
        return f"clusters hold up to {LARGEST} hidden units, not {size}"
    if masked_output != "zero":
        return "clusters hold no outputs"
    return None


@dataclass(frozen=True)
class ForwardLaunch:
    """A launch of the kernel `forward_kernel(operations, *constants)`, in one dimension: arguments.py says of what.

    >>> forward_launch("lstm", 65, 20, 2, ragged=False, recorded=False).grid
    30
    """

    constants: tuple[Any, ...]
    grid: int
    cluster: int
    """Blocks of a cluster; more than 8 need a function attribute."""
    shared: int
    """Bytes of dynamic shared memory."""
    threads: int = THREADS

    def kernel(self, operations: Any, **options: Any) -> Any:
        """Return the kernel as a Python function."""
        return forward_kernel(operations, *self.constants, **options)


def forward_launch(
    cell: str, size: int, batch: int, directions: int, *, ragged: bool, recorded: bool, tile_rows: int = ROWS
) -> ForwardLaunch:
    """Return the launch for a layer of `size` units.

    `ragged`: it has lengths, a mask, resets or recurrent dropout. `recorded`: backward will follow. `tile_rows`: rows
    of a cluster.
    """
    shape, blocks = shape_of(size), blocks_of(size)
    grid = directions * -(-batch // tile_rows) * blocks
    return ForwardLaunch((CELLS[cell], shape.depth, ragged, recorded), grid, blocks, shape.size)
