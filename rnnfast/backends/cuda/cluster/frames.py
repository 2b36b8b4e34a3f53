"""Products of calls of one form: all of their arguments but addresses, which are all that a call adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rnnfast.backends.cuda.cluster.live import Live
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.gemm.kernel import product_kernel
from rnnfast.backends.cuda.gemm.products import Aways, Biases, Matrix, Product, Rows

ONE_SET = Aways()
FRAMES_KEPT = 256
"""A call adds one for each of its products, and others where its arrays have other strides or other rows are live."""


class Frame(NamedTuple):
    """A product and its arguments, between which the addresses go."""

    product: Product
    of_a: tuple[int, ...]
    of_b: tuple[int, ...]
    of_c: tuple[int, ...]
    period: int
    columns: int
    counts: tuple[int, ...]

    def start(
        self, call: DeviceCall, a: int, b: int, c: int, listed: int = 0, bias: int = 0, more_bias: int = 0,
        sums: int = 0, aways: Aways = ONE_SET,
    ) -> None:  # fmt: skip
        """Start the product of matrices at these addresses; the others are as `Product.arguments` has them."""
        where = listed, self.period, bias, more_bias, self.columns, sums
        values = a, *self.of_a, b, *self.of_b, c, *self.of_c, *where, *self.counts, *aways
        call.start(product_kernel, self.product, values)


def frame_of(
    product: Product,
    a: Matrix,
    b: Matrix,
    c: Matrix,
    period: int,
    *,
    columns: int = 0,
    part: int = 0,
    add: bool = False,
) -> Frame:
    """Return the frame of a product of matrices that lie so, and of a second bias of so many columns."""
    v = product.arguments(a, b, c, Rows(period), Biases(columns=columns), part=part, add=add)
    return Frame(product, v[1:3], v[4:6], v[7:9], period, columns, v[15:21])


class Frames:
    """Frames by which product it is, how its matrices lie, and how many steps are live, where not all are."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Frame] = {}

    def get(self, live: Live | None, key: tuple[Any, ...], make: Callable[[], Frame]) -> Frame:
        """Return the frame of this key."""
        key = *key, None if live is None else live.count
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= FRAMES_KEPT:
                self._kept.clear()
            found = self._kept[key] = make()
        return found
