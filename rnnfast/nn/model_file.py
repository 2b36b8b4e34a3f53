"""Models from files: every part made of its options and arrays, in the order of the file."""

from __future__ import annotations

import os

from rnnfast.backends import choose
from rnnfast.net import files, saved
from rnnfast.nn import stored_parts
from rnnfast.nn.names import check_part_name
from rnnfast.nn.sequential import Sequential


def load_model(path: str | os.PathLike[str], *, backend: str | None = None) -> Sequential:
    """Return the model that a file of rnnfast's holds: every net, layer and activation, in the order of the file.

    A net that was saved alone is a model of one part, "net". Raises ValueError, which names the file and the part, for
    one that does not tell its parts, has some of another kind or two of one name, and where options and arrays do not
    fit; OSError where it cannot be read.

    >>> import rnnfast
    >>> rnnfast.GRU(3, 4).save("gru.npz")
    >>> rnnfast.load_model("gru.npz")
    Sequential(net=GRU(3, 4))
    """
    if backend is not None:
        choose.select(backend)  # so that it is no fault of the file
    arrays, metadata = files.load_with_metadata(path)
    file = os.fspath(path)
    described = saved.parts_in(metadata, file)
    names = [part["name"] for part in described]
    if names == [""]:
        names = ["net"]
    if not names:
        raise ValueError(f"{file} does not tell what its arrays belong to: make the parts and call load of each")
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        raise ValueError(f"{file} has several parts called {twice[0]!r}, expected a name of its own for each")
    with stored_parts.naming(file):
        for name in names:
            check_part_name(name)
    made, initial = {}, {}
    for name, part in zip(names, described, strict=True):
        with stored_parts.naming(f"{file}, part {name!r}"):
            made[name], initial[name] = stored_parts.made(part, arrays, backend)
    with stored_parts.naming(file):
        model = Sequential(**made)
    for name, state in initial.items():
        if state is not None:
            model.set_initial_state(name, state)
    return model
