"""One layer's arrays as other libraries keep them, made into those of a net here: order of gates, axes, biases.

What comes back is a part of a state dict, copies under PyTorch's names, for `load_state_dict`; several layers and
directions are joined by `|`. Numbers and dtypes stay as they are, rows are only put in another order.

>>> keras = {"kernel": np.ones((3, 12)), "recurrent_kernel": np.ones((4, 12)), "bias": np.zeros((2, 12))}
>>> gru = rnnfast.GRU(3, 4, dtype="float64")
>>> gru.load_state_dict(of_keras("GRU", **keras))
IncompatibleKeys(missing_keys=[], unexpected_keys=[])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.checks.values import one_of, whole
from rnnfast.problem import Array

GATES = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}
"""The gates of each kind in the order that PyTorch, this library, JAX's own LSTM and NAM keep them in."""
OF_KERAS = {"RNN": "h", "LSTM": "ifgo", "GRU": "zrn"}
"""Keras's and RTNeural's, which call g the cell c and n the candidate h."""
OF_ONNX = {"RNN": "h", "LSTM": "iofg", "GRU": "zrn"}
"""Of the ONNX operators, which call g the cell c and n the hidden gate h."""


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
    given = {"weight_ih": _real("weight_ih", weight_ih), "weight_hh": _real("weight_hh", weight_hh)}
    for name, array in given.items():
        if array.ndim != 2:
            raise ValueError(f"{name} has shape {array.shape}, expected two axes")
        given[name] = array.T if transposed else array
    hidden = given["weight_hh"].shape[1]
    biases = {"bias_ih": bias_ih, "bias_hh": bias_hh}
    if any(bias is not None for bias in biases.values()):
        zeros = np.zeros(len(order) * hidden, given["weight_hh"].dtype)
        given |= {name: zeros if bias is None else _real(name, bias) for name, bias in biases.items()}
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


def _real(name: str, value: ArrayLike) -> Array:
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, expected real numbers")
    return array


def of_keras(
    kind: str, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike | None = None, **which: Any
) -> dict[str, Array]:
    """Return the parameters of one layer of Keras or RTNeural: `layer.get_weights()`, in this order.

    kernel (I, G·H), recurrent_kernel (H, G·H), gates i f c o or z r h. bias (G·H,) becomes bias_ih; that of a GRU of
    reset_after=True is (2, G·H), bias_ih and bias_hh. A GRU of a single bias is one of reset_after=False. `which`:
    layer and reverse, as in `parameters`.

    >>> of_keras("GRU", np.ones((1, 3)), np.ones((1, 3)), np.array([1.0, 2.0, 3.0]))["bias_ih_l0"]
    array([2., 1., 3.])
    """
    one_of("kind", kind, tuple(GATES))
    biases: list[Any] = [bias, None]
    if bias is not None and np.ndim(bias) == 2:
        biases = list(np.asarray(bias))
        if kind != "GRU" or len(biases) != 2:
            raise ValueError(f"bias has shape {np.shape(bias)}, expected (G·H,) or, of a GRU alone, (2, G·H)")
    return parameters(kind, kernel, recurrent_kernel, *biases, order=OF_KERAS[kind], transposed=True, **which)


def of_onnx(
    kind: str, W: ArrayLike, R: ArrayLike, B: ArrayLike | None = None, *, layer: int = 0, reverse: bool = False
) -> dict[str, Array]:
    """Return the parameters of an ONNX node RNN, LSTM or GRU, of both directions where it has two.

    W (D, G·H, I), R (D, G·H, H), B (D, 2·G·H), gates i o f c or z r h. `reverse`: the node's only direction is the
    reverse one. Its linear_before_reset is this library's reset_after, for both values with the same arrays.

    >>> sorted(of_onnx("RNN", np.ones((2, 4, 3)), np.ones((2, 4, 4))))
    ['weight_hh_l0', 'weight_hh_l0_reverse', 'weight_ih_l0', 'weight_ih_l0_reverse']
    """
    one_of("kind", kind, tuple(GATES))
    given = {"W": _real("W", W), "R": _real("R", R)} | ({} if B is None else {"B": _real("B", B)})
    directions = given["W"].shape[0] if given["W"].ndim else 0
    for name, array in given.items():
        axes = 2 if name == "B" else 3
        if array.ndim != axes or array.shape[0] != directions or directions not in ((1,) if reverse else (1, 2)):
            expected = "one direction" if reverse else "one or two directions, the same in all"
            raise ValueError(f"{name} has shape {array.shape}, expected {axes} axes, the first {expected}")
    found: dict[str, Array] = {}
    for d in range(directions):
        biases = np.array_split(given["B"][d], 2) if "B" in given else ()
        arrays = given["W"][d], given["R"][d], *biases
        found |= parameters(kind, *arrays, order=OF_ONNX[kind], layer=layer, reverse=reverse or d == 1)
    return found


def of_flax(kind: str, params: Mapping[str, Any], **which: Any) -> dict[str, Array]:
    """Return the parameters of a flax cell, of linen or as nested dicts of nnx: an array each gate.

    LSTMCell and OptimizedLSTMCell hold ii, if, ig, io and hi, hf, hg, ho, GRUCell ir, iz, in and hr, hz, hn (its reset
    gate applies after the product), SimpleCell i and h; each {"kernel": (inputs, H)} and, in some, "bias" (H,). Gates
    without a bias have zeros here where others have one. `which`: layer and reverse, as in `parameters`.

    >>> cell = {"i": {"kernel": np.ones((3, 4)), "bias": np.ones(4)}, "h": {"kernel": np.ones((4, 4))}}
    >>> of_flax("RNN", cell)["bias_hh_l0"]
    array([0., 0., 0., 0.])
    """
    one_of("kind", kind, tuple(GATES))
    gates = "" if kind == "RNN" else GATES[kind]
    sides = [[side + gate for gate in gates] or [side] for side in "ih"]
    if set(params) != {name for side in sides for name in side}:
        expected = ", ".join(name for side in sides for name in side)
        raise ValueError(f"params has {', '.join(map(str, params))}, expected those of an {kind}: {expected}")
    weights, biases = [], []
    for names in sides:
        kernels = [_real(f"{name}.kernel", params[name]["kernel"]) for name in names]
        weights.append(np.concatenate(kernels, axis=1))
        width, found = kernels[0].shape[1], [params[name].get("bias") for name in names]
        blank = np.zeros(width, kernels[0].dtype)
        whole_bias = np.concatenate([blank if bias is None else _real("bias", bias) for bias in found])
        biases.append(None if all(bias is None for bias in found) else whole_bias)
    return parameters(kind, *weights, *biases, transposed=True, **which)


def of_nam(matrix: ArrayLike, bias: ArrayLike, **which: Any) -> dict[str, Array]:
    """Return the parameters of one LSTM layer of Neural Amp Modeler: matrix (4H, I + H), bias (4H,), gates i f g o.

    >>> of_nam(np.ones((8, 3)), np.ones(8))["weight_hh_l0"].shape
    (8, 2)
    """
    both, total = _real("matrix", matrix), _real("bias", bias)
    hidden = len(total) // 4 if total.ndim else 0
    if both.ndim != 2 or total.shape != both.shape[:1] or both.shape[1] <= hidden:
        raise ValueError(f"matrix has shape {both.shape}, bias {total.shape}, expected (4H, I + H) and (4H,)")
    inputs = both.shape[1] - hidden
    return parameters("LSTM", both[:, :inputs], both[:, inputs:], total, **which)
