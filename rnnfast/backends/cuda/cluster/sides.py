"""The kernels that the products of ragged rows take: which they are follows from how many steps are live."""

from __future__ import annotations

import functools

from rnnfast.backends.cuda.cluster.places import shape_of_slices
from rnnfast.backends.cuda.cluster.sizes import Sizes
from rnnfast.backends.cuda.gemm.products import side_for, side_of_weights, slices_for


@functools.lru_cache(maxsize=4096)
def sides_of_products(sizes: Sizes, widths: tuple[int, ...], count: int, *, recorded: bool) -> tuple[int, ...]:
    """Return the sides of tiles of all products over `count` live steps, of layers whose inputs are so wide.

    Calls for which they are the same start the same kernels.
    """
    sides = [side_for(count, sizes.gates * sizes.directions) for width in widths]
    for width in widths if recorded else ():
        sides.append(side_for(count, width))
        slices = slices_for(*shape_of_slices(sizes, width), count)
        sides += [side_of_weights(rows, columns, count, slices) for rows, columns in _shapes(sizes, width)]
    return tuple(sides)


def _shapes(sizes: Sizes, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the shapes of dW_ih and of d^T h."""
    return (sizes.gates, width), (sizes.slots, sizes.size)
