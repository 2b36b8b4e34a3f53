"""The operations that thinc's layers call."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from thinc.api import NumpyOps, registry

from rnnfast.arrays.host import as_array
from rnnfast.backends.choose import select
from rnnfast.calls.prepared import INFERENCE, RECORDED
from rnnfast.integrations.thinc.nets import Recorded, net_for
from rnnfast.problem import Array

STATE = "fwd_state is not what lstm_forward_training of these operations returned: run forward and backward on the same"


@registry.ops("RnnfastOps")
class RnnfastOps(NumpyOps):
    """thinc's NumpyOps with an LSTM of the C library, on as many threads as `rnnfast.set_num_threads` says.

    Arrays are NumPy's, all float32 as thinc's, or all float64; none is cast. `use_blis` as in NumpyOps. Inference keeps
    parameters that came again unchanged packed, and a copy to compare with, as long as the memory they came in lives.
    Raises RuntimeError where the C library cannot run.

    >>> RnnfastOps().lstm_forward_inference(
    ...     np.zeros(4 * 2 * (3 + 2 + 2), "f"), np.ones((1, 1, 2), "f"), np.zeros((1, 1, 2), "f"),
    ...     np.ones((4, 3), "f"), np.array([2, 1, 1]))[0]
    array([0.23105858, 0.23105858], dtype=float32)
    """

    name = "rnnfast"
    xp = np

    def __init__(self, device_type: Literal["cpu"] = "cpu", device_id: int = -1, *, use_blis: bool = True) -> None:
        select("c")
        super().__init__(device_type, device_id, use_blis=use_blis)

    def lstm_forward_training(
        self, params: Array, H0: Array, C0: Array, X: Array, size_at_t: Array
    ) -> tuple[Array, tuple[Recorded]]:
        """Return Y as `lstm_forward_inference`, and what `backprop_lstm` takes. Change no argument before that."""
        y, recorded = _run(RECORDED, params, H0, C0, X, size_at_t)
        return y, (recorded,)

    def lstm_forward_inference(self, params: Array, H0: Array, C0: Array, X: Array, size_at_t: Array) -> Array:
        """Return Y (N, D·H) of X (N, I), the rows of all steps, one step after another.

        Step t has rows of the first `size_at_t[t]` sequences (T,), of which none is longer than the one before it.
        `params`: all parameters as `weights.Placement` says. H0, C0 (L, D, H): states that every sequence begins with;
        as in thinc's own operations, cells begin with H0 and outputs with C0 (both are zero in thinc's LSTM).
        Raises ValueError for sizes that do not fit, TypeError for other dtypes than that of params.
        """
        y, _ = _run(INFERENCE, params, H0, C0, X, size_at_t)
        return y

    def backprop_lstm(
        self, dY: Array, lengths: Array, params: Array, fwd_state: tuple[Recorded]
    ) -> tuple[Array, Array]:
        """Return the gradients of X and of params, those of both biases included, from dY (N, D·H).

        `fwd_state` holds forward's arguments: `lengths` and `params`, which were size_at_t and params there, are not
        read. It serves any number of times. Raises as forward, TypeError for a fwd_state of other operations.
        """
        if not (isinstance(fwd_state, tuple) and len(fwd_state) == 1 and isinstance(fwd_state[0], Recorded)):
            raise TypeError(STATE)
        (recorded,) = fwd_state
        return recorded.net.backward(recorded, as_array("dY", dY))


def _run(how: int, params: Any, h: Any, c: Any, x: Any, size_at_t: Any) -> tuple[Array, Recorded]:
    named = {"params": params, "H0": h, "C0": c, "X": x, "size_at_t": size_at_t}
    params, h, c, x, sizes = (as_array(name, value) for name, value in named.items())
    return net_for(params, h, c, x).forward(how, params, (c, h), x, sizes)
