"""Where outputs and states of a direction go, and where their gradients come from."""

from __future__ import annotations

from typing import NamedTuple

from rnnfast.arrays.device_view import DeviceArray


class Shown(NamedTuple):
    """Where the outputs of a direction's visits lie: the first one's address, the numbers from visit to visit and from
    row to row. Address 0: they are not written, or as gradients zeros.
    """

    address: int
    step: int
    row: int


NOTHING_SHOWN = Shown(0, 0, 0)


def shown_of(y: DeviceArray, column: int, *, backwards: bool) -> Shown:
    """Return where the outputs of a direction's visits lie in y (T, B, ·), from a column on."""
    item, (step, row, _) = y.dtype.itemsize, y.strides
    if not y.size:
        return NOTHING_SHOWN
    address = y.address + column * item
    if backwards:
        return Shown(address + (y.shape[0] - 1) * step, -step // item, row // item)
    return Shown(address, step // item, row // item)


class Ends(NamedTuple):
    """Addresses (B, H) of final states' gradients, 0: zeros, and of what travels back, see gradients.py."""

    d_h_n: int
    d_c_n: int
    dh: int
    dc: int
    through: int
    found: int
    found_c: int
