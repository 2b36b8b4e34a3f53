"""Keras's cells as nets of ours: which of them compute what one of ours does, and their options."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np

from rnnfast.net.description import Net
from rnnfast.net.options import gru_cell

Cell = Any
"""A cell of Keras's."""
KINDS = {keras.layers.LSTMCell: "LSTM", keras.layers.GRUCell: "GRU", keras.layers.SimpleRNNCell: "RNN"}
"""What is served, these very classes; those made from them may compute something else."""
OF_RNN = {
    keras.activations.tanh: "rnn_tanh",
    keras.activations.relu: "rnn_relu",
    keras.activations.linear: "rnn_linear",
}
DTYPES = ("float32", "float64")
NETS_KEPT = 64
_NETS: dict[tuple[Any, ...], Net] = {}
"""By what they are made of: making one takes as long as a small net's call. A functools.cache compilers warn of."""


def cell_of(cell: Cell) -> str | None:
    """Return the name of our cell that computes what a cell of Keras's does, None where there is none.

    >>> cell_of(keras.layers.GRUCell(3)), cell_of(keras.layers.LSTMCell(3, activation="relu"))
    ('gru', None)
    """
    kind = KINDS.get(type(cell))
    if kind == "RNN":
        return OF_RNN.get(cell.activation)
    gates = keras.activations.sigmoid, keras.activations.tanh
    if kind is None or (cell.recurrent_activation, cell.activation) != gates:
        return None
    return "lstm" if kind == "LSTM" else gru_cell(bool(cell.reset_after))


def against(cell: Cell) -> str | None:
    """Return why no net of ours computes what a cell does, None where one does.

    >>> against(keras.layers.GRUCell(3, recurrent_activation="hard_sigmoid"))
    'its activation is tanh, its recurrent_activation hard_sigmoid, a GRUCell of tanh and sigmoid is served'
    """
    kind = type(cell).__name__
    if type(cell) not in KINDS:
        return f"its cell is a {kind}, served are {', '.join(served.__name__ for served in KINDS)}"
    if cell_of(cell) is None:
        said = f"its activation is {_name(cell.activation)}"
        if type(cell) is keras.layers.SimpleRNNCell:
            return f"{said}, a {kind} of tanh, relu or linear is served"
        said += f", its recurrent_activation {_name(cell.recurrent_activation)}"
        return f"{said}, a {kind} of tanh and sigmoid is served"
    if cell.compute_dtype not in DTYPES or cell.variable_dtype != cell.compute_dtype:
        said = f"it computes in {cell.compute_dtype} with weights of {cell.variable_dtype}"
        return f"{said}, float32 and float64 are served"
    return None


def net_of(cell: Cell, ours: str, inputs: int, masked_output: Literal["zero", "hold"]) -> Net:
    """Return the net of one layer, batch first, that a cell is by the name of our cell."""
    form = KINDS[type(cell)], ours, inputs, cell.units, bool(cell.use_bias), masked_output, cell.compute_dtype
    net = _NETS.get(form)
    if net is None:
        if len(_NETS) >= NETS_KEPT:
            _NETS.clear()
        net = _NETS[form] = Net(
            KINDS[type(cell)],
            ours,
            inputs,
            cell.units,
            bias=bool(cell.use_bias),
            batch_first=True,
            masked_output=masked_output,
            dtype=np.dtype(cell.compute_dtype),
        )
    return net


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
