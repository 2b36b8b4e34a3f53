"""The parts that a file tells of, made of its options and arrays: nothing is made before the two fit each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import rnnfast.modules.sequences as nets
from rnnfast.checks.values import float_dtype, one_of, truth, whole
from rnnfast.net.description import Net
from rnnfast.net.loading import LEARNED
from rnnfast.net.narrow import WEIGHTS, widened
from rnnfast.net.options import OF_SEQUENCES, gru_cell, lstm_cell, rnn_cell
from rnnfast.net.saved import Part
from rnnfast.nn import part_states
from rnnfast.nn.activation import Activation
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.steps import Last, Masking, Reverse
from rnnfast.problem import Array

KINDS: dict[str, Callable[..., Any]] = {
    "RNN": nets.RNN,
    "LSTM": nets.LSTM,
    "GRU": nets.GRU,
    "Linear": Linear,
    "Embedding": Embedding,
    "activation": Activation,
    "Masking": Masking,
    "Reverse": Reverse,
    "Last": Last,
}
"""What a file calls the parts."""
RECURRENT = {"RNN": ("nonlinearity",), "LSTM": ("proj_size",), "GRU": ("reset_after",)}
"""The options that a recurrent kind has beside those of all."""
NEEDED = {
    **dict.fromkeys(RECURRENT, ("input_size", "hidden_size")),
    "Linear": ("in_features", "out_features"),
    "Embedding": ("num_embeddings", "embedding_dim"),
    "activation": ("function",),
    "Masking": ("value",),
    "Reverse": (),
    "Last": (),
}
"""Options that a file must tell."""
MAY_HAVE = {
    **{kind: (*OF_SEQUENCES, *own, "dtype", "weights") for kind, own in RECURRENT.items()},
    "Linear": ("bias", "dtype"),
    "Embedding": ("dtype",),
    "activation": (),
    "Masking": (),
    "Reverse": (),
    "Last": (),
}
"""Those that it may; the arrays say which dtype there is."""
BARE = ("activation", "Masking", "Reverse", "Last")
"""Kinds that have no arrays."""


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Turn errors about values into ValueErrors that say where in which file these stand."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from error


def made(part: Part, arrays: Mapping[str, Array], backend: str | None) -> tuple[Any, Any]:
    """Return a part of a file with these arrays, and its learned state, None where there is none.

    Raises ValueError or TypeError where its options and arrays do not fit.
    """
    kind, options, own = part["kind"], dict(part["options"]), _own(part["name"], arrays)
    _check_options(kind, options)
    if kind in BARE:
        _check_shapes(own, {})
        return KINDS[kind](**options), None
    weights = None
    if "weights" in options:
        one_of("weights", weights := options.pop("weights"), WEIGHTS)
        own = widened(own, weights)
    first = own.get("weight_ih_l0" if kind in RECURRENT else "weight")
    if first is None:
        raise ValueError(f"no weights: weight{'_ih_l0' * (kind in RECURRENT)} is missing")
    dtype = float_dtype(first.dtype)
    if options.get("dtype", dtype.name) != dtype.name:
        raise ValueError(f"the options say dtype={options['dtype']!r}, but its weights are {dtype.name}")
    options["dtype"] = dtype
    state = None
    if kind in RECURRENT:
        net = _net(kind, options)
        if net.num_layers > len(own):
            raise ValueError(f"num_layers is {net.num_layers}, but there are only {len(own)} arrays")
        shapes, state = net.shapes, _learned(own, net)
        options["backend"] = backend
    else:
        rows, columns = (whole(name, options[name]) for name in NEEDED[kind])
        shapes = {"weight": (rows, columns)}
        if kind == "Linear":
            shapes = {"weight": (columns, rows)} | (
                {"bias": (columns,)} if truth("bias", options.get("bias", True)) else {}
            )
    _check_shapes({name: array for name, array in own.items() if kind not in RECURRENT or name not in LEARNED}, shapes)
    found = KINDS[kind](**options)
    found.load_state_dict({name: own[name] for name in shapes})
    return found if weights is None else found.freeze(weights), state


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Raise ValueError for a kind or options that nobody knows, and where some are missing."""
    if kind not in KINDS:
        raise ValueError(f"holds a part of kind {kind!r}, expected {', '.join(KINDS)}")
    known = dict.fromkeys((*NEEDED[kind], *MAY_HAVE[kind]))
    if missing := [name for name in NEEDED[kind] if name not in options]:
        raise ValueError(f"the options of this {kind} lack {', '.join(missing)}")
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"this {kind} has the options {', '.join(unknown)}, expected none but {', '.join(known)}")


def _net(kind: str, options: Mapping[str, Any]) -> Net:
    """Return the description of a recurrent part."""
    sizes = {name: value for name, value in options.items() if name not in RECURRENT[kind]}
    if kind == "RNN":
        return Net(kind, rnn_cell(options.get("nonlinearity", "tanh")), **sizes)
    if kind == "GRU":
        return Net(kind, gru_cell(options.get("reset_after", True)), **sizes)
    proj_size = options.get("proj_size", 0)
    return Net(kind, lstm_cell(proj_size), **sizes, proj_size=proj_size)


def _own(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of a part, by what stands behind the first dot of their names; of one without a name, all."""
    found = {}
    for key, array in arrays.items():
        part, dot, own = key.partition(".")
        if (part if dot else "") == name:
            found[own if dot else key] = array
    return found


def _check_shapes(own: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError that lists what is missing, has another shape than the options say or is too much."""
    faults = [
        f"missing {name}" if name not in own else f"{name} has shape {own[name].shape}, expected {shape}"
        for name, shape in shapes.items()
        if name not in own or own[name].shape != shape
    ]
    faults += [f"unexpected {name}" for name in own if name not in shapes]
    if faults:
        raise ValueError("arrays and options do not fit: " + "; ".join(faults))


def _learned(own: Mapping[str, Array], net: Net) -> Any:
    """Return the learned state of a recurrent part, None where the file has none."""
    of_net = LEARNED[: len(net.states)]
    if other := [name for name in LEARNED if name in own and name not in of_net]:
        raise ValueError(f"there is an initial state {other[0]}, a {net.name} has {', '.join(of_net)} alone")
    found = [own.get(name) for name in of_net]
    if all(array is None for array in found):
        return None
    state = tuple(found) if len(found) > 1 else found[0]
    part_states.learned("the initial state", state, net)
    return state
