"""The net that a caller's parameters are of, and checks of arrays that JAX and the library both can take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rnnfast.checks.arrays import DTYPES, check_dtype, check_shape, conversion
from rnnfast.integrations.state_dicts import sizes
from rnnfast.net.description import Net


def number(label: str, value: Any, advised: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of an array of numbers that nets compute in. Raises TypeError for others."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise TypeError(f"{label} is of type {type(value).__name__}, expected an array of JAX or NumPy")
    if value.dtype not in DTYPES:
        raise TypeError(f"{label} has dtype {value.dtype}, expected float32 or float64: {conversion(value, advised)}")
    if jax.dtypes.canonicalize_dtype(value.dtype) != value.dtype:
        raise TypeError(
            f"{label} has dtype {value.dtype}, which JAX would cast: {conversion(value, DTYPES[0])}, or have JAX take "
            "float64 by jax.config.update('jax_enable_x64', True)"
        )
    dtype: np.dtype[Any] = np.dtype(value.dtype)
    return dtype


def advised_for(parameters: Any) -> np.dtype[Any]:
    """Return the dtype of parameters, as far as JAX has it, and float32 where nets cannot compute in that."""
    found = getattr(parameters.get("weight_ih_l0"), "dtype", None) if isinstance(parameters, Mapping) else None
    return np.dtype(jax.dtypes.canonicalize_dtype(found)) if found in DTYPES else DTYPES[0]


def net_of(
    name: str, cell: str, parameters: Mapping[str, Any], dtype: np.dtype[Any], options: Mapping[str, Any]
) -> Net:
    """Return the net whose parameters these are. Raises ValueError and TypeError that name what does not fit."""
    if not isinstance(parameters, Mapping):
        kind = type(parameters).__name__
        raise TypeError(f"parameters is of type {kind}, expected a dict of arrays such as {name}.state_dict() returns")
    for needed in ("weight_ih_l0", "weight_hh_l0"):
        if needed not in parameters or len(np.shape(parameters[needed])) != 2:
            raise ValueError(
                f"parameters[{needed!r}] is missing or has not two axes, expected PyTorch's names and shapes"
            )
    net = Net(name, cell, **sizes(cell, parameters, "parameters: "), **options, dtype=dtype)
    if net.shapes.keys() != parameters.keys():
        wrong = ", ".join(sorted(map(str, net.shapes.keys() ^ parameters.keys())))
        raise ValueError(f"parameters are not those of one {name}, see {wrong}: expected {', '.join(net.shapes)}")
    for label, shape in net.shapes.items():
        check(label, parameters[label], shape, net)
    return net


def check(label: str, value: Any, shape: tuple[int, ...], net: Net) -> None:
    """Raise TypeError or ValueError unless an array has the net's dtype and this shape."""
    number(label, value, net.dtype)
    check_dtype(label, value, net.dtype, f"{net.name} of x")
    check_shape(label, value, shape)
