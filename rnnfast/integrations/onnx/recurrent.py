"""RNN, LSTM and GRU nodes as frozen nets: their options read, or refused, and their calls with ONNX's axes.

X (T, B, I), Y (T, D, B, H), states (D, B, H); with layout=1 X (B, T, I), Y (B, T, D, H), states (B, D, H). Of a row
shorter than T, Y is zeros beyond its end, and a reverse direction begins there. Of a row of no steps, of which ONNX
says nothing, the final state is the initial one; onnxruntime has zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnfast.integrations.onnx.axes import backwards, outputs_of, turned
from rnnfast.integrations.onnx.graph import Node
from rnnfast.integrations.onnx.options import Options, options_of
from rnnfast.integrations.onnx.shaping import Known
from rnnfast.modules.frozen import Frozen
from rnnfast.modules.sequences import GRU, LSTM, RNN
from rnnfast.problem import Array

MODULES: dict[str, Callable[..., Any]] = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}


def recurrent(node: Node, known: Known, backend: str | None) -> Callable[..., Any]:
    """Return the call of a node: Y, Y_h and, of an LSTM, Y_c for its inputs.

    Constant weights are frozen once; such that come with the call make a net in each.
    """
    options = options_of(node)
    weights = [known[k] if k < len(known) else None for k in range(1, 4)]
    given = [node.inputs[k] if k < len(node.inputs) else "" for k in range(1, 4)]
    if all(array is not None or not name for array, name in zip(weights, given, strict=True)):
        return _with(_frozen(options, weights, backend), options)

    def call(x: Array, *inputs: Array | None) -> Any:
        w, r, *rest = inputs
        net = _frozen(options, [w, r, rest[0] if rest else None], backend)
        return _with(net, options)(x, *inputs)

    return call


def _frozen(options: Options, weights: list[Array | None], backend: str | None) -> Frozen[Any]:
    w, r, b = weights
    if w is None or r is None:
        raise ValueError("W or R is missing")
    parameters = options.parameters(w, r, b)
    module = MODULES[options.kind](
        parameters["weight_ih_l0"].shape[1],
        parameters["weight_hh_l0"].shape[1],
        bias=b is not None,
        bidirectional=options.directions == 2,
        batch_first=options.batch_first,
        dtype=w.dtype,
        backend=backend,
        seed=0,
        **options.variant,
    )
    module.load_state_dict(parameters)
    frozen: Frozen[Any] = module.freeze()
    return frozen


def _with(net: Frozen[Any], options: Options) -> Callable[..., Any]:
    """Return the call of a node with this net; the weights among its inputs are those of the net."""
    run = backwards(net, int(options.batch_first)) if options.direction == "reverse" else net
    two, turns, of_y = options.kind == "LSTM", options.batch_first, outputs_of(options)

    def call(
        x: Array,
        w: Any = None,
        r: Any = None,
        b: Any = None,
        lengths: Array | None = None,
        h: Array | None = None,
        c: Array | None = None,
        p: Any = None,
    ) -> Any:
        if x.ndim != 3:
            raise ValueError(f"X has shape {x.shape}, expected three axes")
        if turns:
            h, c = turned(h), turned(c)
        if two:
            y, (h, c) = run(x, None if h is None and c is None else (h, c), lengths=lengths)
        else:
            y, h = run(x, h, lengths=lengths)
        if turns:
            h, c = turned(h), turned(c)
        return of_y(y), h, c

    return call
