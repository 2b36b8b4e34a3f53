"""Nets of thinc's sizes, whose parameters come with every call: one call forward, and its backward."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from rnnfast.arrays.host import dense
from rnnfast.backends.choose import select
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.prepared import INFERENCE, Engine, Prepared
from rnnfast.checks.arrays import DTYPES, check_shape, conversion
from rnnfast.integrations.thinc.kept import Kept
from rnnfast.integrations.thinc.rows import Rows
from rnnfast.integrations.thinc.weights import Placement
from rnnfast.net.brought import Brought
from rnnfast.net.description import Net
from rnnfast.problem import Array

NETS_KEPT = 64


class Recorded(NamedTuple):
    """A call that ran: what it read, and what it left for backward."""

    net: LSTMNet
    prepared: Prepared
    rows: Rows
    x: Array
    """(T, B, I)."""
    start: tuple[Array, Array]
    """Of h and c, (L·D, B, H)."""
    weights: Array | None
    """Parameters with the gates in the order of nets; None: the call had packed ones, and no backward."""
    reserve: Any
    """What the library left; None: backward was not asked for."""


class LSTMNet:
    """Prepared calls of one net. Any number of threads may use it at a time.

    >>> net = LSTMNet(Net("LSTM", "lstm", 3, 2))
    >>> zeros = np.zeros((1, 1, 2), np.float32)
    >>> y, _ = net.forward(0, np.ones(56, np.float32), (zeros, zeros), np.ones((4, 3), np.float32), np.array([2, 1, 1]))
    >>> y.shape
    (4, 2)
    """

    def __init__(self, net: Net) -> None:
        self.net, self.placement = net, Placement(net)
        self.engine = Engine(net, Brought(net), select("c"))
        self.kept = Kept(net, self.placement, self.engine.choice)

    def forward(
        self, how: int, params: Array, start: tuple[Array, Array], x: Array, size_at_t: Array
    ) -> tuple[Array, Recorded]:
        """Return y (N, D·H) of x (N, I), and the call. `start`: h and c (L, D, H). Raises ValueError as `Rows`."""
        net, rows = self.net, Rows(size_at_t, len(x))
        laid_out = rows.laid_out(x)
        shape = laid_out.shape
        packed = self.kept.packed(params) if how == INFERENCE else None
        weights = addresses = None
        if packed is None:
            weights = self.placement.exchanged(params)
            addresses = self.placement.addresses(weights)
        engine = packed or self.engine
        prepared = engine.forms.get((how, shape)) or engine.prepared(how, shape, net.layout(laid_out))
        h, c = (_repeated(part, prepared.state_shapes[0]) for part in start)
        y = np.empty(prepared.y_shape, net.dtype)
        arrays = ForwardArrays(laid_out, y, (h, c), (None, None), rows.lengths, dense=True, parameters=addresses)
        reserve = prepared.bound.run(arrays)
        return rows.taken(y), Recorded(self, prepared, rows, laid_out, (h, c), weights, reserve)

    def backward(self, call: Recorded, dy: Array) -> tuple[Array, Array]:
        """Return the gradients of x and of params from that of y, leaving the call as it is.

        Raises ValueError for another shape than y's, TypeError for another dtype.
        """
        net, rows = self.net, call.rows
        assert call.weights is not None  # as in every call that leaves a reserve
        _check_dtype("dY", dy, net.dtype)
        check_shape("dY", dy, (rows.count, net.output_size))
        dx, found = np.empty(call.x.shape, net.dtype), np.empty(self.placement.size, net.dtype)
        arrays = BackwardArrays(
            call.x,
            rows.laid_out(dy),
            (),
            dx,
            (),
            self.placement.parts(found),
            None,
            call.start,
            rows.lengths,
            dense=True,
            parameters=self.placement.addresses(call.weights),
        )
        call.prepared.bound.backward(call.reserve, arrays, keep=True)
        return rows.taken(dx), self.placement.exchanged(found)


def _repeated(state: Array, shape: tuple[int, ...]) -> Array:
    """Return a state (L, D, H) as one of every row, (L·D, B, H); of a single row it may be the state's own memory."""
    if shape[1] == 1:
        return dense(state.reshape(shape))
    found = np.empty(shape, state.dtype)
    found[:] = state.reshape(shape[0], 1, shape[2])
    return found


def net_for(params: Array, h: Array, c: Array, x: Array) -> LSTMNet:
    """Return the net of these arrays' sizes and dtype.

    Raises ValueError where they do not fit each other, TypeError where their dtypes differ or nets have no such.
    """
    if h.ndim != 3 or x.ndim != 2:
        raise ValueError(f"H0 has shape {h.shape} and X {x.shape}, expected (layers, directions, H) and (N, I)")
    if params.dtype not in DTYPES:
        raise TypeError(
            f"params has dtype {params.dtype.str!r}, expected float32 or float64 in this machine's byte order"
        )
    for name, array in (("H0", h), ("C0", c), ("X", x)):
        _check_dtype(name, array, params.dtype)
    net = _net(params.dtype, x.shape[1], *h.shape)
    check_shape("C0", c, h.shape)
    check_shape("params", params, (net.placement.size,))
    return net


def _check_dtype(name: str, array: Array, dtype: np.dtype[Any]) -> None:
    if array.dtype != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, params {dtype}, nothing is cast: {conversion(array, dtype)}")


@functools.lru_cache(maxsize=NETS_KEPT)
def _net(dtype: np.dtype[Any], inputs: int, layers: int, directions: int, hidden: int) -> LSTMNet:
    if directions not in (1, 2):
        raise ValueError(f"H0 has {directions} directions, expected 1 or 2")
    return LSTMNet(Net("LSTM", "lstm", inputs, hidden, layers, bidirectional=directions == 2, dtype=dtype))
