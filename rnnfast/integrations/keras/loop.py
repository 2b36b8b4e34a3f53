"""The loop over the steps that accelerated layers have: ours where a call is served, else Keras's own."""

from __future__ import annotations

import weakref
from typing import Any

import keras
from keras import ops, tree

from rnnfast.backends.c import backend as c
from rnnfast.integrations.keras import cells

Layer = Any
"""A recurrent layer of Keras's."""
BACKENDS = ("numpy", "torch")
LOOPS = [kind.inner_loop for kind in (keras.layers.RNN, keras.layers.LSTM, keras.layers.GRU)]
"""Keras's own loops, which do the same in several ways."""


class Loop:
    """The loop of one layer, which it does not keep alive.

    >>> from rnnfast.integrations.keras import accelerate
    >>> layer = accelerate(keras.layers.GRU(4))
    >>> type(layer.inner_loop).__name__, tuple(layer(np.ones((2, 5, 3))).shape)
    ('Loop', (2, 4))
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = weakref.ref(layer)
        if keras.backend.backend() == "torch":
            from rnnfast.integrations.keras.on_torch import Run
        else:
            from rnnfast.integrations.keras.on_numpy import Run  # type: ignore[assignment]
        self._run = Run()

    def __call__(self, sequences: Any, initial_state: Any, mask: Any = None, training: Any = False) -> Any:
        """Return the last output (B, H), all outputs (B, T, H) and the list of states, each (B, H)."""
        layer = self.layer()
        if layer is None:
            raise RuntimeError("the layer that this loop was made for is gone")
        flags = tree.flatten(mask)[0] if mask is not None else None
        states = initial_state if type(initial_state) in (list, tuple) else tree.flatten(initial_state)
        ours = None if _against_now(layer) or (training and _is_dropped_here(layer.cell)) else cells.cell_of(layer.cell)
        run = self._run
        if ours is None or (layer.unroll and flags is not None) or not run.takes(layer.cell, sequences, states, flags):
            return type(layer).inner_loop(layer, sequences, initial_state, mask=mask, training=training)
        if training and layer.cell.dropout > 0:
            sequences = sequences * ops.expand_dims(layer.cell.get_dropout_mask(sequences[:, 0, :]), axis=1)
        net = cells.net_of(layer.cell, ours, sequences.shape[-1], "zero" if layer.zero_output_for_mask else "hold")
        return run(net, layer.cell, sequences, states, flags, layer.go_backwards)


def against(layer: Layer) -> str | None:
    """Return why a recurrent layer's calls cannot run here, whatever they are; None where they can.

    >>> against(keras.layers.RNN(keras.layers.StackedRNNCells([keras.layers.GRUCell(2)])))
    'its cell is a StackedRNNCells, served are LSTMCell, GRUCell, SimpleRNNCell'
    """
    if (name := keras.backend.backend()) not in BACKENDS:
        return f"Keras runs on its {name} backend, on {' and '.join(BACKENDS)} layers are served"
    return c.reason() or _against_now(layer)


def _against_now(layer: Layer) -> str | None:
    """Return what speaks against a layer that may have changed since it was accelerated; compilers look into it."""
    if type(layer).inner_loop not in LOOPS:
        return f"its class, {type(layer).__name__}, has an inner_loop of its own"
    if getattr(layer, "use_cudnn", "auto") is True:
        return "it asks for cuDNN, use_cudnn=True"
    return cells.against(layer.cell)


def restricted(layer: Layer) -> str | None:
    """Return which calls of a layer that is served are Keras's own, None where there are none.

    >>> restricted(keras.layers.GRU(3, recurrent_dropout=0.5))
    "in training its dropout is Keras's own, of other masks for each gate or step; inference is served"
    """
    if _is_dropped_here(layer.cell):
        return "in training its dropout is Keras's own, of other masks for each gate or step; inference is served"
    if layer.unroll:
        return "with a mask its unrolled steps are Keras's own; calls without one are served"
    return None


def _is_dropped_here(cell: Any) -> bool:
    """Return whether a cell in training drops out something else than the same features of all steps for all gates."""
    return bool(cell.recurrent_dropout > 0 or (cell.dropout > 0 and _has_masks_of_gates(cell)) or cell.dropout >= 1)


def _has_masks_of_gates(cell: Any) -> bool:
    return getattr(cell, "dropout_mask_count", None) is not None
