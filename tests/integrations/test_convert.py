"""One layer's arrays of other libraries: nets with them compute what those libraries' formulas say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from foreign_models import keras_gru, keras_lstm, nam_file, nam_output, sigmoid
from nets import BACKEND

import rnnfast
from rnnfast.integrations import convert
from rnnfast.problem import Array

T, I, H = 6, 3, 5  # noqa: E741 (I is the input size)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((T, I))


def normal(*shape: int) -> Array:
    """Random numbers, others at every call."""
    return RNG.standard_normal(shape) * 0.7


def output(kind: str, arrays: dict[str, Array], x: Array = X, **options: Any) -> Array:
    """The y of a net with these arrays."""
    bias = any(name.startswith("bias") for name in arrays)
    net = getattr(rnnfast, kind)(x.shape[1], H, bias=bias, dtype="float64", backend=BACKEND, **options)
    net.load_state_dict(arrays)
    y: Array = net(x)[0]
    return y


def assert_close(got: Array, expected: Array) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_keras() -> None:
    kernel, recurrent, bias = normal(I, 4 * H), normal(H, 4 * H), normal(4 * H)
    assert_close(
        output("LSTM", convert.of_keras("LSTM", kernel, recurrent, bias)), keras_lstm(X, kernel, recurrent, bias)
    )
    for bias in (normal(2, 3 * H), normal(3 * H)):
        arrays = convert.of_keras("GRU", kernel[:, : 3 * H], recurrent[:, : 3 * H], bias)
        expected = keras_gru(X, kernel[:, : 3 * H], recurrent[:, : 3 * H], bias)
        assert_close(output("GRU", arrays, reset_after=bias.ndim == 2), expected)
    arrays = convert.of_keras("LSTM", kernel, recurrent)
    assert_close(output("LSTM", arrays), keras_lstm(X, kernel, recurrent, np.zeros(4 * H)))
    kernel, recurrent, bias = normal(I, H), normal(H, H), normal(H)
    h, expected = np.zeros(H), []
    for x in X:
        h = np.tanh(x @ kernel + bias + h @ recurrent)
        expected.append(h)
    assert_close(output("RNN", convert.of_keras("RNN", kernel, recurrent, bias)), np.array(expected))


def onnx_lstm(x: Array, W: Array, R: Array, B: Array) -> Array:
    """The operator's formulas for one direction, gates i o f c."""
    h = c = np.zeros(H)
    y = []
    for row in x:
        i, o, f, g = np.split(W @ row + R @ h + B[: 4 * H] + B[4 * H :], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        y.append(h)
    return np.array(y)


def onnx_gru(x: Array, W: Array, R: Array, B: Array, linear_before_reset: int) -> Array:
    """The operator's formulas for one direction, gates z r h."""
    h, y = np.zeros(H), []
    (wz, wr, wh), (rz, rr, rh) = np.split(W, 3), np.split(R, 3)
    wbz, wbr, wbh, rbz, rbr, rbh = np.split(B, 6)
    for row in x:
        z, r = sigmoid(wz @ row + rz @ h + wbz + rbz), sigmoid(wr @ row + rr @ h + wbr + rbr)
        recurrent = r * (rh @ h + rbh) if linear_before_reset else rh @ (r * h) + rbh
        h = (1 - z) * np.tanh(wh @ row + recurrent + wbh) + z * h
        y.append(h)
    return np.array(y)


@pytest.mark.parametrize("before_reset", [0, 1])
def test_onnx(before_reset: int) -> None:
    four = normal(2, 4 * H, I), normal(2, 4 * H, H), normal(2, 8 * H)
    y = output("LSTM", convert.of_onnx("LSTM", *four), bidirectional=True)
    assert_close(y[:, :H], onnx_lstm(X, *[array[0] for array in four]))
    assert_close(y[:, H:], onnx_lstm(X[::-1], *[array[1] for array in four])[::-1])
    three = four[0][:, : 3 * H], four[1][:, : 3 * H], four[2][:, : 6 * H]
    options = {"bidirectional": True, "reset_after": bool(before_reset)}
    y = output("GRU", convert.of_onnx("GRU", *three), **options)
    assert_close(y[:, :H], onnx_gru(X, *[array[0] for array in three], before_reset))
    assert_close(y[:, H:], onnx_gru(X[::-1], *[array[1] for array in three], before_reset)[::-1])
    forward = convert.of_onnx("GRU", *[array[:1] for array in three])
    reverse = convert.of_onnx("GRU", *[array[1:] for array in three], reverse=True)
    assert_close(output("GRU", forward | reverse, **options), y)


def flax_cell(gates: str, biased: tuple[str, ...]) -> dict[str, dict[str, Array]]:
    """The parameters of a cell: of every gate a kernel for the input and one for the state."""
    names = [side + gate for side in "ih" for gate in gates] or ["i", "h"]
    found = {name: {"kernel": normal(I if name[0] == "i" else H, H)} for name in names}
    for name in biased:
        found[name]["bias"] = normal(H)
    return found


def applied(cell: dict[str, dict[str, Array]], name: str, x: Array) -> Array:
    product: Array = x @ cell[name]["kernel"] + cell[name].get("bias", 0)
    return product


def test_flax() -> None:
    lstm, h, c, expected = flax_cell("ifgo", ("hi", "hf", "hg", "ho")), np.zeros(H), np.zeros(H), []
    for x in X:
        i, f, g, o = (applied(lstm, f"i{gate}", x) + applied(lstm, f"h{gate}", h) for gate in "ifgo")
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h)
    assert_close(output("LSTM", convert.of_flax("LSTM", lstm)), np.array(expected))
    gru, h, expected = flax_cell("rzn", ("ir", "iz", "in", "hn")), np.zeros(H), []
    for x in X:
        r, z = (sigmoid(applied(gru, f"i{gate}", x) + applied(gru, f"h{gate}", h)) for gate in "rz")
        n = np.tanh(applied(gru, "in", x) + r * applied(gru, "hn", h))
        h = (1 - z) * n + z * h
        expected.append(h)
    assert_close(output("GRU", convert.of_flax("GRU", gru)), np.array(expected))
    rnn, h, expected = flax_cell("", ("i",)), np.zeros(H), []
    for x in X:
        h = np.tanh(applied(rnn, "i", x) + applied(rnn, "h", h))
        expected.append(h)
    assert_close(output("RNN", convert.of_flax("RNN", rnn)), np.array(expected))


def test_flax_nnx() -> None:
    """Cells that hold their gates side by side, or call one if_, are those that hold them one by one."""
    for kind, gates, biased in (("LSTM", "ifgo", ("hi", "ho")), ("GRU", "rzn", ("ir", "iz", "in", "hn"))):
        cell = flax_cell(gates, biased)
        dense: dict[str, dict[str, Array]] = {}
        for side in "ih":
            kernels = [cell[side + gate]["kernel"] for gate in gates]
            biases = [cell[side + gate].get("bias", np.zeros(H)) for gate in gates]
            dense[f"dense_{side}"] = {"kernel": np.concatenate(kernels, 1), "bias": np.concatenate(biases)}
        expected = output(kind, convert.of_flax(kind, cell))
        assert_close(output(kind, convert.of_flax(kind, dense)), expected)
        renamed = {"if_" if name == "if" else name: gate for name, gate in cell.items()}
        assert_close(output(kind, convert.of_flax(kind, renamed)), expected)


def test_nam_in_layers() -> None:
    file = nam_file(RNG, I, H, 2)
    del file["config"]["in_channels"], file["config"]["out_channels"]
    file["weights"] = np.array(file["weights"])
    first, second = 4 * H * (I + H + 1), 4 * H * (2 * H + 1)
    arrays: dict[str, Array] = {}
    for layer, (start, columns) in enumerate([(0, I + H), (first + 2 * H, 2 * H)]):
        numbers = file["weights"][start : start + (second if layer else first)]
        numbers, bias = numbers[: 4 * H * columns].reshape(4 * H, columns), numbers[4 * H * columns :]
        arrays |= convert.of_nam(numbers, bias, layer=layer)
    for start in (first, first + 2 * H + second):
        file["weights"][start : start + 2 * H] = 0  # the states to begin with
    head = file["weights"][-H - 1 :]
    assert_close(output("LSTM", arrays, num_layers=2) @ head[:H] + head[H], nam_output(file, X)[:, 0])


def test_arrays_are_copies_of_their_own_dtype() -> None:
    weight = np.ones((3, 3), np.float32)
    found = convert.parameters("RNN", weight, weight, bias_hh=np.ones(3, np.float32), layer=2)
    assert list(found) == ["weight_ih_l2", "weight_hh_l2", "bias_ih_l2", "bias_hh_l2"]
    assert found["bias_ih_l2"].tolist() == [0] * 3 and found["bias_hh_l2"].tolist() == [1] * 3
    for array in found.values():
        assert array.dtype == np.float32 and array.flags.c_contiguous and not np.may_share_memory(array, weight)


ONE, FOUR = np.ones((1, 4)), np.ones((4, 1))
FAULTS: dict[str, tuple[Any, type[Exception], str]] = {
    "kind": (lambda: convert.parameters("lstm", FOUR, FOUR), ValueError, "kind is 'lstm', expected one of 'RNN'"),
    "order": (lambda: convert.parameters("LSTM", FOUR, FOUR, order="ifg"), ValueError, "order is 'ifg', expected the"),
    "twice": (lambda: convert.parameters("LSTM", FOUR, FOUR, order="iffg"), ValueError, "order is 'iffg'"),
    "layer": (lambda: convert.parameters("LSTM", FOUR, FOUR, layer=-1), ValueError, "layer is -1"),
    "axes": (lambda: convert.parameters("LSTM", [1.0], FOUR), ValueError, r"weight_ih has shape \(1,\), expected two"),
    "rows": (
        lambda: convert.parameters("GRU", FOUR, FOUR),
        ValueError,
        r"weight_ih has shape .* \(3 gates · 1",
    ),
    "not transposed": (lambda: convert.parameters("LSTM", ONE, ONE), ValueError, r"weight_ih has shape \(1, 4\)"),
    "bias": (lambda: convert.parameters("LSTM", FOUR, FOUR, [1.0]), ValueError, r"bias_ih has shape \(1,\)"),
    "empty": (lambda: convert.parameters("RNN", np.ones((0, 0)), np.ones((0, 0))), ValueError, "weight_ih has shape"),
    "numbers": (lambda: convert.parameters("RNN", [[1]], [[1]]), TypeError, "weight_ih has dtype int64"),
    "keras": (lambda: convert.of_keras("LSTM", ONE, ONE, np.ones((2, 4))), ValueError, r"bias has shape \(2, 4\)"),
    "onnx": (lambda: convert.of_onnx("RNN", np.ones((2, 1, 1)), np.ones((1, 1, 1))), ValueError, "R has shape"),
    "onnx axes": (lambda: convert.of_onnx("RNN", FOUR, FOUR), ValueError, r"W has shape \(4, 1\), expected 3 axes"),
    "reverse": (lambda: convert.of_onnx("RNN", np.ones((2, 1, 1)), np.ones((2, 1, 1)), reverse=True), ValueError, "W"),
    "flax": (lambda: convert.of_flax("RNN", {"i": {"kernel": ONE}}), ValueError, "params has i, expected .*: i, h"),
    "flax kernels": (
        lambda: convert.of_flax("GRU", flax_cell("rzn", ()) | {"in": {"kernel": ONE}}),
        ValueError,
        r"ir.kernel has shape \(3, 5\), expected two axes, the same in all gates",
    ),
    "nam": (lambda: convert.of_nam(FOUR, np.ones(4)), ValueError, r"matrix has shape \(4, 1\), bias \(4,\), expected"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named(fault: str) -> None:
    call, error, words = FAULTS[fault]
    with pytest.raises(error, match=rf"^{words}"):
        call()


def test_orders_beside_onnxruntime() -> None:
    """Random weights in a graph of two directions, run by onnxruntime."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    x = normal(T, 1, I).astype(np.float32)
    for kind, gates, more in (("LSTM", 4, {}), ("GRU", 3, {"linear_before_reset": 1}), ("GRU", 3, {}), ("RNN", 1, {})):
        arrays = [normal(2, gates * H, I), normal(2, gates * H, H), normal(2, 2 * gates * H)]
        node = helper.make_node(kind, ["x", "W", "R", "B"], ["y"], hidden_size=H, direction="bidirectional", **more)
        graph = helper.make_graph(
            [node],
            kind,
            [helper.make_tensor_value_info("x", number, x.shape)],
            [helper.make_tensor_value_info("y", number, (T, 2, 1, H))],
            [onnx.numpy_helper.from_array(a.astype(np.float32), name) for a, name in zip(arrays, "WRB", strict=True)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        expected = session.run(None, {"x": x})[0][:, :, 0].reshape(T, 2 * H)
        options = {"reset_after": bool(more)} if kind == "GRU" else {}
        y = output(kind, convert.of_onnx(kind, *arrays), x[:, 0].astype(np.float64), bidirectional=True, **options)
        np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-6, err_msg=kind)
