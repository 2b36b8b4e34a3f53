"""The arrangement of a caller's axes, and the views through which backends see all of them, time first."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rnnfast.problem import Array


@dataclass(frozen=True, slots=True)
class Layout:
    """Axes that the caller's arrays have. Arrays are made in the caller's shape and handed on as views."""

    time: bool = True
    """False: one step."""
    batch: bool = True
    """False: one sequence without a batch axis."""
    batch_first: bool = False
    layers: bool = True
    """False: states lack the axis of layers and directions, of which there is one."""

    @property
    def is_time_major(self) -> bool:
        """Whether a dense array with the caller's axes is a dense (T, B, ...) one."""
        return not (self.batch_first and self.batch)

    def sequence(self, array: Array) -> Array:
        """A caller's sequence, (T, B), (T, B, ·) or what its layout has of them, as a time-major view."""
        if not self.time:
            array = array[None]
        if not self.batch:
            return array[:, None]
        return array.swapaxes(0, 1) if self.batch_first else array

    def sequence_shape(self, steps: int, batch: int, *rest: int) -> tuple[int, ...]:
        """The caller's shape of a (T, B, ·) array."""
        leading = [*([steps] * self.time), *([batch] * self.batch)]
        return (*(reversed(leading) if self.batch_first else leading), *rest)

    def sizes(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return T and B of a caller's sequence of this shape, 1 for an axis that it lacks."""
        leading = shape[:-1][::-1] if self.batch_first else shape[:-1]
        steps = leading[0] if self.time else 1
        return steps, leading[-1] if self.batch else 1

    def strides(self, steps: int, batch: int, size: int) -> tuple[int, int]:
        """Return the distances, in elements, from step to step and from row to row of a dense sequence."""
        return (size, steps * size) if self.batch_first and self.batch else (batch * size, size)

    def state(self, array: Array) -> Array:
        """A caller's state as a view (L·D, B, H)."""
        if not self.layers:
            array = array[None]
        return array if self.batch else array[:, None]

    def state_shape(self, count: int, batch: int, size: int) -> tuple[int, ...]:
        """The caller's shape of a (L·D, B, H) array."""
        return (*([count] * self.layers), *([batch] * self.batch), size)

    def state_shapes(self, count: int, batch: int, sizes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """The caller's shapes of states of so many numbers each."""
        return tuple([self.state_shape(count, batch, size) for size in sizes])

    def activations(self, array: Array) -> Array:
        """A backend's (L·D, T, B, H) array as the caller sees it; with a batch axis always time-major."""
        if not self.batch:
            array = array[:, :, 0]
        return array if self.time else array[0, 0]


layout_of = functools.cache(Layout)
"""The same without making it anew for every call."""
