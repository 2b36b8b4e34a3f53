"""Models from Keras's files: .keras, which tells its layers, and .weights.h5, which tells arrays alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnfast.integrations import state_dicts
from rnnfast.integrations.content import Content
from rnnfast.integrations.convert import of_keras
from rnnfast.integrations.json_values import shown
from rnnfast.integrations.keras.architecture import layers_of
from rnnfast.integrations.keras.archive import opened
from rnnfast.integrations.keras.layers import Parts
from rnnfast.integrations.keras.weights import Weights
from rnnfast.problem import Array

KINDS = {4: "LSTM", 3: "GRU", 1: "RNN"}
"""Recurrent layers by their number of gates."""
MOST_DEEP, MOST_GROUPS = 8, 4096
"""Groups within groups that are looked into, and groups at all: in a hostile file they go round in circles."""


def content(path: str) -> Content:
    """Return what a .keras file holds. Raises ValueError that names the layer or place, ImportError without h5py."""
    model, data = opened(path)
    layers = layers_of(model)
    with Weights(data) as weights:
        found = Parts(weights)
        for layer in layers:
            found.add(layer)
    if not found.parts:
        raise ValueError("the model has no layer that computes anything")
    return Content("Keras", found.parts, found.arrays, found.conversions)


def weights_content(path: str, parts: Mapping[str, str] | None, prefix: str = "") -> Content:
    """Return what a .weights.h5 holds, the caller saying what runs: `parts`, by the names of the layers, as in
    `state_dicts`; one LSTM or GRU alone needs no word.

    Every part gives the outputs of all steps. Raises ValueError as there, and that names the place of what is damaged;
    ImportError without h5py.
    """
    with Weights(path) as weights:
        if "model_weights" in weights.names():
            raise ValueError("is of Keras's format before .keras: load it in Keras and save it as .keras")
        groups: dict[str, str] = {}
        _collect(weights, "", groups, [])
        arrays, before = dict[str, Array](), set[str]()
        for name, group in groups.items():
            kind = None if parts is None else parts.get(name.removeprefix(prefix))
            arrays |= {f"{name}.{key}": array for key, array in _layer(weights, name, group, kind, before).items()}
    found = state_dicts.content(arrays, parts, prefix)
    single = {name.removeprefix(prefix).replace(".", "_") for name in before}
    for part in found.parts:
        if part["kind"] == "GRU":
            part["options"]["reset_after"] = part["name"] not in single
    return Content("Keras", found.parts, found.arrays)


def _collect(weights: Weights, group: str, found: dict[str, str], seen: list[str]) -> None:
    """Add the groups of the layers that have arrays, by the layers' names."""
    seen.append(group)
    if group.count("/") > MOST_DEEP or len(seen) > MOST_GROUPS:
        raise ValueError(f"{shown(group)} is one group too many: {MOST_GROUPS} are read, {MOST_DEEP} in each other")
    inside = [f"{group}/{name}" if group else name for name in weights.names(group)]
    groups = [place for place in inside if weights.is_group(place)]
    own = f"{group}/vars"
    directions = {f"{group}/forward_layer", f"{group}/backward_layer"} <= set(groups)
    if directions or f"{group}/cell" in groups or (own in groups and weights.names(own)):
        name = weights.said_name(group) or group.rpartition("/")[2]
        if name in found:
            raise ValueError(f"two layers are called {shown(name)}: {found[name]} and {group}")
        found[name] = group
        return
    for place in groups:
        if place != own:
            _collect(weights, place, found, seen)


def _layer(weights: Weights, name: str, group: str, kind: str | None, before: set[str]) -> dict[str, Array]:
    """Return the arrays of a layer as PyTorch would have them; `before`: gets the GRUs of reset_after=False."""
    if weights.is_group(f"{group}/cell"):
        return _recurrent(weights, name, f"{group}/cell", before, reverse=False)
    if weights.is_group(f"{group}/forward_layer"):
        forward = _recurrent(weights, name, f"{group}/forward_layer/cell", before, reverse=False)
        return forward | _recurrent(weights, name, f"{group}/backward_layer/cell", before, reverse=True)
    arrays = weights.arrays(group)
    if not arrays or arrays[0].ndim != 2 or len(arrays) > 2:
        return {str(n): array for n, array in enumerate(arrays)}
    weight = arrays[0] if kind == "Embedding" else np.ascontiguousarray(arrays[0].T)
    return dict(zip(("weight", "bias"), (weight, *arrays[1:]), strict=False))


def _recurrent(weights: Weights, name: str, cell: str, before: set[str], reverse: bool) -> dict[str, Array]:
    arrays = weights.arrays(cell)
    if not 2 <= len(arrays) <= 3 or arrays[1].ndim != 2:
        raise ValueError(f"{cell}/vars has {len(arrays)} arrays, expected a kernel, a recurrent kernel, perhaps a bias")
    rows, columns = arrays[1].shape
    kind = KINDS.get(columns // max(rows, 1))
    if kind is None or not rows or columns % rows:
        raise ValueError(f"{cell}/vars/1 has shape {arrays[1].shape}, expected (H, G · H) of 1, 3 or 4 gates")
    if kind == "GRU" and len(arrays) == 2:
        raise ValueError(f"{cell} is a GRU without a bias, of which a weights file does not tell reset_after")
    if kind == "GRU" and arrays[2].ndim == 1:
        before.add(name)
    try:
        return of_keras(kind, *arrays, reverse=reverse)
    except ValueError as error:
        raise ValueError(f"{cell}: {error}") from error
