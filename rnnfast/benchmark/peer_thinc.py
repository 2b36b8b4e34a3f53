"""thinc: the LSTM of its operations, without a backward, over sequences of one length that begin with zeros.

Only the operations are timed: padding and its removal around them, thinc's own, are the same for all.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from thinc.api import NumpyOps

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.benchmark.peer import Prepared
from rnnfast.problem import Array


def lacks(case: Case) -> str | None:
    """Say what else it lacks than an LSTM's forward in float32."""
    if case.cell != "lstm" or case.work != "forward" or case.dtype != "float32":
        return "has an LSTM of float32, whose backward gives zeros"
    return None if case.kind == "dense" and not case.call else "is timed on dense batches without a state"


def prepare(case: Case, data: Data, ops: Any = None) -> Prepared:
    """Make the arguments of a call. `ops`: the operations; None: NumpyOps."""
    state, shape = np.zeros((1, 1, case.hidden), np.float32), (case.steps, case.batch, case.hidden)
    rows, sizes = data.x.reshape(-1, case.inputs), np.full(case.steps, case.batch, np.int32)
    run = (ops or NumpyOps()).lstm_forward_inference
    return Prepared(partial(run, _joined(data.weights), state, state, rows, sizes), lambda y: {"y": y.reshape(shape)})


def _joined(weights: dict[str, Array]) -> Array:
    """Return parameters as thinc has them: one array, the rows of each by gates f i o g."""
    names = "weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0"
    gates = [np.split(weights[name], 4) for name in names]
    return np.concatenate([part.ravel() for i, f, g, o in gates for part in (f, i, o, g)])
