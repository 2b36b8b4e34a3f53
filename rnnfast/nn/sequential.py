"""A model of several parts that run one after another: called, streamed, kept in a file that the C library reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import rnnfast.modules.sequences as nets
from rnnfast.modules.recurrent import Recurrent
from rnnfast.net import files, saved
from rnnfast.nn.activation import Activation
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.sequential_stream import SequentialStream
from rnnfast.nn.softmax import LogSoftmax
from rnnfast.problem import Array

KINDS: dict[str, Callable[..., Any]] = {
    "RNN": nets.RNN,
    "LSTM": nets.LSTM,
    "GRU": nets.GRU,
    "Linear": Linear,
    "Embedding": Embedding,
    "activation": Activation,
}
"""What a file calls the parts."""


class Sequential:
    """Parts by name, each called on what the one before it gives: RNN, LSTM, GRU, Linear, Embedding, activations.

    An activation may come as its name, as in `Activation`. Raises TypeError for a part of another kind, ValueError
    where there is none or a name has a dot.

    >>> import numpy as np, rnnfast
    >>> from rnnfast import nn
    >>> model = nn.Sequential(net=rnnfast.LSTM(3, 8, seed=0), head=nn.Linear(8, 1, seed=1), out="tanh")
    >>> y, states = model(np.ones((5, 2, 3), np.float32))
    >>> y.shape
    (5, 2, 1)
    """

    def __init__(self, **parts: Any) -> None:
        if not parts:
            raise ValueError("a model has no parts: name them, such as Sequential(net=net, head=head)")
        self.parts: dict[str, Any] = {}
        for name, part in parts.items():
            if not name or "." in name:
                raise ValueError(f"{name!r} cannot be the name of a part, expected one without a dot, which ends it")
            if isinstance(part, LogSoftmax):
                part = "log_softmax"
            self.parts[name] = part = Activation(part) if isinstance(part, str) else part
            if not isinstance(part, (Recurrent, Linear, Embedding, Activation)):
                kinds = "an RNN, LSTM or GRU, a Linear or Embedding, or an activation or its name"
                raise TypeError(f"{name} is a {type(part).__name__}, expected {kinds}")

    @property
    def parameters(self) -> dict[str, Array]:
        """The parts' live arrays, called part.name."""
        return {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.parameters.items()}

    def __call__(self, x: Any, states: Sequence[Any] | None = None, **rows: Any) -> tuple[Array, list[Any]]:
        """Return y and the states after the last step, one for each recurrent part.

        `states`: those before the first step, None: zeros. `rows`: lengths, mask and resets, as the recurrent parts
        take them. What stands above these sees the outputs that they give at steps that are not live.
        """
        final, before = [], iter([None] * self._recurrent() if states is None else states)
        for part in self.parts.values():
            if isinstance(part, Recurrent):
                x, state = part(x, next(before), **rows)
                final.append(state)
            else:
                x = part(x)
        return x, final

    def _recurrent(self) -> int:
        return sum(isinstance(part, Recurrent) for part in self.parts.values())

    def stream(self, batch: int = 1) -> SequentialStream:
        """Return a stream of single steps, its states inside. Raises ValueError where a part is bidirectional."""
        parts = self.parts.values()
        return SequentialStream([part.stream(batch) if isinstance(part, Recurrent) else part for part in parts])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all parts to a .safetensors file, which `rf_net_load` reads from C, or to an .npz.

        A file that was there is replaced whole or not at all. Raises OSError where it cannot be written.
        """
        described = []
        for name, part in self.parts.items():
            if isinstance(part, Recurrent):
                described.append(saved.part_of(part.net, name))
            elif isinstance(part, Activation):
                described.append({"name": name, "kind": "activation", "options": part.options})
            else:
                described.append(part.described(name))
        arrays = {
            f"{name}.{key}": array
            for name, part in self.parts.items()
            if not isinstance(part, Activation)
            for key, array in part.state_dict().items()
        }
        files.save(path, arrays, saved.metadata_of(described))

    def __repr__(self) -> str:
        return f"Sequential({', '.join(f'{name}={part!r}' for name, part in self.parts.items())})"


def load_model(path: str | os.PathLike[str], *, backend: str | None = None) -> Sequential:
    """Return the model that a file of rnnfast's holds: every net, layer and activation, in the order of the file.

    A net that was saved alone is a model of one part, "net". Raises ValueError where the file does not tell its parts
    or has some of another kind, OSError where it cannot be read.

    >>> import rnnfast
    >>> rnnfast.GRU(3, 4).save("gru.npz")
    >>> rnnfast.load_model("gru.npz")
    Sequential(net=GRU(3, 4))
    """
    arrays, metadata = files.load_with_metadata(path)
    name, parts = os.fspath(path), {}
    for part in saved.parts_in(metadata, os.fspath(path)):
        if part["kind"] not in KINDS:
            raise ValueError(f"{name} holds a part of kind {part['kind']!r}, expected {', '.join(KINDS)}")
        prefix = f"{part['name']}." if part["name"] else ""
        options = dict(part["options"])
        if part["kind"] in ("RNN", "LSTM", "GRU"):
            weight = arrays.get(f"{prefix}weight_ih_l0")
            options |= {"dtype": "float32" if weight is None else weight.dtype.name, "backend": backend}
        made = KINDS[part["kind"]](**options)
        if part["kind"] != "activation":
            own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
            made.load_state_dict({key: array for key, array in own.items() if key in made.parameters})
        parts[part["name"] or "net"] = made
    if not parts:
        raise ValueError(f"{name} does not tell what its arrays belong to: make the parts and call load of each")
    return Sequential(**parts)
