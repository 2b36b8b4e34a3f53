"""State dicts of whole PyTorch models: arrays by name, and the caller's word on what runs, in which order.

A state dict tells neither the order in which modules run nor what stands between them: activations, or whether an RNN
is one of tanh. So the caller names the parts, each by the name of its module in the file; a file of one LSTM or GRU
alone needs no word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rnnfast.integrations.content import Content
from rnnfast.integrations.json_values import shown
from rnnfast.net.description import Net
from rnnfast.net.options import VARIANTS
from rnnfast.net.saved import Part
from rnnfast.nn.activation import FUNCTIONS
from rnnfast.problem import CELLS, Array

CELL_OF = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn_tanh", "RNN_RELU": "rnn_relu"}
"""The cells of recurrent modules; torch.nn.RNN calls its two modes as here."""
LAYERS = {"Linear": ("out_features", "in_features"), "Embedding": ("num_embeddings", "embedding_dim")}
"""The sizes that the two axes of a layer's weight are."""
KINDS = (*CELL_OF, *LAYERS, *FUNCTIONS)


def content(arrays: Mapping[str, Array], parts: Mapping[str, str] | None, prefix: str = "") -> Content:
    """Return the parts whose arrays are called prefix + name + "." + parameter, in the order of `parts`: name to kind.

    Names outside of `prefix` are passed over. Kinds: `KINDS`; activations have no arrays, and any name. Raises
    ValueError for a kind that is none, arrays that belong to no part, and without `parts` where it takes them.

    >>> gru = rnnfast.GRU(2, 3).state_dict()
    >>> content(gru, None).parts[0]["options"]
    {'input_size': 2, 'hidden_size': 3, 'num_layers': 1, 'bias': True, 'bidirectional': False, 'reset_after': True}
    """
    own = {str(name).removeprefix(prefix): array for name, array in arrays.items() if str(name).startswith(prefix)}
    if not own:
        raise ValueError(f"no array's name begins with {prefix!r}: there are {_some(arrays)}")
    found = _modules(own)
    if parts is None:
        parts = _only(found)
    described: list[Part] = []
    named: dict[str, Array] = {}
    for module, kind in parts.items():
        if kind not in KINDS:
            raise ValueError(f"part {module!r} is said to be of kind {kind!r}, expected one of {', '.join(KINDS)}")
        name, below = module.replace(".", "_"), f"{module}." if module else ""
        if kind in FUNCTIONS:
            described.append({"name": name, "kind": "activation", "options": {"function": kind}})
            continue
        theirs = {key.removeprefix(below): own.pop(key) for key in [*own] if key.startswith(below)}
        described.append(_part(name, kind, theirs, f"{prefix}{below}"))
        named |= {f"{name}.{key}" if name else key: array for key, array in theirs.items()}
    if own:
        raise ValueError(f"{_some(prefix + name for name in own)} belong to none of the parts that were named")
    return Content("PyTorch", described, named)


def _part(name: str, kind: str, arrays: Mapping[str, Array], place: str) -> Part:
    """Return what the arrays of one module say that it is. Raises ValueError where they are not those of its kind."""
    for needed in ("weight_hh_l0", "weight_ih_l0") if kind in CELL_OF else ("weight",):
        if needed not in arrays or arrays[needed].ndim != 2:
            came = f"is of shape {arrays[needed].shape}" if needed in arrays else "is missing"
            raise ValueError(f"{place}{needed} {came}, expected the two axes of a {kind}'s weight")
    if kind in CELL_OF:
        cell = "lstm_proj" if kind == "LSTM" and "weight_hr_l0" in arrays else CELL_OF[kind]
        found = sizes(cell, arrays, place)
        options = found | VARIANTS[cell] | found  # a size that chooses the cell is no variant's own
        net_options = {key: value for key, value in options.items() if key not in VARIANTS[CELL_OF[kind]]}
        names = list(Net(kind, cell, **net_options).shapes)
        described: Part = {"name": name, "kind": kind.partition("_")[0], "options": options}
    else:
        options = dict(zip(LAYERS[kind], arrays["weight"].shape, strict=True))
        names = ["weight", "bias"] if kind == "Linear" else ["weight"]
        if kind == "Linear":
            options["bias"] = "bias" in arrays
        described = {"name": name, "kind": kind, "options": options}
    if beyond := [key for key in arrays if key not in names]:
        raise ValueError(f"{_some(place + key for key in beyond)}: no parameters of a {kind} that is supported")
    return described


def sizes(cell: str, arrays: Mapping[str, Array], place: str) -> dict[str, Any]:
    """Return the sizes and options that one net's parameters tell. Raises ValueError where weight_hh_l0 fits no H.

    >>> sizes("gru", rnnfast.GRU(2, 3).state_dict(), "")["hidden_size"]
    3
    """
    rows, columns = arrays["weight_hh_l0"].shape
    gates, projects = len(CELLS[cell].gates), CELLS[cell].projects
    hidden = rows // gates if projects else columns
    if rows != gates * hidden or not hidden or not columns:
        expected = f"({gates} · H, {'P' if projects else 'H'})"
        raise ValueError(f"{place}weight_hh_l0 has shape {(rows, columns)}, expected {expected}")
    return ({"proj_size": columns} if projects else {}) | {
        "input_size": arrays["weight_ih_l0"].shape[1],
        "hidden_size": hidden,
        "num_layers": sum(key.startswith("weight_hh_l") and not key.endswith("_reverse") for key in arrays),
        "bias": "bias_ih_l0" in arrays,
        "bidirectional": "weight_hh_l0_reverse" in arrays,
    }


def _modules(arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return the modules that arrays may belong to, and what they look like."""
    found: dict[str, str] = {}
    for name, array in arrays.items():
        module, dot, parameter = name.rpartition(".")
        if parameter == "weight_hh_l0" and array.ndim == 2:
            gates = array.shape[0] // max(array.shape[1], 1)
            projects = f"{module}{dot}weight_hr_l0" in arrays
            found[module] = "LSTM" if projects else {4: "LSTM", 3: "GRU"}.get(gates, "RNN_TANH")
        elif parameter == "weight" and array.ndim == 2:
            found[module] = "Linear"
    return found


def _only(found: Mapping[str, str]) -> Mapping[str, str]:
    """Return the one net that a file holds. Raises ValueError where there are others, or it may be several things."""
    if len(found) == 1 and next(iter(found.values())) in ("LSTM", "GRU"):
        return found
    advice = "name the parts in the order in which they run, with activations where the model has them"
    words = ",".join(f"{shown(module)}={kind}" for module, kind in found.items())
    example = f", such as parts={dict(found)} or --parts {words}" if found else ""
    raise ValueError(f"the file does not tell what its arrays belong to: {advice}{example}")


def _some(names: Iterable[str]) -> str:
    listed = [shown(str(name)) for name in names]
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
