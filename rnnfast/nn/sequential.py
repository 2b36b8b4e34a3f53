"""A model of several parts that run one after another: called, streamed, kept in a file that the C library reads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rnnfast.arrays.host import as_array
from rnnfast.modules.frozen import Frozen
from rnnfast.modules.recurrent import NETS, Recurrent
from rnnfast.net import files, saved
from rnnfast.net.loading import LEARNED
from rnnfast.nn import chain, part_states
from rnnfast.nn.activation import Activation
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.live_indices import readable
from rnnfast.nn.names import check_part_name
from rnnfast.nn.sequential_stream import SequentialStream
from rnnfast.nn.softmax import LogSoftmax
from rnnfast.nn.steps import Last, Steps
from rnnfast.problem import Array


class Sequential:
    """Parts by name, each called on what the one before it gives: RNN, LSTM, GRU, Linear, Embedding, activations.

    A recurrent part may be a frozen one, such as `net.freeze(weights="int8")`, for inference. An activation may come
    as its name, as in `Activation`; `Masking`, `Reverse` and `Last` say which steps count. Raises TypeError for a part
    of another kind or dtype, ValueError where there is none, a name has a dot, or a part takes other features than the
    one before it gives, or cannot stand where it does.

    >>> import numpy as np, rnnfast
    >>> from rnnfast import nn
    >>> model = nn.Sequential(net=rnnfast.LSTM(3, 8, seed=0), head=nn.Linear(8, 1, seed=1), out="tanh")
    >>> y, states = model(np.ones((5, 2, 3), np.float32))
    >>> y.shape
    (5, 2, 1)
    """

    def __init__(self, /, **parts: Any) -> None:
        if not parts:
            raise ValueError("a model has no parts: name them, such as Sequential(net=net, head=head)")
        self.parts: dict[str, Any] = {}
        for name, part in parts.items():
            check_part_name(name)
            if isinstance(part, LogSoftmax):
                part = "log_softmax"
            self.parts[name] = part = Activation(part) if isinstance(part, str) else part
            if not isinstance(part, (*NETS, Linear, Embedding, Activation, Steps)):
                kinds = (
                    "an RNN, LSTM or GRU, frozen or not, a Linear or Embedding, an activation or its name, Masking, "
                    "Reverse or Last"
                )
                raise TypeError(f"{name} is a {type(part).__name__}, expected {kinds}")
        chain.output_size(self.parts)
        self._initial: dict[str, part_states.Learned] = {}

    @property
    def parameters(self) -> dict[str, Array]:
        """The parts' live arrays, called part.name."""
        return {f"{name}.{key}": array for name, part in self.parts.items() for key, array in part.parameters.items()}

    def __call__(self, x: Any, states: Sequence[Any] | None = None, **rows: Any) -> tuple[Array, list[Any]]:
        """Return y and the states after the last step, one for each recurrent part.

        `states`: those before the first step, None: `initial_states`. `rows`: lengths, mask and resets, as the
        recurrent parts take them. What stands above these sees the outputs that they give at steps that are not live.
        """
        final, before = [], iter(part_states.listed(states, self._recurrent()))
        bidirectional = False  # of the recurrent part before
        for name, part in self.parts.items():
            if isinstance(part, Last):
                x = part.of(x, bidirectional)
            elif isinstance(part, Steps):
                x, rows = part(x, rows)
            elif isinstance(part, Embedding):  # the first one
                nets = [*self._recurrent().values()]
                if nets:
                    x = readable(x, rows.get("lengths"), rows.get("mask"), batch_first=nets[0].net.batch_first)
                x = part(x)
            elif isinstance(part, NETS):
                state = next(before)
                x, state = part(x, self._begin(name, x) if state is None else state, **rows)
                final.append(state)
                bidirectional = part.net.bidirectional
            else:
                x = part(x)
        return x, final

    def _recurrent(self) -> dict[str, Recurrent[Any] | Frozen[Any]]:
        return {name: part for name, part in self.parts.items() if isinstance(part, NETS)}

    def _begin(self, name: str, x: Any) -> Any:
        """Return the state that a part begins with on this x, None for zeros."""
        if name not in self._initial:
            return None
        if (part := self._recurrent()[name]).parameters.device != "cpu":
            raise TypeError(f'{name} is on the device, its learned states are not: pass states, or .to("cpu") it')
        net, x = part.net, as_array("x", x)
        layout = net.layout(x)
        count, batch = net.num_layers * net.num_directions, layout.sizes(x.shape)[1]
        return part_states.repeated(self._initial[name], layout.state_shapes(count, batch, net.state_sizes))

    @property
    def initial_states(self) -> dict[str, Any]:
        """Copies of the states that were learned, by part: h0 (L·D, H) or (h0, c0), with which every row begins.

        A part without them begins with zeros.
        """
        return {name: part_states.copied(state) for name, state in self._initial.items()}

    def set_initial_state(self, part: str, state: Any) -> None:
        """Have every row begin with h0 (L·D, H) or (h0, c0), copied, of which one may be None, zeros; None: with zeros.

        Calls without `states` and streams made from now on do, and files have them. Raises ValueError for another shape
        or the name of no recurrent part, TypeError for another dtype.
        """
        if part not in (parts := self._recurrent()):
            raise ValueError(f"{part!r} is no recurrent part of this model, expected one of {', '.join(parts)}")
        found = part_states.learned(f"the initial state of {part}", state, parts[part].net)
        self._initial.pop(part, None)
        if any(array is not None for array in found):
            self._initial[part] = found

    def stream(self, batch: int = 1) -> SequentialStream:
        """Return a stream of single steps, its states inside. It gives the output of every step, whatever is the last.

        Raises ValueError where a part is bidirectional, or needs to see other steps.
        """
        steps = {name: part for name, part in self.parts.items() if not isinstance(part, Last)}
        self._check_steps(steps, "a stream", "make the model without it")
        parts = {n: part.stream(batch) if isinstance(part, NETS) else part for n, part in steps.items()}
        return SequentialStream(parts, batch, chain.output_size(self.parts) or 0, self._initial)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all parts to a .safetensors file, which `rf_net_load` reads from C, or to an .npz.

        A file that was there is replaced whole or not at all. Raises OSError where it cannot be written, ValueError for
        more than 1,024 parts, and for a .safetensors of what C cannot run: activations alone, whose width cannot be
        told, Masking, Reverse, and Last behind a bidirectional part. Behind others C gives the outputs of all steps.
        """
        if str(path).endswith(".safetensors") and chain.output_size(self.parts) is None:
            raise ValueError(
                f"{path} would hold activations alone, of which C cannot tell how many features they take: add the "
                "part that they follow, or save an .npz"
            )
        if str(path).endswith(".safetensors"):
            self._check_steps(self.parts, "C", "save an .npz, or the model without it")
        described: list[saved.Part] = []
        for name, part in self.parts.items():
            if isinstance(part, Recurrent):
                described.append(saved.part_of(part.net, name))
            elif isinstance(part, Frozen):
                described.append(saved.part_of(part.net, name, part.weights))
            elif isinstance(part, Last):
                described[-1]["last"] = name
            elif isinstance(part, (Activation, Steps)):
                kind = "activation" if isinstance(part, Activation) else type(part).__name__
                described.append({"name": name, "kind": kind, "options": part.options})
            else:
                described.append(part.described(name))
        arrays = {
            f"{name}.{key}": array
            for name, part in self.parts.items()
            if not isinstance(part, (Activation, Steps))
            for key, array in part.state_dict().items()
        }
        for name, state in self._initial.items():
            of_file = zip(LEARNED, state, strict=False)
            arrays |= {f"{name}.{key}": array for key, array in of_file if array is not None}
        files.save(path, arrays, saved.metadata_of(described))

    def _check_steps(self, parts: Mapping[str, Any], who: str, advice: str) -> None:
        """Raise ValueError for a part that says which steps count and that nobody can run who sees one at a time."""
        nets = [part.net for part in self._recurrent().values()]
        for name, part in parts.items():
            if isinstance(part, Steps) and not (isinstance(part, Last) and not nets[-1].bidirectional):
                what = "the last of a bidirectional part" if isinstance(part, Last) else f"a {type(part).__name__}"
                raise ValueError(f"{name} is {what}, {who} sees a step at a time: {advice}")

    def __repr__(self) -> str:
        return f"Sequential({', '.join(f'{name}={part!r}' for name, part in self.parts.items())})"
