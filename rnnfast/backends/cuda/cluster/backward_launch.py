"""Launches of the backward cluster kernels: what one is made of, from shapes alone."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.cluster.backward import backward_kernel
from rnnfast.backends.cuda.cluster.backward_shape import backward_shape
from rnnfast.backends.cuda.cluster.gradients import GRADIENTS
from rnnfast.backends.cuda.cluster.launch import ForwardLaunch
from rnnfast.backends.cuda.cluster.shape import ROWS, blocks_of


class BackwardLaunch(ForwardLaunch):
    """A launch of the kernel `backward_kernel(operations, *constants)`; arguments.py has its arguments.

    >>> backward_launch("lstm", 65, 20, 2, ragged=False).grid
    30
    """

    def kernel(self, operations: Any, **options: Any) -> Any:
        """Return the kernel as a Python function."""
        return backward_kernel(operations, *self.constants, **options)


def backward_launch(
    cell: str, size: int, batch: int, directions: int, *, ragged: bool, shows: bool = False, tile_rows: int = ROWS
) -> BackwardLaunch:
    """Return the launch for a layer of `size` units and rows that are `ragged`: with lengths, a mask or resets.

    `shows`: it writes gradients of the states after each visit as well. `tile_rows`: rows of a cluster.
    """
    gradient, blocks = GRADIENTS[cell], blocks_of(size)
    shape = backward_shape(size, 4 if gradient.gates > 1 else 1)
    grid = directions * -(-batch // tile_rows) * blocks
    return BackwardLaunch((gradient, shape, ragged, shows), grid, blocks, shape.size)
