"""Training in one file: several nets and layers, the optimiser, its schedule and whatever numbers go with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.checks.values import truth
from rnnfast.net import files
from rnnfast.net import saved as nets
from rnnfast.nn.names import check_part_name
from rnnfast.nn.parts import Part, check_described, check_kind, described, load_into, state_of
from rnnfast.nn.state import Faults, plain
from rnnfast.nn.training_record import record_of, states_in
from rnnfast.problem import Array

SIMPLE = (bool, int, float, str, type(None))


def save(path: str | os.PathLike[str], /, **parts: Any) -> None:
    """Write all that training needs to go on to one file, .npz or .safetensors as the suffix says.

    Each part comes by a name of your choice: nets, step cells, Linear and Embedding; optimisers, schedules,
    EarlyStopping, Loader, Dropout and History; numbers, texts and arrays of numbers. Arrays are called "part.name" in
    the file. A file that was there is replaced whole or not at all.
    Raises TypeError for a part of another kind, ValueError for a name with a dot, where there is no part or where the
    format cannot take it, OSError where the file cannot be written.

    >>> import rnnfast
    >>> from rnnfast import nn
    >>> net, head = rnnfast.GRU(3, 4), nn.Linear(4, 2)
    >>> adam = nn.Adam(nn.named(net=net.parameters, head=head.parameters))
    >>> nn.save("training.npz", net=net, head=head, adam=adam, epoch=3)
    >>> nn.load("training.npz", net=net, head=head, adam=adam)
    {'epoch': 3}
    """
    if not parts:
        raise ValueError("nothing to save: name the parts, such as save(path, net=net, optimizer=optimizer)")
    arrays: dict[str, Array] = {}
    states: dict[str, dict[str, Any]] = {}
    values: dict[str, Any] = {}
    for name, part in parts.items():
        check_part_name(name)
        value = plain(part) if isinstance(part, np.generic) else part
        if isinstance(value, SIMPLE):
            values[name] = value
        elif isinstance(value, np.ndarray):
            arrays[name] = _numbers(name, value)
        else:
            check_kind(name, part)
            state = state_of(part)
            arrays |= {f"{name}.{key}": value for key, value in state.items() if isinstance(value, np.ndarray)}
            states[name] = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
    descriptions = [entry for name in states for entry in described(name, parts[name])]
    files.save(path, arrays, nets.metadata_of(descriptions) | record_of(states, values))


def load(path: str | os.PathLike[str], /, *, strict: bool = True, **parts: Part) -> dict[str, Any]:
    """Read what `save` wrote into these parts, by the names they were saved under; return numbers, texts and arrays.

    Every part takes over its share in place or, where anything does not fit, none does. A file without rnnfast's own
    description, such as a whole PyTorch model's, has its arrays loaded by their names. `strict=False` leaves alone
    what the file holds beside these parts, such as the optimiser where only the net is wanted, and of a net's options
    compares those of the cell alone.
    Raises ValueError that lists every fault of all parts: a part that is missing or was not asked for, another kind of
    net or other options, what the parts' own `load_state_dict` refuse; TypeError where dtypes alone are wrong.

    >>> from rnnfast import nn
    >>> layer, again = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> nn.save("layer.safetensors", layer=layer, epoch=3)
    >>> nn.load("layer.safetensors", layer=again)
    {'epoch': 3}
    >>> bool((again.parameters["weight"] == layer.parameters["weight"]).all())
    True
    """
    strict, faults = truth("strict", strict), Faults()
    for name, part in parts.items():
        check_kind(name, part)
    arrays, metadata = files.load_with_metadata(path)
    descriptions = nets.parts_in(metadata, str(path))
    states, values = states_in(metadata, str(path))
    _share_out(arrays, states, values)
    if strict and (unasked := [name for name in states if name not in parts]):
        faults.add(f"the file holds {', '.join(unasked)}, too: give all its parts, or strict=False to leave these")
    before: list[tuple[Part, dict[str, Any]]] = []
    try:
        for name, part in parts.items():
            if name not in states:
                faults.add(f"missing {name}, the file holds {', '.join(states) or 'no part'}")
                continue
            before.append((part, state_of(part)))
            with faults.noted(f"{name}: "):
                check_described(name, part, descriptions, strict, str(path))
                load_into(part, states[name])
        faults.check(f"{path} does not fit")
    except BaseException:  # Ctrl-C, too
        for part, state in reversed(before):
            load_into(part, state)
        raise
    return values


def _share_out(arrays: Mapping[str, Array], states: dict[str, dict[str, Any]], values: dict[str, Any]) -> None:
    """Add every array to the state of the part that is named before its dot, or to the values."""
    for name, array in arrays.items():
        part, dot, key = name.partition(".")
        if dot:
            states.setdefault(part, {})[key] = array
        else:
            values[name] = array.copy()


def _numbers(name: str, array: Array) -> Array:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {array.dtype}, expected numbers of 64 bits at most: real, whole or bool")
    return np.array(array, order="C")
