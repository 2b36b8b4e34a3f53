"""Weights files that Python writes and C reads: every kind of net and part, and files that were damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handles import Rows, loaded
from nets import KINDS

import rnnfast
from rnnfast import nn
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.problem import Array

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

T, B, I, H = 7, 3, 4, 9  # noqa: E741 (I is the input size)
numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
CORPUS = Path(__file__).parents[1] / "corpus"


STACK = {"num_layers": 2, "bidirectional": True, "masked_output": "hold"}


def file_of(arrays: dict[str, Array], words: dict[str, str]) -> bytes:
    """The bytes of a file."""
    data: bytes = numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, words)
    return data


def normal(*shape: int, dtype: Any = "float32") -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def read(path: Path) -> Any:
    """The net that C makes of a file, by its path; the same as by its bytes."""
    ffi, lib = library()
    net = ffi.new("rf_net **")
    status = lib.rf_net_load(str(path).encode(), lib.RF_ISA_AUTO, 1, net)
    assert status == lib.RF_OK, ffi.string(lib.rf_status_text(status)).decode()
    lib.rf_net_free(net[0])
    return loaded(path.read_bytes())


@pytest.mark.parametrize("kind", [*KINDS, "relu", "linear"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "masked_output": "hold"}, {"bias": False}]
)
def test_a_net_alone(kind: str, dtype: str, options: dict[str, Any], tmp_path: Path) -> None:
    made = {"nonlinearity": kind} if kind in ("relu", "linear") else {}
    net = KINDS.get(kind, rnnfast.RNN)(I, H, dtype=dtype, **made, **options)
    net.save(tmp_path / "net.safetensors")
    x, mask = normal(T, B, I, dtype=dtype), np.random.default_rng(1).random((T, B)) < 0.7
    y, _ = net(x, mask=mask)
    rows = Rows(read(tmp_path / "net.safetensors"), B, dtype, steps=T)
    np.testing.assert_array_equal(rows.forward(x, mask=mask.view(np.uint8)), y)


def test_parts_of_training_run_in_their_order(tmp_path: Path) -> None:
    lstm, gru, head = rnnfast.LSTM(I, H), rnnfast.GRU(H, 5, bidirectional=True), nn.Linear(10, 2)
    optimizer = nn.Adam(nn.named(head=head.parameters))
    nn.save(tmp_path / "all.safetensors", lstm=lstm, gru=gru, head=head, adam=optimizer, epoch=3)
    x = normal(T, B, I)
    y = head(gru(lstm(x)[0])[0])
    net = read(tmp_path / "all.safetensors")
    assert (net.sizes.recurrent_parts, net.sizes.steps_alone, net.sizes.output_size) == (2, 0, 2)
    np.testing.assert_allclose(Rows(net, B, "float32", steps=T).forward(x), y, rtol=1e-5, atol=1e-6)


def test_words_and_their_probabilities(tmp_path: Path) -> None:
    model = nn.Sequential(words=nn.Embedding(11, I), net=rnnfast.GRU(I, H), head=nn.Linear(H, 11), out="log_softmax")
    model.save(tmp_path / "é.safetensors")
    index = np.random.default_rng(0).integers(0, 11, (T, B))
    net = read(tmp_path / "é.safetensors")
    assert net.sizes.takes_indices
    found = Rows(net, B, "float32", steps=T).forward(index)
    np.testing.assert_allclose(found, model(index)[0], rtol=1e-5, atol=1e-5)
    index[2, 1], index[3, 0] = 11, -1
    found = Rows(net, B, "float32", steps=T).forward(index)
    assert np.isnan(found[2:, 1]).all() and np.isnan(found[3:, 0]).all() and np.isfinite(found[:, 2]).all()


def test_states_that_were_learned(tmp_path: Path) -> None:
    net, arrays = rnnfast.LSTM(I, H, 2), normal(2, 2, H)
    words = {"parts": [{"name": "aü", "kind": "LSTM", "options": {"input_size": I, "hidden_size": H, "num_layers": 2}}]}
    state = {"aü.h0": arrays[0], "aü.c0": arrays[1][:, None]}
    tensors = {f"aü.{name}": array for name, array in net.state_dict().items()} | state
    data = file_of(tensors, {"rnnfast": json.dumps({"version": 1} | words)})
    x, (h, c0) = normal(T, B, I), (np.repeat(array[:, None], B, 1) for array in arrays)
    rows = Rows(loaded(data), B, "float32", steps=T)
    np.testing.assert_array_equal(rows.read((2, B, H)), (h, c0))
    np.testing.assert_array_equal(rows.forward(x), net(x, (h, c0))[0])


def good() -> tuple[bytes, dict[str, Any], bytes]:
    """A file, its header and what follows."""
    net, head = rnnfast.LSTM(2, 3, seed=0), nn.Linear(3, 1, seed=0)
    arrays = {f"net.{name}": array for name, array in net.state_dict().items()}
    arrays |= {f"head.{name}": array for name, array in head.state_dict().items()}
    parts = [
        {"name": "net", "kind": "LSTM", "options": {"input_size": 2, "hidden_size": 3}},
        {"name": "head", "kind": "Linear", "options": {"in_features": 3, "out_features": 1}},
    ]
    data = file_of(arrays, {"rnnfast": json.dumps({"version": 1, "parts": parts})})
    length = int.from_bytes(data[:8], "little")
    return data, json.loads(data[8 : 8 + length]), data[8 + length :]


def status_of(data: bytes) -> str:
    """The name of the status that loading these bytes gives."""
    ffi, lib = library()
    net = ffi.new("rf_net **")
    status = lib.rf_net_load_memory(ffi.from_buffer(data), len(data), lib.RF_ISA_AUTO, 1, net)
    if status == lib.RF_OK:
        lib.rf_net_free(net[0])
    return str(ffi.typeof("rf_status").elements[status])


def test_every_shorter_file_is_refused() -> None:
    data, _, _ = good()
    assert status_of(data) == "RF_OK"
    for end in range(len(data)):
        assert status_of(data[:end]) == "RF_ERROR_FORMAT"


def test_every_byte_of_the_header_may_be_any_other() -> None:
    data, _, _ = good()
    length = int.from_bytes(data[:8], "little")
    rng, seen = np.random.default_rng(0), set()
    for at in range(8 + length):
        for byte in {0, 34, 44, 48, 57, 91, 92, 123, 255, int(rng.integers(256))}:
            seen.add(status_of(data[:at] + bytes([byte]) + data[at + 1 :]))
    assert {"RF_OK", "RF_ERROR_FORMAT", "RF_ERROR_SHAPE"} <= seen


def changed(header: dict[str, Any], where: str, value: Any, more: bytes = b"") -> bytes:
    """The file with something else in its header, at a path of names, and more bytes at its end."""
    *path, last = where.split("/")
    inner = header
    for name in path:
        inner = inner[name]
    inner[last] = value
    words = json.dumps(header).encode()
    return len(words).to_bytes(8, "little") + words + good()[2] + more


@pytest.mark.parametrize(
    "where, value, status",
    [
        ("net.weight_ih_l0/dtype", "F16", "RF_ERROR_DTYPE"),
        ("net.weight_ih_l0/dtype", "F64", "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/shape", [2, 12], "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/shape", [2**53 + 1, 2**40], "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/shape", [2**40, 2**40, 0, 12, 2], "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/data_offsets", [0, 2**50], "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/data_offsets", [96, 0], "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/data_offsets", [-96, 0], "RF_ERROR_FORMAT"),
        ("net.weight_ih_l0/more", [[[{"a": [1.5e-7, None, True]}]]], "RF_OK"),
        ("extra", {"dtype": "BF16", "shape": [3, 3, 3, 3], "data_offsets": [0, 2]}, "RF_ERROR_FORMAT"),
        ("extra", [], "RF_ERROR_FORMAT"),
        ("__metadata__/x", 3, "RF_ERROR_FORMAT"),
        ("__metadata__/rnnfast", "{}", "RF_ERROR_FORMAT"),
        ("__metadata__/rnnfast", '{"version": 2, "parts": []}', "RF_ERROR_FORMAT"),
        ("__metadata__/rnnfast", '{"version": 1, "parts": []}', "RF_ERROR_FORMAT"),
        ("__metadata__/rnnfast", "[" * 100_000, "RF_ERROR_FORMAT"),
    ],
)
def test_headers_that_lie(where: str, value: Any, status: str) -> None:
    assert status_of(changed(good()[1], where, value)) == status


END = len(good()[2]) if c.reason() is None else 0
EXTRA = {"dtype": "BF16", "shape": [3, 3], "data_offsets": [END, END + 18]}


@pytest.mark.parametrize(
    "name, tensor, more, status",
    [
        ("extra", EXTRA, 18, "RF_OK"),
        ("nothing", {"dtype": "F32", "shape": [0, 7], "data_offsets": [8, 8]}, 0, "RF_ERROR_FORMAT"),
        ("nothing", {"dtype": "F32", "shape": [0, 7], "data_offsets": [END, END]}, 0, "RF_OK"),
        ("nothing", {"dtype": "F32", "shape": [0, 7], "data_offsets": [0, 0]}, 0, "RF_OK"),
        ("extra", EXTRA, 19, "RF_ERROR_FORMAT"),
        ("extra", EXTRA, 17, "RF_ERROR_FORMAT"),
        ("extra", EXTRA | {"data_offsets": [END + 2, END + 20]}, 20, "RF_ERROR_FORMAT"),
        ("extra", EXTRA | {"data_offsets": [END - 2, END + 16]}, 16, "RF_ERROR_FORMAT"),
        ("extra", EXTRA | {"data_offsets": [0, 18]}, 0, "RF_ERROR_FORMAT"),
        ("net.extra", EXTRA, 18, "RF_ERROR_FORMAT"),
        ("net.weight_ih_l1", EXTRA, 18, "RF_ERROR_FORMAT"),
        ("head.c0", EXTRA, 18, "RF_ERROR_FORMAT"),
        ("adam.net.bias", EXTRA, 18, "RF_OK"),
    ],
)
def test_tensors_fill_a_file_and_belong_to_its_parts(name: str, tensor: Any, more: int, status: str) -> None:
    assert status_of(changed(good()[1], name, tensor, bytes(more))) == status


@pytest.mark.parametrize("name", ["", "a"])
def test_two_parts_of_one_name_are_refused(name: str) -> None:
    part = {"name": name, "kind": "Linear", "options": {"in_features": 2, "out_features": 2, "bias": False}}
    arrays = {f"{name}.weight".removeprefix("."): normal(2, 2)}
    files = [file_of(arrays, {"rnnfast": json.dumps({"version": 1, "parts": [part] * n})}) for n in (1, 2, 300)]
    assert [status_of(data) for data in files] == ["RF_OK", "RF_ERROR_FORMAT", "RF_ERROR_FORMAT"]


@pytest.mark.parametrize("kind, status", [("LSTM", "RF_OK"), ("GRU", "RF_ERROR_FORMAT"), ("RNN", "RF_ERROR_FORMAT")])
def test_a_cell_of_one_state_has_no_second_one(kind: str, status: str) -> None:
    net = getattr(rnnfast, kind)(I, H)
    part = {"name": "", "kind": kind, "options": {"input_size": I, "hidden_size": H}}
    words = {"rnnfast": json.dumps({"version": 1, "parts": [part]})}
    assert status_of(file_of(net.state_dict() | {"c0": normal(1, H)}, words)) == status
    assert status_of(file_of(net.state_dict() | {"h0": normal(1, H)}, words)) == "RF_OK"


@pytest.mark.parametrize("first", [["relu"], ["tanh", "softmax"]])
@pytest.mark.parametrize("width", [1, 4, 40])
@pytest.mark.parametrize("kind", ["Linear", "GRU"])
def test_activations_before_all_else_have_the_size_of_what_follows(
    first: list[str], width: int, kind: str, tmp_path: Path
) -> None:
    layer = nn.Linear(width, 5) if kind == "Linear" else rnnfast.GRU(width, 5)
    model = nn.Sequential(**{name: name for name in first}, layer=layer, out="sigmoid")
    model.save(tmp_path / "net.safetensors")
    net, x = read(tmp_path / "net.safetensors"), normal(T, B, width)
    assert (net.sizes.input_size, net.sizes.output_size) == (width, 5)
    rows, y = Rows(net, B, "float32", steps=T), Rows(net, B, "float32")
    found = rows.forward(x)
    np.testing.assert_allclose(found, model(x)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.stack([y.step(row) for row in x]), found)


def test_activations_alone_have_no_size() -> None:
    parts = [{"name": name, "kind": "activation", "options": {"function": name}} for name in ("relu", "tanh")]
    assert status_of(file_of({}, {"rnnfast": json.dumps({"version": 1, "parts": parts})})) == "RF_ERROR_SHAPE"
    ffi, lib = library()
    assert b"activations alone" in ffi.string(lib.rf_status_text(lib.RF_ERROR_SHAPE))


LSTM_OPTIONS = {"input_size": 2, "hidden_size": 3}


@pytest.mark.parametrize(
    "kind, options, status",
    [
        ("LSTM", LSTM_OPTIONS | {"batch_first": True, "dropout": 0.5}, "RF_OK"),
        ("LSTM", LSTM_OPTIONS | {"proj_size": 2}, "RF_ERROR_FORMAT"),
        ("LSTM", LSTM_OPTIONS | {"masked_output": "keep"}, "RF_ERROR_FORMAT"),
        ("LSTM", LSTM_OPTIONS | {"bias": 1}, "RF_ERROR_FORMAT"),
        ("LSTM", LSTM_OPTIONS | {"num_layers": 2**31 - 1}, "RF_ERROR_FORMAT"),
        ("LSTM", LSTM_OPTIONS | {"num_layers": 2**31}, "RF_ERROR_SHAPE"),
        ("LSTM", LSTM_OPTIONS | {"hidden_size": 0}, "RF_ERROR_SHAPE"),
        ("LSTM", LSTM_OPTIONS | {"hidden_size": -3}, "RF_ERROR_SHAPE"),
        ("LSTM", LSTM_OPTIONS | {"hidden_size": 3.0}, "RF_ERROR_FORMAT"),
        ("GRU", LSTM_OPTIONS, "RF_ERROR_FORMAT"),
        ("LSTMCell", LSTM_OPTIONS, "RF_ERROR_FORMAT"),
        ("activation", {"function": "tanh"}, "RF_ERROR_FORMAT"),
        ("activation", {"function": "gelu"}, "RF_ERROR_FORMAT"),
    ],
)
def test_parts_that_do_not_fit(kind: str, options: dict[str, Any], status: str) -> None:
    parts = [{"name": "net", "kind": kind, "options": options}]
    head = {"name": "head", "kind": "Linear", "options": {"in_features": 3, "out_features": 1}}
    words = json.dumps({"version": 1, "parts": [*parts, head]})
    assert status_of(changed(good()[1], "__metadata__/rnnfast", words)) == status


def test_a_name_twice_is_refused() -> None:
    data, _, rest = good()
    words = data[8 : 8 + int.from_bytes(data[:8], "little")].replace(b'"net.bias_hh_l0"', b'"net.bias_ih_l0"')
    assert status_of(len(words).to_bytes(8, "little") + words + rest) == "RF_ERROR_FORMAT"


def test_a_header_as_long_as_the_format_allows_costs_no_memory() -> None:
    for length in (2**63, 10**8 + 1, 10**8):
        assert status_of(length.to_bytes(8, "little") + b"{}") == "RF_ERROR_FORMAT"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    ffi, lib = library()
    net = ffi.new("rf_net **")
    for path in (tmp_path / "none", tmp_path):
        assert lib.rf_net_load(str(path).encode(), lib.RF_ISA_AUTO, 1, net) in (lib.RF_ERROR_FILE, lib.RF_ERROR_FORMAT)


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()) if CORPUS.exists() else [], ids=lambda path: path.name)
def test_what_the_fuzzer_tried(path: Path) -> None:
    assert status_of(path.read_bytes()).startswith("RF_")
