"""RNN, LSTM and GRU nodes: ONNX's own tests, onnxruntime and onnx.reference on random weights, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from rnnfast.problem import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx_graphs import assert_near, model, node, onnxruntime_outputs, weights  # noqa: E402

from rnnfast.integrations import onnx as ours  # noqa: E402

T, B, INPUTS, H = 6, 3, 4, 5
NODES: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}),
    ("GRU", {"linear_before_reset": 0}),
    ("GRU", {"linear_before_reset": 1}),
    ("RNN", {}),
    ("RNN", {"activations": ["Relu"]}),
    ("RNN", {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]}),
]
AXES = {"Y": 4, "Y_h": 3, "Y_c": 3}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def cases() -> list[Any]:
    import onnx.backend.test.case.node as found
    import onnx.backend.test.case.node.gru
    import onnx.backend.test.case.node.lstm
    import onnx.backend.test.case.node.rnn  # noqa: F401

    names = [f"test_{kind}" for kind in ("lstm", "gru", "rnn", "simple_rnn")]
    return [case for case in found._NodeTestCases if case.name.startswith(tuple(names))]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_onnx_own_backend_tests(case: Any) -> None:
    (given, expected) = case.data_sets[0]
    if case.name == "test_lstm_with_peepholes":
        with pytest.raises(ValueError, match=r"node that gives Y_h \(LSTM\): input P, peepholes, is not supported"):
            ours.prepare(case.model)
        assert not ours.is_compatible(case.model)
        return
    assert ours.is_compatible(case.model)
    for got in (ours.run_model(case.model, given), ours.run_node(case.model.graph.node[0], given)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(one, other, rtol=case.rtol, atol=case.atol)


def test_there_are_as_many_of_them_as_when_this_was_written() -> None:
    assert len(cases()) >= 18


def of(
    rng: np.random.Generator, kind: str, more: dict[str, Any], direction: str, layout: int, has: str
) -> tuple[Any, dict[str, Array], dict[str, Array]]:
    """A node with, in `has`, b biases, l lengths, s states; its model, its inputs, and the weights among them."""
    d = DIRECTIONS[direction]
    constants = weights(rng, kind, INPUTS, H, d, "b" in has)
    more = {name: value * d if isinstance(value, list) else value for name, value in more.items()}
    names = ["X", "W", "R", "B" * ("b" in has), "sequence_lens" * ("l" in has)]
    feeds: dict[str, Array] = {"X": rng.standard_normal((T, B, INPUTS)).astype(np.float32)}
    if "l" in has:
        feeds["sequence_lens"] = np.array([4, T, 1], np.int32)
    for name in ("initial_h", "initial_c")[: 1 + (kind == "LSTM")]:
        if "s" in has:
            feeds[name] = rng.standard_normal((d, B, H)).astype(np.float32)
            names.append(name)
    if layout:
        feeds = {name: array if array.ndim < 3 else array.transpose(1, 0, 2).copy() for name, array in feeds.items()}
        more = more | {"layout": 1}
    outputs = ["Y", "Y_h", "Y_c"][: 2 + (kind == "LSTM")]
    made = node(kind, names, outputs, hidden_size=H, direction=direction, **more)
    return model([made], feeds, {name: AXES[name] for name in outputs}, constants), feeds, constants


@pytest.mark.parametrize(("kind", "more"), NODES, ids=lambda value: str(value))
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_against_onnxruntime(kind: str, more: dict[str, Any], direction: str, rng: np.random.Generator) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    for has in ("", "b", "l", "bs", "bls"):
        graph, feeds, _ = of(rng, kind, more, direction, 0, has)
        assert_near(ours.run_model(graph, feeds), onnxruntime_outputs(graph, feeds))


REFERENCE = [(kind, more) for kind, more in NODES if "activations" not in more]
"""onnx.reference passes over activations."""


@pytest.mark.parametrize(("kind", "more"), REFERENCE, ids=lambda value: str(value))
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_layout_1_against_the_reference(
    kind: str, more: dict[str, Any], direction: str, rng: np.random.Generator
) -> None:
    from onnx.reference import ReferenceEvaluator

    for has in ("", "bs"):
        graph, feeds, _ = of(rng, kind, more, direction, 1, has)
        assert_near(ours.run_model(graph, feeds), ReferenceEvaluator(graph).run(None, feeds))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_layout_1_is_layout_0_with_other_axes(direction: str, rng: np.random.Generator) -> None:
    graph, feeds, _ = of(rng, "LSTM", {}, direction, 1, "bls")
    turned = {name: array if array.ndim < 3 else array.transpose(1, 0, 2).copy() for name, array in feeds.items()}
    (attribute,) = [a for a in graph.graph.node[0].attribute if a.name == "layout"]
    other = onnx.ModelProto.FromString(graph.SerializeToString())
    other.graph.node[0].attribute.remove(attribute)
    for value, array in zip(other.graph.input, turned.values(), strict=True):
        for size, number in zip(value.type.tensor_type.shape.dim, array.shape, strict=True):
            size.dim_value = number
    y, h, c = ours.run_model(graph, feeds)
    expected = ours.run_model(other, turned)
    assert_near((y.transpose(1, 2, 0, 3), h.transpose(1, 0, 2), c.transpose(1, 0, 2)), expected)


@pytest.mark.parametrize("kind", ("RNN", "LSTM", "GRU"))
def test_weights_that_come_with_the_call(kind: str, rng: np.random.Generator) -> None:
    graph, feeds, constants = of(rng, kind, {}, "bidirectional", 0, "bs")
    with_inputs = model(
        list(graph.graph.node), {**feeds, **constants}, {o.name: AXES[o.name] for o in graph.graph.output}, {}
    )
    expected = ours.run_model(graph, feeds)
    for got, other in zip(ours.run_model(with_inputs, {**feeds, **constants}), expected, strict=True):
        assert (got == other).all()


def test_float64_is_computed_in_float64(rng: np.random.Generator) -> None:
    graph, feeds, constants = of(rng, "GRU", {}, "forward", 0, "b")
    wide = {name: array.astype(np.float64) for name, array in {**feeds, **constants}.items()}
    y, _ = ours.run_node(graph.graph.node[0], [wide[name] for name in ("X", "W", "R", "B")])
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, ours.run_model(graph, feeds)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_row_of_no_steps_leaves_its_state_alone(direction: str, rng: np.random.Generator) -> None:
    graph, feeds, _ = of(rng, "GRU", {}, direction, 0, "ls")
    feeds["sequence_lens"] = np.array([2, 0, T], np.int32)
    y, h = ours.run_model(graph, feeds)
    assert (h[:, 1] == feeds["initial_h"][:, 1]).all()
    assert not y[:, :, 1].any() and y[:, :, 2].all()


REFUSED = [
    ("LSTM", {"clip": 1.0}, "clip"),
    ("LSTM", {"input_forget": 1}, "input_forget=1"),
    ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "activations"),
    ("LSTM", {"activations": ["Sigmoid", "Tanh", "Tanh"], "activation_alpha": [0.5]}, "alpha"),
    ("GRU", {"activations": ["HardSigmoid", "Tanh"]}, "HardSigmoid"),
    ("RNN", {"activations": ["Elu"]}, "Elu"),
    ("RNN", {"activations": ["Tanh", "Tanh"]}, "activations"),
    ("RNN", {"activations": ["Affine"], "activation_alpha": [2.0]}, "identity"),
    ("RNN", {"activations": ["Affine"]}, r"alpha \[\], expected one for each direction"),
    ("RNN", {"activations": ["Tanh"], "activation_alpha": [2.0]}, "activation_alpha"),
    ("RNN", {"layout": 2}, "layout 2"),
    ("RNN", {"hidden_size": 7}, "hidden_size is 7, R has 5"),
]


@pytest.mark.parametrize(("kind", "more", "said"), REFUSED)
def test_refused_by_name_and_node(kind: str, more: dict[str, Any], said: str, rng: np.random.Generator) -> None:
    constants = weights(rng, kind, INPUTS, H, 1)
    made = node(kind, ["X", "W", "R", "B"], ["Y"], name="inner", **({"hidden_size": H} | more))
    graph = model([made], {"X": (np.float32, (T, B, INPUTS))}, {"Y": 4}, constants)
    with pytest.raises(ValueError, match=rf"node inner \({kind}\): .*{said}"):
        ours.prepare(graph)


@pytest.mark.parametrize(("kind", "most"), [("LSTM", 3), ("GRU", 2), ("RNN", 2)])
def test_no_more_outputs_than_there_are(kind: str, most: int, rng: np.random.Generator) -> None:
    given = [np.ones((T, B, INPUTS), np.float32), *weights(rng, kind, INPUTS, H, 1).values()]
    names = ["Y", "Y_h", "Y_c", "more"]
    for used in (names[:most], ["", *names[1:most]], names[:1]):
        made = node(kind, ["X", "W", "R", "B"], used, hidden_size=H)
        assert len(ours.run_node(made, given)) == len([*filter(None, used)])
    made = node(kind, ["X", "W", "R", "B"], names[: most + 1], hidden_size=H)
    with pytest.raises(ValueError, match=rf"node Y \({kind}\): has {most + 1} outputs, expected {most} at the most"):
        ours.run_node(made, given)


@pytest.mark.parametrize(("kind", "directions"), list(itertools.product(("LSTM", "GRU"), (1, 2))))
def test_activations_that_say_what_is_so_anyway(kind: str, directions: int, rng: np.random.Generator) -> None:
    names = ["Sigmoid", "Tanh", "Tanh"][: 2 + (kind == "LSTM")] * directions
    direction = "bidirectional" if directions == 2 else "forward"
    state = rng.bit_generator.state
    plain, feeds, _ = of(rng, kind, {}, direction, 0, "b")
    rng.bit_generator.state = state
    constants = weights(rng, kind, INPUTS, H, directions)
    made = node(kind, ["X", "W", "R", "B"], ["Y"], hidden_size=H, direction=direction, activations=names)
    said = model([made], feeds, {"Y": 4}, constants)
    assert (ours.run_model(said, feeds)[0] == ours.run_model(plain, feeds)[0]).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sequence_lens": np.array([1, 2, 9], np.int32)}, r"9, expected 0 to 6"),
        ({"sequence_lens": np.array([-1, 2, 3], np.int32)}, r"-1"),
    ],
)
@pytest.mark.parametrize("direction", ("forward", "reverse"))
def test_lengths_that_do_not_fit(
    direction: str, changed: dict[str, Array], said: str, rng: np.random.Generator
) -> None:
    graph, feeds, _ = of(rng, "LSTM", {}, direction, 0, "l")
    with pytest.raises(ValueError, match=rf"node Y \(LSTM\): .*{said}"):
        ours.run_model(graph, feeds | changed)
