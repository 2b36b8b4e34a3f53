"""Graphs that are prepared and run: inputs that are refused, memory of their own, what is worked out once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.problem import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx_graphs import assert_near, model, node, onnxruntime_outputs, weights  # noqa: E402

from rnnfast.integrations import onnx as ours  # noqa: E402
from rnnfast.integrations.onnx import reading  # noqa: E402
from rnnfast.integrations.onnx.folding import folded  # noqa: E402

F4 = np.float32
X = np.random.default_rng(3).standard_normal((5, 2, 3)).astype(F4)


def classifier(rng: np.random.Generator, name: str = "x", kind: str = "GRU") -> Any:
    """Batch first in and out: Transpose, two directions, both joined by shapes worked out, the last step, a softmax."""
    constants = weights(rng, kind, 3, 4, 2)
    constants |= {"last": np.array(-1), "zero": np.array([0]), "two": np.array([2]), "all": np.array([-1])}
    constants |= {"W2": rng.standard_normal((6, 8)).astype(F4), "b2": rng.standard_normal(6).astype(F4)}
    nodes = [
        node("Transpose", [name], ["steps"], perm=[1, 0, 2]),
        node(kind, ["steps", "W", "R", "B"], ["Y", "Y_h"], hidden_size=4, direction="bidirectional"),
        node("Transpose", ["Y"], ["turned"], perm=[0, 2, 1, 3]),
        node("Shape", ["turned"], ["shape"]),
        node("Slice", ["shape", "zero", "two", "zero"], ["front"]),
        node("Concat", ["front", "all"], ["joined"], axis=0),
        node("Reshape", ["turned", "joined"], ["y"]),
        node("Gather", ["y", "last"], ["end"], axis=0),
        node("Gemm", ["end", "W2", "b2"], ["logits"], transB=1),
        node("Softmax", ["logits"], ["p"], axis=1),
    ]
    return model(nodes, {name: (F4, ["B", "T", 3])}, {"p": 2, "Y_h": 3}, constants)


def test_a_classifier_against_onnxruntime(rng: np.random.Generator) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    graph = classifier(rng)
    prepared = ours.prepare(graph.SerializeToString())
    assert (prepared.inputs, prepared.outputs) == (("x",), ("p", "Y_h"))
    for shape in ((2, 5, 3), (1, 1, 3), (4, 9, 3), (2, 5, 3)):
        x = rng.standard_normal(shape).astype(F4)
        assert_near(prepared.run([x]), onnxruntime_outputs(graph, {"x": x}))
        assert_near(prepared.run({"x": x[:, ::-1]}), onnxruntime_outputs(graph, {"x": x[:, ::-1].copy()}))


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ([], ValueError, "got 0 inputs, this graph takes 1: x"),
        ([X, X], ValueError, "got 2 inputs"),
        ({"z": X}, ValueError, "x is missing or no input of this graph, expected x"),
        ({"x": X, "z": X}, ValueError, "z is missing or no input"),
        ([X.astype(np.float64)], TypeError, "x has dtype float64, expected float32: nothing is cast"),
        ([X.astype(">f4")], TypeError, "x has dtype >f4"),
        ([X[0]], ValueError, r"x has shape \(2, 3\), expected \(any, any, 3\)"),
        ([X[..., :2]], ValueError, r"x has shape \(5, 2, 2\), expected \(any, any, 3\)"),
        ([None], TypeError, "x"),
        (X, TypeError, "inputs is of type ndarray, expected a list"),
    ],
)
def test_inputs_that_do_not_fit(given: Any, error: type[Exception], said: str, rng: np.random.Generator) -> None:
    prepared = ours.prepare(classifier(rng))
    prepared.run([X])
    with pytest.raises(error, match=said):
        prepared.run(given)


def test_other_devices_options_and_models(rng: np.random.Generator) -> None:
    assert ours.supports_device("CPU") and ours.supports_device("CPU:0") and not ours.supports_device("CUDA:0")
    with pytest.raises(ValueError, match="device 'CUDA' is not supported"):
        ours.prepare(classifier(rng), "CUDA")
    with pytest.raises(ValueError, match="device 'CUDA' is not supported"):
        ours.run_node(node("Tanh", ["x"], ["y"]), [X], "CUDA")
    with pytest.raises(TypeError, match="run takes inputs alone, got threads"):
        ours.prepare(classifier(rng)).run([X], threads=2)
    half = weights(np.random.default_rng(0), "GRU", 3, 4, 2)
    wide = model([node("GRU", ["x", "W", "R"], ["y"], hidden_size=4)], {"x": (np.float16, X.shape)}, {"y": 4}, half)
    assert ours.is_compatible(classifier(rng)) and not ours.is_compatible(wide)
    with pytest.raises(TypeError, match="model is of type int"):
        ours.prepare(3)
    with pytest.raises(ValueError, match="this node takes 1: x"):
        ours.run_node(node("Tanh", ["x"], ["y"]), [])


def test_threads_that_share_a_graph(rng: np.random.Generator) -> None:
    prepared = ours.prepare(classifier(rng))
    given = [rng.standard_normal((2, 3 + k % 4, 3)).astype(F4) for k in range(40)]
    expected = [prepared.run([x]) for x in given]
    with ThreadPoolExecutor(4) as pool:
        for got, other in zip(pool.map(lambda x: prepared.run([x]), given), expected, strict=True):
            assert all((one == two).all() for one, two in zip(got, other, strict=True))


@pytest.mark.parametrize("kind", ("RNN", "LSTM", "GRU"))
def test_the_backend_that_is_asked_for(kind: str, rng: np.random.Generator) -> None:
    graph = classifier(rng, kind=kind)
    assert_near(ours.run_model(graph, [X]), ours.run_model(graph, [X], backend="reference"))
    with pytest.raises(ValueError, match="backend"):
        ours.prepare(graph, backend="none such")


def test_outputs_have_memory_of_their_own() -> None:
    nodes = [
        node("Identity", ["x"], ["same"]),
        node("Transpose", ["x"], ["turned"]),
        node("Identity", ["c"], ["constant"]),
        node("Tanh", ["x"], ["y"]),
        node("Unsqueeze", ["y", "zero"], ["again"]),
    ]
    outputs: dict[str, Any] = {"same": 2, "turned": 2, "constant": 1, "y": 2, "again": 3}
    constants = {"c": np.ones(2, F4), "zero": np.array([0])}
    prepared = ours.prepare(model(nodes, {"x": (F4, [2, 2])}, outputs, constants))
    x = np.ones((2, 2), F4)
    first = prepared.run([x])
    before = [array.copy() for array in first]
    for number, array in enumerate(first):
        array[...] = -1
        for other in first[number + 1 :]:
            assert not np.shares_memory(array, other)
    assert (x == 1).all()
    for got, expected in zip(prepared.run([x]), before, strict=True):
        assert (got == expected).all()


def test_an_output_that_is_an_input_or_stands_twice() -> None:
    twice = model([node("Tanh", ["x"], ["y"])], {"x": (F4, [2])}, {"x": 1, "y": 1}, {})
    x = np.ones(2, F4)
    got = ours.run_model(twice, [x])
    assert not np.shares_memory(got[0], x) and (got[0] == x).all()


def test_what_follows_from_constants_is_worked_out_once(rng: np.random.Generator) -> None:
    parts = weights(rng, "LSTM", 3, 4, 1)
    constants = {"first": parts["W"][0, :8], "second": parts["W"][0, 8:], "zero": np.array([0]), "B": parts["B"]}
    constants |= {"Rt": parts["R"].transpose(2, 1, 0).copy()}
    nodes = [
        node("Concat", ["first", "second"], ["flat"], axis=0),
        node("Unsqueeze", ["flat", "zero"], ["W"]),
        node("Transpose", ["Rt"], ["R"]),
        node("Shape", ["X"], ["shape"]),
        node("Reshape", ["X", "shape"], ["same"]),
        node("LSTM", ["same", "W", "R", "B"], ["Y"], hidden_size=4),
    ]
    graph = model(nodes, {"X": X}, {"Y": 4}, constants)
    _, left = folded(reading.read(graph))
    assert [found.operator for found in left] == ["Reshape", "LSTM"]
    plain = model([node("LSTM", ["X", "W", "R", "B"], ["Y"], hidden_size=4)], {"X": X}, {"Y": 4}, parts)
    assert (ours.run_model(graph, [X])[0] == ours.run_model(plain, [X])[0]).all()


def test_constants_of_a_small_file_do_not_fill_the_memory() -> None:
    nodes = [node("Concat", [f"c{k}"] * 2, [f"c{k + 1}"], axis=0) for k in range(45)]
    constants, left = folded(reading.read(model(nodes, {"x": X}, {"c45": 1}, {"c0": np.ones(4, F4)})))
    assert sum(array.nbytes for array in constants.values()) < 1 << 22
    assert left


def test_a_graph_with_one_that_fails_says_which(rng: np.random.Generator) -> None:
    graph = model([node("Tanh", ["x"], ["t"]), node("Add", ["t", "c"], ["y"], name="sum")], *adding())
    with pytest.raises(ValueError, match=r"node sum \(Add\): operands could not be broadcast"):
        ours.run_model(graph, [np.ones(3, F4)])


def adding() -> tuple[Any, Any, dict[str, Array]]:
    return {"x": (F4, ["N"])}, {"y": 1}, {"c": np.ones(2, F4)}


def test_names_that_could_change_a_terminal_are_quoted() -> None:
    graph = model([node("Conv", ["x", "x"], ["y"], name="\x1b[2J")], {"x": X}, {"y": 1}, {})
    with pytest.raises(ValueError, match=r"node '\\x1b\[2J' \(Conv\)"):
        ours.prepare(graph)


@pytest.mark.parametrize("opset", (6, 99))
def test_opsets_that_are_not_known(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(model([node("Tanh", ["x"], ["y"])], {"x": X}, {"y": 3}, {}, opset).SerializeToString())
    with pytest.raises(ValueError, match=rf"x.onnx: .*{opset}"):
        ours.prepare(path)


def test_files_that_are_damaged_missing_or_reach_outside(tmp_path: Path, rng: np.random.Generator) -> None:
    path, data = tmp_path / "cut.onnx", classifier(rng).SerializeToString()
    for length in (0, 1, 7, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="cut.onnx: "):
            ours.prepare(path)
    with pytest.raises(FileNotFoundError):
        ours.prepare(tmp_path / "none.onnx")
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_bytes(bytes(4096))
    graph = classifier(rng)
    tensor = graph.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "../secret")
    tensor.ClearField("raw_data")
    path = tmp_path / "inside" / "x.onnx"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ValueError, match="x.onnx: its external data cannot be read"):
        ours.prepare(path)


def test_weights_beside_the_file(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = classifier(rng)
    expected = ours.run_model(graph, [X])
    onnx.save(graph, tmp_path / "x.onnx", save_as_external_data=True, location="x.data", size_threshold=0)
    assert (tmp_path / "x.data").exists()
    for got, other in zip(ours.prepare(tmp_path / "x.onnx").run([X]), expected, strict=True):
        assert (got == other).all()
    monkeypatch.chdir(tmp_path)  # where ONNX itself would look for it
    with pytest.raises(ValueError, match="the tensor W is in another file: pass the path of the model"):
        ours.prepare((tmp_path / "x.onnx").read_bytes())


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours.export(rnnfast.GRU(2, 3), tmp_path / "x.onnx")
    for name in [name for name in sys.modules if name.startswith("rnnfast.integrations.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"needs the package onnx: pip install 'rnnfast\[onnx\]'"):
        rnnfast.load_model(tmp_path / "x.onnx")


def test_names_that_are_no_text() -> None:
    data = model([node("Tanh", ["x"], ["y"], name="inner")], {"x": X}, {"y": 3}, {}).SerializeToString()
    with pytest.raises(ValueError, match=r"the name b'in\\xffer' is no UTF-8"):
        ours.prepare(data.replace(b"inner", b"in\xffer"))
