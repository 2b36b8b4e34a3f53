"""Weights as Keras 3 keeps them in HDF5: for each layer a group whose group vars holds its arrays, called 0, 1, ..."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import numpy as np

from rnnfast.integrations.content import SMALL, SWOLLEN
from rnnfast.integrations.json_values import shown
from rnnfast.problem import Array

MOST_AXES, MOST_BYTES = 2, 8
"""Axes of an array, and bytes of its numbers."""


class Weights:
    """An open file of weights, which is a context manager. Raises ImportError where h5py is not installed.

    `source`: its path, or its bytes. Every method raises ValueError that names the place of what is damaged, missing
    or of another shape, and for what leads out of the file: external links and data are not followed.
    """

    def __init__(self, source: str | bytes) -> None:
        try:
            import h5py
        except ImportError as error:
            raise ImportError("weights of Keras need the package h5py: pip install 'rnnfast[keras]'") from error
        self._h5py = h5py
        with _damage("the HDF5 file"):
            self._file = h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r")
            self._size = self._file.id.get_filesize()

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with _damage("the HDF5 file"):
            self._file.close()

    def names(self, group: str = "") -> list[str]:
        """Return what is in a group, in the order of its names."""
        with _damage(group or "the HDF5 file"):
            return sorted(self._group(group))

    def is_group(self, place: str) -> bool:
        """Return whether there is a group at this place."""
        with _damage(place):
            return isinstance(self._found(place), self._h5py.Group)

    def said_name(self, group: str) -> str | None:
        """Return what a layer is called by its group vars, None where that does not tell."""
        with _damage(group):
            name = self._group(f"{group}/vars").attrs.get("name")
        return name if isinstance(name, str) else None

    def arrays(self, group: str) -> list[Array]:
        """Return the arrays of a layer or cell in their order."""
        place = f"{group}/vars"
        with _damage(place):
            names = sorted(self._group(place), key=lambda name: (len(name), name))
        if names != [str(n) for n in range(len(names))]:
            listed = ", ".join(map(shown, names[:5]))
            raise ValueError(f"{place} holds {listed}, expected arrays called 0, 1 and so on")
        return [self._array(f"{place}/{name}") for name in names]

    def shaped(self, group: str, shapes: Sequence[tuple[int | None, ...]]) -> list[Array]:
        """Return the arrays of a layer or cell, which must be of these shapes, None: of any size."""
        arrays = self.arrays(group)
        if len(arrays) != len(shapes):
            raise ValueError(f"{group}/vars has {len(arrays)} arrays, expected {len(shapes)}")
        for n, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
            sizes = zip(array.shape, shape, strict=False)
            fits = array.ndim == len(shape) and all(expected in (None, size) for size, expected in sizes)
            if not fits or not array.size:
                expected = f"({', '.join('any' if size is None else str(size) for size in shape)})"
                raise ValueError(f"{group}/vars/{n} has shape {array.shape}, expected {expected}")
        return arrays

    def _array(self, place: str) -> Array:
        with _damage(place):
            found = self._found(place)
            if not isinstance(found, self._h5py.Dataset):
                raise ValueError("expected an array")
            if found.is_virtual or found.external:
                raise ValueError("its numbers are in other files, which are not read")
            if found.dtype.kind != "f" or found.dtype.itemsize > MOST_BYTES or found.ndim > MOST_AXES:
                raise ValueError(f"dtype {found.dtype}, shape {found.shape}, expected real numbers of one or two axes")
            if found.nbytes > SWOLLEN * self._size + SMALL:
                raise ValueError(f"would unpack to {found.nbytes} bytes, the file has {self._size}")
            array: Array = np.asarray(found[()])
            return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _group(self, place: str) -> Any:
        found = self._found(place)
        if not isinstance(found, self._h5py.Group):
            raise ValueError("expected a group")
        return found

    def _found(self, place: str) -> Any:
        """Return what is at a place, None where there is nothing. Raises ValueError for a link out of the tree."""
        found: Any = self._file
        for name in filter(None, place.split("/")):
            if not isinstance(found, self._h5py.Group) or name not in found:
                return None
            if not isinstance(found.get(name, getlink=True), self._h5py.HardLink):
                raise ValueError(f"{shown(name)} is a link to elsewhere, which is not followed")
            found = found[name]
        return found


@contextmanager
def _damage(place: str) -> Iterator[None]:
    """Turn whatever HDF5 raises into a ValueError that names the place."""
    try:
        yield
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # HDF5's library has one for each of its own
        raise ValueError(f"{place}: {str(error).strip() or type(error).__name__}") from error
