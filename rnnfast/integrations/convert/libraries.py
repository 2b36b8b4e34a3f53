"""One layer of Keras, RTNeural, ONNX or Neural Amp Modeler: what its arrays are, and in which order its gates come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnfast.checks.values import one_of
from rnnfast.integrations.convert.layer import GATES, parameters, real
from rnnfast.problem import Array

OF_KERAS = {"RNN": "h", "LSTM": "ifgo", "GRU": "zrn"}
"""Keras's and RTNeural's, which call g the cell c and n the candidate h."""
OF_ONNX = {"RNN": "h", "LSTM": "iofg", "GRU": "zrn"}
"""Of the ONNX operators, which call g the cell c and n the hidden gate h."""


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
    given = {"W": real("W", W), "R": real("R", R)} | ({} if B is None else {"B": real("B", B)})
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


def of_nam(matrix: ArrayLike, bias: ArrayLike, **which: Any) -> dict[str, Array]:
    """Return the parameters of one LSTM layer of Neural Amp Modeler: matrix (4H, I + H), bias (4H,), gates i f g o.

    >>> of_nam(np.ones((8, 3)), np.ones(8))["weight_hh_l0"].shape
    (8, 2)
    """
    both, total = real("matrix", matrix), real("bias", bias)
    hidden = len(total) // 4 if total.ndim else 0
    if both.ndim != 2 or total.shape != both.shape[:1] or both.shape[1] <= hidden:
        raise ValueError(f"matrix has shape {both.shape}, bias {total.shape}, expected (4H, I + H) and (4H,)")
    inputs = both.shape[1] - hidden
    return parameters("LSTM", both[:, :inputs], both[:, inputs:], total, **which)
