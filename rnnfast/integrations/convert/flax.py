"""One cell of flax: an array each gate, or the gates side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnfast.checks.values import one_of
from rnnfast.integrations.convert.layer import GATES, parameters, real
from rnnfast.problem import Array


def of_flax(kind: str, params: Mapping[str, Any], **which: Any) -> dict[str, Array]:
    """Return the parameters of a flax cell, of linen or, as a pure dict, of nnx.

    An array each gate: LSTMCell holds ii, if (in nnx if_), ig, io and hi, hf, hg, ho, linen's GRUCell ir, iz, in and
    hr, hz, hn, its SimpleCell i and h; or the gates side by side in dense_i and dense_h, as most cells of nnx. Each is
    {"kernel": (inputs, H), "bias": (H,)}, some without a bias: zeros here where other gates have one. A GRUCell's reset
    gate applies after the product. `which`: layer and reverse, as in `parameters`.

    >>> cell = {"i": {"kernel": np.ones((3, 4)), "bias": np.ones(4)}, "h": {"kernel": np.ones((4, 4))}}
    >>> of_flax("RNN", cell)["bias_hh_l0"]
    array([0., 0., 0., 0.])
    """
    arrays = [_beside(gates, names) for names, gates in sides(kind, params)]
    (weight_ih, bias_ih), (weight_hh, bias_hh) = arrays
    return parameters(kind, weight_ih, weight_hh, bias_ih, bias_hh, transposed=True, **which)


def sides(kind: str, params: Mapping[str, Any]) -> list[tuple[list[str], list[Mapping[str, Any]]]]:
    """Return what holds the arrays for the input, and for the state, of a cell: names and gates, in our order of these.

    Raises ValueError where they are not those of one cell.

    >>> [names for names, _ in sides("LSTM", {"dense_i": {"kernel": 1}, "dense_h": {"kernel": 2}})]
    [['dense_i'], ['dense_h']]
    """
    one_of("kind", kind, tuple(GATES))
    given = {"if" if name == "if_" else name: params[name] for name in params}
    names = [[f"dense_{side}"] for side in "ih"]
    if "dense_i" not in given:
        names = [[side if kind == "RNN" else side + gate for gate in GATES[kind]] for side in "ih"]
    if set(given) != {name for side in names for name in side}:
        expected = ", ".join(name for side in names for name in side)
        raise ValueError(f"params has {', '.join(map(str, params))}, expected those of an {kind}: {expected}")
    return [(side, [given[name] for name in side]) for side in names]


def _beside(gates: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[Array, Array | None]:
    """Return the kernels of some gates side by side, and their biases, None where none has one."""
    kernels = [real(f"{name}.kernel", gate["kernel"]) for gate, name in zip(gates, names, strict=True)]
    if any(kernel.shape != kernels[0].shape or kernel.ndim != 2 for kernel in kernels):
        raise ValueError(f"{names[0]}.kernel has shape {kernels[0].shape}, expected two axes, the same in all gates")
    blank = np.zeros(kernels[0].shape[1], kernels[0].dtype)
    biases = [gate.get("bias") for gate in gates]
    found = [blank if bias is None else real("bias", bias) for bias in biases]
    return np.concatenate(kernels, axis=1), None if all(bias is None for bias in biases) else np.concatenate(found)
