"""The repr of a module is the call that makes it again; constructors warn of dropout that does nothing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import BACKEND

import rnnfast

CLASSES = {name: getattr(rnnfast, name) for name in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")}
RATES = st.floats(0, 1, exclude_max=True)
OF_ALL: dict[str, Any] = {
    "bias": st.booleans(),
    "dtype": st.sampled_from(["float32", "float64", np.float64, np.dtype("float64")]),
    "backend": st.sampled_from([None, BACKEND, "reference"]),
}
OF_SEQUENCES: dict[str, Any] = OF_ALL | {
    "num_layers": st.integers(2, 3),
    "batch_first": st.booleans(),
    "dropout": RATES,
    "bidirectional": st.booleans(),
    "input_dropout": RATES,
    "recurrent_dropout": RATES,
    "masked_output": st.sampled_from(["zero", "hold"]),
}
OF_KINDS: dict[str, Any] = {
    "RNN": {"nonlinearity": st.sampled_from(["tanh", "relu", "linear"])},
    "GRU": {"reset_after": st.booleans()},
    "LSTM": {},
}


@given(name=st.sampled_from(sorted(CLASSES)), draw=st.data())
def test_the_repr_makes_the_same_net(name: str, draw: st.DataObject) -> None:
    options = (OF_ALL if name.endswith("Cell") else OF_SEQUENCES) | OF_KINDS[name.removesuffix("Cell")]
    sizes = draw.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    chosen = draw.draw(st.fixed_dictionaries({}, optional=options))
    if "num_layers" not in chosen:
        chosen.pop("dropout", None)  # which would warn
    net = CLASSES[name](*sizes, **chosen)
    again = eval(repr(net), dict(CLASSES))
    assert again.net == net.net and again.backend == net.backend and repr(again) == repr(net)


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (rnnfast.LSTM(5, 6, 2, bidirectional=True), "LSTM(5, 6, num_layers=2, bidirectional=True)"),
        (rnnfast.GRU(5, 6, reset_after=False, dtype="float64"), "GRU(5, 6, reset_after=False, dtype='float64')"),
        (rnnfast.RNN(5, 6, nonlinearity="relu"), "RNN(5, 6, nonlinearity='relu')"),
        (rnnfast.RNN(5, 6, nonlinearity="tanh", dtype=np.float32, seed=3), "RNN(5, 6)"),
        (rnnfast.GRUCell(5, 6, bias=False, backend="reference"), "GRUCell(5, 6, bias=False, backend='reference')"),
    ],
)
def test_only_what_differs_from_the_defaults_is_said(net: Any, expected: str) -> None:
    assert repr(net) == expected


@pytest.mark.parametrize("make", [rnnfast.RNN, rnnfast.LSTM, rnnfast.GRU])
def test_dropout_between_layers_that_are_not_there(make: Any) -> None:
    with pytest.warns(
        UserWarning, match=r"dropout=0.25 does nothing .* use input_dropout or recurrent_dropout"
    ) as found:
        net = make(3, 4, dropout=0.25)
    assert [warning.filename for warning in found] == [__file__]  # the caller's line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(3, 4, 2, dropout=0.25)
        make(3, 4, input_dropout=0.25, recurrent_dropout=0.25)
    assert net.net.dropout == 0.25
