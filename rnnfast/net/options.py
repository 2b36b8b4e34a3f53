"""The options of a net as its constructor takes them: what its repr shows, and what files keep to compare."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, Literal, get_args

from rnnfast.checks.values import one_of, truth, whole
from rnnfast.net.description import Net

Nonlinearity = Literal["tanh", "relu", "linear"]
VARIANTS: dict[str, dict[str, Any]] = {
    "rnn_tanh": {"nonlinearity": "tanh"},
    "rnn_relu": {"nonlinearity": "relu"},
    "rnn_linear": {"nonlinearity": "linear"},
    "lstm": {},
    "lstm_proj": {"proj_size": None},
    "gru": {"reset_after": True},
    "gru_before": {"reset_after": False},
}
"""The option by which a constructor chooses each cell, None for a size. The same parameters compute something else in
another cell."""
OF_CELLS = ("input_size", "hidden_size", "bias")
NOT_IN_FILES = "name", "cell", "dtype", "one_step", "proj_size", "precision"
OF_SEQUENCES = tuple(f.name for f in fields(Net) if f.name not in NOT_IN_FILES)
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Net) if f.default is not MISSING} | {
    "nonlinearity": "tanh",
    "reset_after": True,
    "dtype": "float32",
    "backend": None,
}
"""What arguments of the constructors are where they are left out."""


def rnn_cell(nonlinearity: Nonlinearity) -> str:
    """Return the name of the RNN cell with this activation. Raises ValueError if there is none."""
    one_of("nonlinearity", nonlinearity, get_args(Nonlinearity))
    return f"rnn_{nonlinearity}"


def gru_cell(reset_after: bool) -> str:
    """Return the name of the GRU cell whose reset gate applies after, or before, the recurrent product."""
    return "gru" if truth("reset_after", reset_after) else "gru_before"


def lstm_cell(proj_size: Any) -> str:
    """Return the name of the LSTM cell whose h is projected to so many numbers or, for 0, has those that c has."""
    return "lstm_proj" if whole("proj_size", proj_size, lowest=0) else "lstm"


def options_of(net: Net) -> dict[str, Any]:
    """Return the arguments of the constructor but for dtype, backend and those of initial values.

    >>> options_of(Net("GRUCell", "gru_before", 3, 4, one_step=True))
    {'input_size': 3, 'hidden_size': 4, 'bias': True, 'reset_after': False}
    """
    options = {name: getattr(net, name) for name in (OF_CELLS if net.one_step else OF_SEQUENCES)}
    chosen = VARIANTS[net.cell]
    return options | {name: getattr(net, name) if value is None else value for name, value in chosen.items()}


def constructor_call(net: Net, backend: str | None = None) -> str:
    """Return the call that makes such a net, with the options that differ from their defaults.

    >>> constructor_call(Net("RNN", "rnn_relu", 3, 4, num_layers=2))
    "RNN(3, 4, num_layers=2, nonlinearity='relu')"
    """
    options = options_of(net) | {"dtype": net.dtype.name, "precision": net.precision, "backend": backend}
    sizes = [str(options.pop(name)) for name in ("input_size", "hidden_size")]
    return f"{net.name}({', '.join([*sizes, *(f'{k}={v!r}' for k, v in options.items() if v != DEFAULTS[k])])})"
