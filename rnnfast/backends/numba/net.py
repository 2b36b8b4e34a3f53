"""A whole net on the Numba CPU backend: its layers and directions in turn, on flat rows of live steps between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnfast.backends.numba.dropout import Dropout
from rnnfast.backends.numba.entries import Entries
from rnnfast.backends.numba.layer import Layer
from rnnfast.backends.numba.reserves import Reserve
from rnnfast.backends.numba.scratch import scratch
from rnnfast.backends.numba.stages import ADD, ADD_INPUT, BIAS, INPUT, LOOP, W_HH, W_IH
from rnnfast.problem import Array, Problem

NO_NORMS = np.empty((0, 2))


class Wanted(NamedTuple):
    """Gradients to be written, or no array."""

    dx: Array | None
    """(entries, I), flat."""
    parameters: Sequence[Array] | None
    """Of every layer and direction as many as it has parameters."""
    norms: Array | None
    what: int
    """ADD, ADD_INPUT or both: what is added to."""
    keep: bool
    """The reserve serves again."""


class Net:
    """The layers and directions of a prepared call."""

    def __init__(self, problem: Problem, layers: Sequence[Sequence[Layer]]) -> None:
        """`layers`: for every layer its directions."""
        self.layers, self.top = layers, len(layers) - 1
        self.none = np.empty(0, problem.dtype)
        self.no_gradients: tuple[Array, ...] = (self.none.reshape(0, 0),) * 2 + (self.none,) * 2

    def forward(
        self,
        entries: Entries,
        cuts: Sequence[Array],
        x: Array,
        states: Sequence[Array],
        output: Array | None,
        dropout: Dropout | None,
        reserve: Reserve | None,
    ) -> list[Array]:
        """Return h' of every entry of each direction of the top layer, written to `output` if given; fill the reserve.

        `states`: h0, c0, h_n, c_n, flat or empty. x is flat, too, as is all that passes from layer to layer.
        """
        rows, outputs, mask = x, [x], None
        for number, layers in enumerate(self.layers):
            if number:
                rows = outputs[0] if len(outputs) == 1 else _side_by_side(outputs, entries.count)
            if dropout is not None:
                mask = dropout.on_input(number, layers[0].sizes.inputs, entries)
                rows = times(rows, mask)
            outputs = []
            for half, layer in enumerate(layers):
                h_after = output
                if h_after is None or number < self.top:
                    h_after = np.empty(entries.count * layer.hidden, layer.dtype)
                numbers = layer.forward(entries, cuts[half], rows, states, h_after, dropout)
                outputs.append(h_after)
                if reserve is not None and numbers is not None:
                    reserve.numbers.append(numbers)
            if reserve is not None:
                reserve.x_masks.append(mask)
                reserve.inputs.append(rows if number else self.none)
        return outputs

    def backward(
        self, reserve: Reserve, x: Array, d_outputs: Sequence[Array], states: Sequence[Array], wanted: Wanted
    ) -> None:
        """Go back through all layers. `d_outputs`: of each direction of the top layer, flat or empty.

        `states`: dh_n, dc_n, flat or empty, and dh0, dc0, to be written.
        """
        entries = reserve.entries
        for number in reversed(range(len(self.layers))):
            layers, rows, dx = self.layers[number], reserve.inputs[number], wanted.dx
            if number:
                dx = np.empty(rows.size, self.none.dtype)
            else:
                rows = times(x, reserve.x_masks[0])
            for half, layer in enumerate(layers):
                what = LOOP | wanted.what & ADD | (0 if dx is None else INPUT)
                if half or (number == 0 and wanted.what & ADD_INPUT):
                    what |= ADD_INPUT
                passed = reserve.cuts[half], rows, d_outputs[half], *states, self.none if dx is None else dx
                self._backward(layer, reserve, passed, wanted, what)
            if number and dx is not None:
                d_outputs = _apart(times(dx, reserve.x_masks[number]), entries.count, len(d_outputs))

    def _backward(self, layer: Layer, reserve: Reserve, passed: Sequence[Array], wanted: Wanted, what: int) -> None:
        """Go back through one layer and direction; `passed`: the arrays that its kernel takes before the numbers."""
        k, gradients, norms = layer.sizes.k, self.no_gradients, NO_NORMS
        if wanted.parameters is not None:
            each = len(wanted.parameters) // len(reserve.numbers)
            gradients = (*wanted.parameters[k * each : (k + 1) * each], *self.no_gradients[each:])
            what |= W_IH | W_HH | (BIAS if each > 2 else 0)
        if wanted.norms is not None:
            norms = np.zeros((reserve.entries.count, 2))
        numbers = reserve.numbers[k]
        if wanted.keep:  # its gates become their gradients
            numbers, kept = scratch("gradients", numbers.size, numbers.dtype), numbers
            numbers[:] = kept
        layer.backward(reserve.entries, what, (*passed, numbers, *gradients, norms))
        if wanted.norms is not None:
            wanted.norms[:, k] = np.sqrt(reserve.entries.sums(norms))


def times(rows: Array, mask: Array | None) -> Array:
    """Return a layer's input, or its gradient, flat, under dropout if there is any."""
    if mask is None:
        return rows
    with np.errstate(all="ignore"):
        product: Array = rows * mask.reshape(-1)
    return product


def _side_by_side(outputs: Sequence[Array], entries: int) -> Array:
    """Return the rows of two directions as one."""
    joined: Array = np.concatenate([a.reshape(entries, a.size // max(entries, 1)) for a in outputs], axis=1).reshape(-1)
    return joined


def _apart(rows: Array, entries: int, directions: int) -> list[Array]:
    """Return the part of each direction of flat rows."""
    if directions == 1:
        return [rows]
    halves = rows.reshape(entries, directions, rows.size // max(entries, 1) // directions)
    return [np.ascontiguousarray(halves[:, half]).reshape(-1) for half in range(directions)]
