"""Graphs of other programs as a `Sequential`: those that are a plain chain, and why others are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.integrations.models import read
from rnnfast.problem import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx_graphs import assert_near, model, node, weights  # noqa: E402

from rnnfast.integrations import onnx as ours  # noqa: E402

F4 = np.float32
D = {"one": np.array([1]), "two": np.array([2])}
LSTM = ["x", "W", "R", "B"]


def saved(path: Path, graph: Any) -> str:
    path.write_bytes(graph.SerializeToString())
    return str(path)


def test_batch_first_with_turned_axes_states_and_lengths(rng: np.random.Generator, tmp_path: Path) -> None:
    """As exporters write a batch-first LSTM of two directions and a head."""
    constants = weights(rng, "LSTM", 3, 4, 2) | {"shape": np.array([0, 0, -1])}
    constants |= {"M": rng.standard_normal((8, 2)).astype(F4), "b": rng.standard_normal((1, 2)).astype(F4)}
    inputs = ["t", "W", "R", "B", "lens", "h0", "c0"]
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        node("LSTM", inputs, ["Y", "h", "c"], hidden_size=4, direction="bidirectional"),
        node("Transpose", ["Y"], ["turned"], perm=[2, 0, 1, 3]),
        node("Reshape", ["turned", "shape"], ["y"]),
        node("MatMul", ["y", "M"], ["m"]),
        node("Add", ["b", "m"], ["s"]),
        node("Sigmoid", ["s"], ["out"]),
    ]
    taken: dict[str, Any] = {"x": (F4, ["B", "T", 3]), "lens": (np.int32, ["B"])}
    taken |= {name: (F4, [2, "B", 4]) for name in ("h0", "c0")}
    graph = model(nodes, taken, {"out": 3, "h": 3, "c": 3}, constants)
    path = saved(tmp_path / "chain", graph)
    found = read(path)
    assert found.library == "ONNX" and any("lengths=" in line for line in found.remarks)
    assert found.conversions["lstm0"] == "gates i o f g put in the order i f g o"
    loaded = rnnfast.load_model(path)
    assert str(loaded) == (
        "Sequential(lstm0=LSTM(3, 4, bidirectional=True), linear1=Linear(weight (2, 8), bias (2,)), "
        "sigmoid2=Activation('sigmoid'))"
    )
    x, lengths = rng.standard_normal((3, 6, 3)).astype(F4), np.array([6, 2, 4], np.int32)
    state = tuple(rng.standard_normal((2, 3, 4)).astype(F4) for _ in range(2))
    expected = ours.run_model(graph, [x, lengths, *state])
    y, ((h, c),) = loaded(x.transpose(1, 0, 2), [state], lengths=lengths)
    assert_near([y.transpose(1, 0, 2), h, c], expected)


def test_layout_1_and_learned_states(rng: np.random.Generator, tmp_path: Path) -> None:
    constants = weights(rng, "GRU", 3, 4, 1) | {"h0": rng.standard_normal((1, 1, 4)).astype(F4).repeat(2, 0), **D}
    inputs = ["x", "W", "R", "B", "", "h0"]
    nodes = [
        node("GRU", inputs, ["Y"], hidden_size=4, layout=1, linear_before_reset=1),
        node("Squeeze", ["Y", "two"], ["y"]),
    ]
    graph = model(nodes, {"x": (F4, [2, "T", 3])}, {"y": 3}, constants)
    loaded = rnnfast.load_model(saved(tmp_path / "chain", graph))
    assert list(loaded.initial_states) == ["gru0"]
    x = rng.standard_normal((2, 6, 3)).astype(F4)
    assert_near([loaded(x.transpose(1, 0, 2))[0].transpose(1, 0, 2)], ours.run_model(graph, [x]))


def test_float16_weights_are_converted_where_that_is_asked_for(rng: np.random.Generator, tmp_path: Path) -> None:
    half = {name: array.astype(np.float16) for name, array in weights(rng, "RNN", 3, 4, 1).items()}
    nodes = [node("RNN", LSTM, ["Y"], hidden_size=4), node("Squeeze", ["Y", "one"], ["y"])]
    path = saved(tmp_path / "half", model(nodes, {"x": (np.float16, ["T", "B", 3])}, {"y": 3}, half | D))
    with pytest.raises(ValueError, match="half: .*float16: nothing is cast unasked"):
        rnnfast.load_model(path)
    loaded = rnnfast.load_model(path, dtype="float32")
    assert loaded.parameters["rnn0.weight_ih_l0"].dtype == F4


TIMES = node("Squeeze", ["Y", "one"], ["y"])
WRONG: list[tuple[str, list[Any], str]] = [
    ("reverse", [node("LSTM", LSTM, ["Y"], hidden_size=4, direction="reverse"), TIMES], r"Y \(LSTM\): goes in reverse"),
    ("residual", [node("LSTM", LSTM, ["Y"], hidden_size=4), TIMES, node("Add", ["y", "x"], ["z"])], r"z \(Add\)"),
    ("doubled", [node("LSTM", LSTM, ["Y"], hidden_size=4), TIMES, node("Add", ["y", "y"], ["z"])], "twice"),
    ("last", [node("LSTM", LSTM, ["Y", "h"], hidden_size=4), node("Identity", ["h"], ["z"])], r"z \(Identity\)"),
    ("whole Y", [node("LSTM", LSTM, ["Y"], hidden_size=4)], "output Y is not what the last part gives"),
    ("rows", [node("LSTM", LSTM, ["Y"], hidden_size=4), node("Softmax", ["Y"], ["z"], axis=2)], "axis 2, expected"),
    ("shifted", [node("LSTM", LSTM, ["Y"], hidden_size=4), TIMES, node("Add", ["y", "c"], ["z"])], r"z \(Add\): adds"),
    ("scaled", [node("Mul", ["x", "c"], ["z"])], r"z \(Mul\): is no part of a chain"),
    ("dropped", [node("LSTM", LSTM, ["Y"], hidden_size=4), node("Squeeze", ["Y"], ["z"])], "drops axes None"),
    ("shaped", [node("LSTM", LSTM, ["Y"], hidden_size=4), node("Reshape", ["Y", "ab"], ["z"])], "shapes to"),
    (
        "time turned",
        [
            node("LSTM", LSTM, ["Y"], hidden_size=3),
            TIMES,
            *[node("Transpose", ["y"], ["t"], perm=[1, 0, 2]), node("LSTM", ["t", *LSTM[1:]], ["Z"], hidden_size=3)],
        ],
        r"Z \(LSTM\): takes other axes",
    ),
    ("unknown", [node("Conv", ["x", "x"], ["z"])], r"z \(Conv\): operator Conv is not supported"),
    ("nothing", [node("Identity", ["x"], ["z"])], "no node that computes"),
]


@pytest.mark.parametrize(("name", "nodes", "said"), WRONG, ids=[name for name, *_ in WRONG])
def test_what_is_no_chain(name: str, nodes: list[Any], said: str, rng: np.random.Generator, tmp_path: Path) -> None:
    size = 3 if name == "time turned" else 4
    constants: dict[str, Array] = weights(rng, "LSTM", size, size, 1) | D
    constants |= {"c": np.ones(size, F4), "ab": np.array([0, 0, -1])}
    output = nodes[-1].output[0]
    path = saved(tmp_path / "graph", model(nodes, {"x": (F4, ["T", "B", size])}, {output: 3}, constants))
    with pytest.raises(ValueError, match=f"graph: .*{said}") as raised:
        rnnfast.load_model(path)
    if name not in ("dropped", "shaped", "shifted", "unknown"):
        assert "rnnfast.integrations.onnx.prepare" in str(raised.value)


def test_inputs_that_are_no_sequences(tmp_path: Path, rng: np.random.Generator) -> None:
    nodes = [node("Tanh", ["x"], ["y"])]
    path = saved(tmp_path / "flat", model(nodes, {"x": (F4, ["N"])}, {"y": 1}, {}))
    with pytest.raises(ValueError, match="input x is float32 of 1 axes, expected three"):
        rnnfast.load_model(path)
    two: dict[str, Any] = {"x": (F4, ["T", "B", 3]), "z": (F4, [3])}
    path = saved(tmp_path / "two", model(nodes, two, {"y": 3}, {}))
    with pytest.raises(ValueError, match="input z is neither a state nor the lengths"):
        rnnfast.load_model(path)
    with pytest.raises(ValueError, match="two: .*this file of ONNX tells its parts"):
        rnnfast.load_model(path, prefix="a.")
