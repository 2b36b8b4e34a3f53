"""Models from what a file tells: every part made of its options and arrays, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnfast.backends import choose
from rnnfast.net.saved import Part
from rnnfast.nn import stored_parts
from rnnfast.nn.names import check_part_name
from rnnfast.nn.sequential import Sequential
from rnnfast.problem import Array


def made_of(parts: Sequence[Part], arrays: Mapping[str, Array], file: str, backend: str | None = None) -> Sequential:
    """Return the model of these parts, whose arrays are called PART.NAME; a net alone, of no name, is the part "net".

    Raises ValueError, which names `file` and the part, for kinds that no model has, two parts of one name, and options
    and arrays that do not fit.

    >>> import numpy as np
    >>> part = {"name": "head", "kind": "Linear", "options": {"in_features": 2, "out_features": 1, "bias": False}}
    >>> made_of([part], {"head.weight": np.ones((1, 2), np.float32)}, "head.npz")
    Sequential(head=Linear(weight (1, 2)))
    """
    if backend is not None:
        choose.select(backend)  # so that it is no fault of the file
    parts = _with_last(parts)
    names = [part["name"] for part in parts]
    if names == [""]:
        names = ["net"]
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        raise ValueError(f"{file} has several parts called {twice[0]!r}, expected a name of its own for each")
    with stored_parts.naming(file):
        for name in names:
            check_part_name(name)
    made, initial = {}, {}
    for name, part in zip(names, parts, strict=True):
        with stored_parts.naming(f"{file}, part {name!r}"):
            made[name], initial[name] = stored_parts.made(part, arrays, backend)
    with stored_parts.naming(file):
        model = Sequential(**made)
    for name, state in initial.items():
        if state is not None:
            model.set_initial_state(name, state)
    return model


def _with_last(parts: Sequence[Part]) -> list[Part]:
    """Return the parts with one of its own for each of which a file says that its last output counts."""
    found: list[Part] = []
    for part in parts:
        found.append(part)
        if isinstance(last := part.get("last"), str):
            found.append({"name": last, "kind": "Last", "options": {}})
    return found
