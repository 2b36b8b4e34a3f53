"""The arrays of a state dict or a file that a net takes: found by name, below a prefix, and converted where asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnfast.checks.arrays import DTYPES
from rnnfast.net.description import Net
from rnnfast.net.formats import BFLOAT16
from rnnfast.problem import Array

LEARNED = ("h0", "c0")
"""What a file calls the initial states of a recurrent part that were learned."""


class IncompatibleKeys(NamedTuple):
    """Names, the prefix included, that loading did not find or did not expect, as PyTorch returns them.

    >>> matched({"rnn.bias": 1, "rnn.scale": 2, "fc.bias": 3}, ["weight", "bias"], prefix="rnn.")
    ({'bias': 1}, IncompatibleKeys(missing_keys=['rnn.weight'], unexpected_keys=['rnn.scale']))
    """

    missing_keys: list[str]
    unexpected_keys: list[str]

    def faults(self, values: Mapping[str, Any], names: Collection[str], prefix: str) -> list[str]:
        """Return a text for each of the names and, where all parameters are below another prefix, which that is."""
        found = [f"missing {name}" for name in self.missing_keys]
        found += [f"unexpected {name}" for name in self.unexpected_keys]
        if any(name.removeprefix(prefix) in LEARNED for name in self.unexpected_keys):
            found.append("initial states that were learned are a model's: load the file by rnnfast.load_model")
        if self.missing_keys and (others := _prefixes(values, names, prefix)):
            found.append(f"all of them are there with prefix={' or prefix='.join(map(repr, others))}")
        return found


def matched(values: Any, names: Collection[str], prefix: str) -> tuple[dict[str, Any], IncompatibleKeys]:
    """Return the values of these names, which in `values` begin with `prefix`, and which were missing or unexpected.

    Other names that do not begin with it belong to other parts and are passed over. Raises TypeError where `values` is
    no mapping, or the prefix no str.
    """
    if not isinstance(values, Mapping):
        kind = type(values).__name__
        raise TypeError(f"parameters must come as a mapping from name to array, such as a state dict, got {kind}")
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, such as 'rnn.', got {type(prefix).__name__}")
    wanted = {prefix + name: name for name in names}
    unexpected = [key for key in values if key not in wanted and str(key).startswith(prefix)]
    found = {name: values[key] for key, name in wanted.items() if key in values}
    return found, IncompatibleKeys([key for key in wanted if key not in values], unexpected)


def _prefixes(values: Mapping[str, Any], names: Collection[str], tried: str) -> list[str]:
    """Return the other prefixes below which every one of the names is there."""
    first = next(iter(names))
    ends = [str(key).removesuffix(first) for key in values if str(key).endswith(first)]
    return [prefix for prefix in ends if prefix != tried and all(prefix + name in values for name in names)]


def converted(
    arrays: Mapping[str, Array], wanted: Iterable[str], net: Net, dtype: np.dtype[Any] | None, path: str
) -> dict[str, Array]:
    """Return the arrays of a file at `path`, those that are wanted with the net's dtype: converted if `dtype` asks.

    Real numbers of any kind are converted, rounded to nearest even. Raises TypeError that names every array of another
    dtype, unless they are to be converted, ValueError for numbers that only a larger dtype can hold.
    """
    if dtype is not None and dtype != net.dtype:
        raise TypeError(f"dtype is {dtype}, but this {net.name} computes in {net.dtype}: pass dtype={net.dtype.name!r}")
    found, faults = dict(arrays), []
    for name in [name for name in wanted if name in arrays and arrays[name].dtype != net.dtype]:
        if dtype is not None and is_real(arrays[name]):
            found[name] = cast(name, arrays[name], dtype)
        else:
            faults.append((name, arrays[name]))
    if faults:
        said = ", ".join(f"{name} has dtype {_name_of(array.dtype)}" for name, array in faults)
        advice = "only real numbers of 16 bits or more are converted"
        if dtype is None and all(is_real(array) for _, array in faults):
            advice = f"pass dtype={net.dtype.name!r} to convert them"
            if all(array.dtype in DTYPES for _, array in faults):
                advice += f", or make the {net.name} with dtype={faults[0][1].dtype.name!r}"
        raise TypeError(f"this {net.name} computes in {net.dtype}, but in {path} {said}: {advice}")
    return found


def is_real(array: Array) -> bool:
    """Return whether these are real numbers, those of bfloat16 among them."""
    return array.dtype.kind == "f" or array.dtype == BFLOAT16


def _name_of(dtype: np.dtype[Any]) -> str:
    return ", ".join(dtype.names) if dtype.names else str(dtype)


def cast(name: str, array: Array, dtype: np.dtype[Any]) -> Array:
    """Return real numbers as `dtype`, rounded to nearest even. Raises ValueError for those that it cannot hold."""
    if array.dtype == BFLOAT16:
        array = (array["bfloat16"].astype(np.uint32) << 16).view(np.float32)
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype)
    except FloatingPointError:
        raise ValueError(f"{name} holds numbers beyond {dtype.name}, from {array.min()} to {array.max()}") from None
