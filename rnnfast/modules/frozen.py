"""Frozen nets: an immutable snapshot of a module, its weights packed once, for inference."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Generic

from rnnfast.arrays.layout import Layout
from rnnfast.backends import choose
from rnnfast.backends.choose import Choice
from rnnfast.calls.forward import forward
from rnnfast.calls.gradients import StateT
from rnnfast.calls.prepared import INFERENCE, Engine
from rnnfast.checks import arrays
from rnnfast.checks.values import whole
from rnnfast.modules.graph import Graph
from rnnfast.modules.stream import Stream
from rnnfast.net import files, saved
from rnnfast.net.description import Net
from rnnfast.net.narrow import Weights, check_weights, is_matrix, stored
from rnnfast.net.options import constructor_call
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array


@dataclass(frozen=True, eq=False, repr=False)
class Frozen(Generic[StateT]):
    """A net whose parameters are read-only copies and whose backend stays the one chosen when it was frozen.

    Matrices that were rounded to the type `weights` are among the parameters as the float32 numbers they stand for.
    """

    net: Net
    parameters: Parameters
    _engine: Engine
    weights: Weights | None = None

    def __call__(
        self,
        x: Any,
        state: StateT | None = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        out: Array | None = None,
    ) -> tuple[Array, StateT]:
        """y and the final state; arguments, shapes and errors as the module's own call."""
        return forward(self._engine, x, state, lengths, mask, resets, out)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold the parameters and the backend's name; packing is done anew where they arrive."""
        return _restored, (self.net, self.parameters, self._engine.choice.full_name, self.weights)

    def __repr__(self) -> str:
        """Return the calls that make such a net, but for its parameters."""
        weights = "" if self.weights is None else f"weights={self.weights!r}"
        return f"{constructor_call(self.net, self._engine.choice.full_name)}.freeze({weights})"

    def ran_on(self, batch: int = 1) -> str:
        """Return the backend that calls and streams of a batch of so many rows run on, and, where its products round
        more than the weights, what, and which these are: `weights="bfloat16"` with AVX512_BF16 (AMD's) x and h of
        16 rows or more, with AMX of 4 or more.

        >>> import rnnfast
        >>> rnnfast.GRU(3, 4, backend="reference").freeze(weights="int8").ran_on(32)
        'reference'
        """
        name, rows = self._engine.choice.full_name, whole("batch", batch, lowest=0, highest=arrays.MOST)
        if self.weights is None:
            return name
        problem = self._engine.problem(INFERENCE, 1, rows)
        way = self._engine.backend.bind(problem, Layout()).ran(None)
        return f"{name}: {way}" if way else name

    def state_dict(self) -> dict[str, Array]:
        """Return the parameters in host memory as a file keeps them: matrices of bfloat16 as its bits, of int8 as that
        and as the scales of their rows, "weight_ih_l0_scale". `parameters` has the float32 numbers that they stand for,
        which other nets load.
        """
        plain = self.parameters.on_host()
        if self.weights is None:
            return plain
        kept: dict[str, Array] = {}
        for name, array in plain.items():
            kept |= stored(name, array, self.weights) if is_matrix(name) else {name: array}
        return kept

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the net to an .npz or, with safetensors installed, a .safetensors file, as `rnnfast.load_model` and C's
        rf_net_load read it: matrices in the type that they were rounded to.

        A file that was there is replaced whole or not at all. Raises OSError where it cannot be written.

        >>> import rnnfast
        >>> rnnfast.GRU(3, 4).freeze(weights="bfloat16").save("frozen.npz")
        >>> rnnfast.load_model("frozen.npz").parts["net"].weights
        'bfloat16'
        """
        files.save(path, self.state_dict(), saved.metadata_of([saved.part_of(self.net, weights=self.weights)]))

    def stream(self, batch: int = 1) -> Stream[StateT]:
        """A stream of single steps with its own state, zero at first. Raises ValueError for a bidirectional net."""
        return Stream(self._engine, batch)

    def graph(self, x: Any, state: StateT | None = None) -> Graph[StateT]:
        """Return a call for this very x and state on the device, captured as one of CUDA's graphs.

        A replay costs the host one call of the driver, whatever the net, and does what the call does, bit by bit, on
        what lies in x and state by then: copy new values there. Results lie in `y` and `state` of the graph, which
        every replay overwrites. x and state are read in place and so need strides that calls take without a copy,
        states dense ones. All steps are live, as how much is launched follows from lengths, mask and resets: with these
        call the net. Where calls take products of x's library, as of float64, kernels of ours make those of a graph,
        which may round otherwise.

            graph = lstm.to("cuda").freeze().graph(x)
            for chunk in chunks:
                x.copy_(chunk)
                y, (h, c) = graph()

        Raises TypeError for a net in host memory, ValueError for arrays that would have to be copied, RuntimeError for
        too many launches, as of thousands of steps of large nets.
        """
        return Graph(self._engine, x, state)


def freeze(net: Net, parameters: Parameters, choice: Choice, weights: Weights | None = None) -> Frozen[Any]:
    """A snapshot of these parameters for one backend, with float32 products and matrices rounded to `weights`."""
    if check_weights(weights, net) is not None and parameters.device != "cpu":
        raise TypeError(
            f"weights is {weights!r}, and this {net.name}'s parameters are on the CUDA device, where nets compute with "
            'float32 weights alone: move it with .to("cpu"), or leave weights out'
        )
    snapshot = parameters.copy(writeable=False) if weights is None else parameters.rounded(weights)
    net = replace(net, precision="float32")
    return Frozen(net, snapshot, Engine(net, snapshot, choice, frozen=True, weights=weights), weights)


def _restored(net: Net, parameters: Parameters, backend: str, weights: Weights | None = None) -> Frozen[Any]:
    return freeze(net, parameters, choose.select(backend, parameters.device, net.cell), weights)
