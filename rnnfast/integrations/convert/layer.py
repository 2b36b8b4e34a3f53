"""The parameters of one layer and direction, made of arrays whose gates and axes come in any order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.checks.values import one_of, whole
from rnnfast.problem import Array

GATES = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}
"""The gates of each kind in the order that PyTorch, this library, JAX's own LSTM and NAM keep them in."""


def parameters(
    kind: str,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    *,
    order: str | None = None,
    transposed: bool = False,
    layer: int = 0,
    reverse: bool = False,
) -> dict[str, Array]:
    """Return the parameters of one layer and direction of an "RNN", "LSTM" or "GRU".

    weight_ih (G·H, I) and weight_hh (G·H, H), their rows by gates in this `order`, such as "iofg", letters as in
    `GATES`; None: as there. With `transposed` they are (I, G·H) and (H, G·H). bias_ih and bias_hh (G·H,): where one is
    None it is zeros, where both are the net has none: `bias=False`. Raises ValueError that names an array that does
    not fit, TypeError for what is no array of real numbers.

    >>> one = np.arange(4.0)[:, None]
    >>> parameters("LSTM", one, one, order="iofg", layer=1, reverse=True)["weight_ih_l1_reverse"].ravel()
    array([0., 2., 3., 1.])
    """
    one_of("kind", kind, tuple(GATES))
    order = GATES[kind] if order is None else order
    if sorted(order) != sorted(GATES[kind]):
        raise ValueError(f"order is {order!r}, expected the gates of an {kind}, {', '.join(GATES[kind])}, each once")
    given = {"weight_ih": real("weight_ih", weight_ih), "weight_hh": real("weight_hh", weight_hh)}
    for name, array in given.items():
        if array.ndim != 2:
            raise ValueError(f"{name} has shape {array.shape}, expected two axes")
        given[name] = array.T if transposed else array
    hidden = given["weight_hh"].shape[1]
    biases = {"bias_ih": bias_ih, "bias_hh": bias_hh}
    if any(bias is not None for bias in biases.values()):
        zeros = np.zeros(len(order) * hidden, given["weight_hh"].dtype)
        given |= {name: zeros if bias is None else real(name, bias) for name, bias in biases.items()}
    suffix = f"_l{whole('layer', layer, lowest=0)}{'_reverse' * reverse}"
    return {name + suffix: _reordered(name, array, hidden, order, GATES[kind]) for name, array in given.items()}


def _reordered(name: str, array: Array, hidden: int, order: str, wanted: str) -> Array:
    """Return a copy of an array (G·H, ...) whose rows are by gates in the order wanted."""
    rows = len(order) * hidden
    shape = (rows, *array.shape[1:2])
    if array.shape != shape or not array.size:
        expected = f"({len(order)} gates · {hidden} units{', ...' if name.startswith('weight') else ''})"
        raise ValueError(f"{name} has shape {array.shape}, rows by gates first, expected {expected}")
    places = [order.index(gate) for gate in wanted]
    return np.ascontiguousarray(array.reshape(len(order), hidden, *array.shape[1:])[places]).reshape(shape)


def real(name: str, value: ArrayLike) -> Array:
    """Return an array of real numbers. Raises TypeError, which names it, for others."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, expected real numbers")
    return array
