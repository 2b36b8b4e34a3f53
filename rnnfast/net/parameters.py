"""Parameters by PyTorch's names: their arrays, and loading them from others."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any

from rnnfast.arrays import host
from rnnfast.arrays.access import Access
from rnnfast.arrays.host import apart, as_array
from rnnfast.checks.arrays import check_dtype, check_shape
from rnnfast.checks.values import truth
from rnnfast.net.description import Net
from rnnfast.net.loading import IncompatibleKeys, matched
from rnnfast.net.narrow import Weights, check_widened, is_matrix, rounded
from rnnfast.problem import Array


class Parameters(Mapping[str, Array]):
    """Mapping from name to array, in PyTorch's order. The arrays are live: change them and the net has changed.

    `parameters[name] = values` copies into the array, so `parameters[name] -= step` and `parameters[name] = new` do
    what they say while shape, dtype and identity of the arrays stay. Names can be neither added nor removed.
    """

    device = "cpu"
    """Where the arrays live, as `Module.to` names it."""

    def __init__(self, arrays: dict[str, Array], net: Net) -> None:
        self._arrays, self._net = arrays, net
        self._tables = net.tables(arrays)
        self._shapes = net.shapes
        self._checked = list(zip(arrays.values(), self._shapes.values(), strict=True))

    def __getitem__(self, name: str) -> Array:
        try:
            return self._arrays[name]
        except KeyError:
            raise KeyError(f"this {self._net.name} has no parameter {name!r}, only {', '.join(self)}") from None

    def __setitem__(self, name: str, values: Any) -> None:
        array = self[name]
        if values is not array:
            self.check()
            self._write(name, self._fitting(name, values))

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def items(self) -> ItemsView[str, Array]:
        """Return names and arrays at once; what `Mapping` offers looks each of them up."""
        return self._arrays.items()

    def values(self) -> ValuesView[Array]:
        """Return the arrays at once, without looking each up by its name."""
        return self._arrays.values()

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{name} {array.shape}' for name, array in self.items())})"

    def tables(self) -> dict[str, Any]:
        """Return the arrays as the lists that `Problem` holds. Raises as `check`."""
        self.check()
        return self._tables

    @property
    def net(self) -> Net:
        """Description of the net that they belong to."""
        return self._net

    @property
    def frames(self) -> Mapping[str, Array]:
        """NumPy arrays by name that lie where the parameters do, to ask about layout and overlap."""
        return self._arrays

    def access(self, x: Any) -> Access:
        """Return how arrays are reached where these and x live. Raises TypeError where x lives elsewhere."""
        return host

    def on_host(self) -> dict[str, Array]:
        """Return copies in host memory, by name."""
        return dict(self.copy())

    def check(self) -> None:
        """Raise ValueError or TypeError where an array is no longer what it was made as.

        NumPy lets anyone change the shape, strides or dtype of an array in place, while kernels trust in them.
        """
        dtype = self._net.dtype
        for array, shape in self._checked:
            if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
                self._refuse_changed()

    def _refuse_changed(self) -> None:
        for name, shape in self._shapes.items():
            array, advice = self[name], "it was changed in place, where only a parameter's values may change"
            if array.dtype != self._net.dtype:
                raise TypeError(f"{name} has dtype {array.dtype}, expected {self._net.dtype}: {advice}")
            if array.shape != shape or not array.flags.c_contiguous:
                how = f"shape {array.shape} and strides {array.strides}"
                raise ValueError(f"{name} has {how}, expected shape {shape}, C-contiguous: {advice}")

    def rounded(self, weights: Weights) -> Parameters:
        """Return read-only copies whose matrices are rounded to a narrower type."""
        self.check()
        arrays = {name: rounded(name, array, weights) if is_matrix(name) else array for name, array in self.items()}
        return Parameters(arrays, self._net).copy(writeable=False)

    def copy(self, *, writeable: bool = True) -> Parameters:
        """Return parameters of the same values in arrays of their own."""
        self.check()
        arrays = {name: array.copy() for name, array in self.items()}
        if not writeable:  # views of read-only arrays, which nobody can make writeable again
            for array in arrays.values():
                array.flags.writeable = False
            arrays = {name: array.view() for name, array in arrays.items()}
        return Parameters(arrays, self._net)

    def load(self, values: Mapping[str, Any], *, prefix: str = "", strict: bool = True) -> IncompatibleKeys:
        """Copy into the arrays the values whose names begin with `prefix`: all of them or, if any does not fit, none.

        Returns the names that were missing or unexpected, which without `strict` are no fault. Raises ValueError that
        lists those, every wrong shape and every read-only parameter; TypeError for wrong dtypes.
        """
        given, incompatible = matched(values, self, prefix)
        self.check()
        faults = incompatible.faults(values, self, prefix) if truth("strict", strict) else []
        arrays: dict[str, Any] = {}
        dtype_faults = []
        for name, value in given.items():
            try:
                arrays[name] = apart(self._fitting(name, value), self.frames.values())
            except ValueError as error:
                faults.append(str(error))
            except TypeError as error:
                dtype_faults.append(str(error))
        if faults or dtype_faults:
            text = f"these parameters do not fit this {self._net.name}: " + "; ".join(faults + dtype_faults)
            raise ValueError(text) if faults else TypeError(text)
        for name, array in arrays.items():
            self._write(name, array)
        return incompatible

    def _write(self, name: str, values: Array) -> None:
        self[name][...] = values

    def _fitting(self, name: str, values: Any) -> Array:
        array = as_array(name, values)
        check_widened(name, array)
        check_dtype(name, array, self._net.dtype, self._net.name, values)
        check_shape(name, array, self._shapes[name])
        if not self.frames[name].flags.writeable:
            raise ValueError(f"{name} is read-only, as are all parameters of a frozen net")
        return array
