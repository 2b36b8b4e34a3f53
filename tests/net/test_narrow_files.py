"""Files of frozen nets with weights in bfloat16 and int8, as the C library reads and refuses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handles import Rows, loaded
from narrow_nets import TYPES, normal
from nets import KINDS

import rnnfast
from rnnfast import nn
from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.problem import Array

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
pytest.importorskip("safetensors", reason="safetensors is not installed")

T, B, I, H = 7, 3, 5, 9  # noqa: E741 (I is the input size)


def file_of(model: Any, folder: Path) -> bytes:
    """The bytes of a model's file."""
    model.save(folder / "model.safetensors")
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", [*KINDS, "projected"])
@TYPES
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "bias": False}])
def test_c_computes_what_python_does(kind: str, weights: Any, options: dict[str, Any], tmp_path: Path) -> None:
    made: Any = rnnfast.LSTM if kind == "projected" else KINDS[kind]
    own = {"proj_size": 4} if kind == "projected" else {}
    frozen, x = made(I, H, seed=0, **own, **options).freeze(weights=weights), normal(T, B, I)
    rows = Rows(loaded(file_of(frozen, tmp_path)), B, "float32", steps=T)
    np.testing.assert_array_equal(rows.forward(x), frozen(x)[0])
    if not options:
        rows = Rows(loaded(file_of(frozen, tmp_path)), 1, "float32")
        np.testing.assert_array_equal(np.stack([rows.step(one) for one in x[:, :1]]), frozen(x[:, :1])[0])


@TYPES
def test_parts_of_other_kinds_stand_beside(weights: Any, tmp_path: Path) -> None:
    first, second = rnnfast.GRU(I, H, seed=0).freeze(weights=weights), rnnfast.LSTM(H, 4, seed=1)
    model, x = nn.Sequential(first=first, second=second, head=nn.Linear(4, 2, seed=2)), normal(T, B, I)
    model.set_initial_state("first", normal(1, H))
    found = Rows(loaded(file_of(model, tmp_path)), B, "float32", steps=T).forward(x)
    np.testing.assert_allclose(found, model(x)[0], rtol=1e-5, atol=1e-6)


@TYPES
def test_a_file_is_as_much_smaller(weights: Any, tmp_path: Path) -> None:
    net = rnnfast.LSTM(100, 100)
    whole, narrow = len(file_of(net, tmp_path)), len(file_of(net.freeze(weights=weights), tmp_path))
    assert narrow < whole * (0.52 if weights == "bfloat16" else 0.28)


def status_of(data: bytes) -> str:
    """The name of the status that loading these bytes gives."""
    ffi, lib = library()
    net = ffi.new("rf_net **")
    status = lib.rf_net_load_memory(ffi.from_buffer(data), len(data), lib.RF_ISA_AUTO, 1, net)
    lib.rf_net_free(net[0])
    return str(ffi.typeof("rf_status").elements[status])


def changed(data: bytes, tensors: dict[str, Array | None], **options: Any) -> bytes:
    """The file with the bytes of some tensors changed, None: without them, and with other options."""
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]
    about = json.loads(header["__metadata__"]["rnnfast"])
    about["parts"][0]["options"] |= options
    made, body = {"__metadata__": {"rnnfast": json.dumps(about)}}, b""
    for name, tensor in header.items():
        if name == "__metadata__" or tensors.get(name, 0) is None:
            continue
        first, end = tensor["data_offsets"]
        own = tensors[name].tobytes() if name in tensors else numbers[first:end]  # type: ignore[union-attr]
        made[name] = tensor | {"data_offsets": [len(body), len(body) + len(own)]}
        body += own
    text = json.dumps(made).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_what_rounding_would_change_is_refused(tmp_path: Path) -> None:
    frozen = rnnfast.GRU(I, H, seed=0).freeze(weights="int8")
    kept, data = frozen.state_dict(), file_of(frozen, tmp_path)
    whole, scale = kept["weight_ih_l0"], kept["weight_ih_l0_scale"]
    assert status_of(changed(data, {})) == "RF_OK"
    for bad in (
        scale * np.float32(np.nan),
        -scale,
        scale * 0,
        np.nextafter(scale, np.float32(1)),
        scale * np.float32(1e38),
    ):
        assert status_of(changed(data, {"weight_ih_l0_scale": bad})) == "RF_ERROR_FORMAT"
    assert status_of(changed(data, {"weight_ih_l0": whole // 2})) == "RF_ERROR_FORMAT"
    smallest = np.where(np.abs(whole) == 127, -128, whole).astype("int8")
    assert status_of(changed(data, {"weight_ih_l0": smallest})) == "RF_ERROR_FORMAT"
    assert status_of(changed(data, {"weight_ih_l0_scale": None})) == "RF_ERROR_FORMAT"
    empty = {"weight_ih_l0": whole * 0, "weight_ih_l0_scale": scale * 0}
    assert status_of(changed(data, empty)) == "RF_OK"


def test_types_are_those_that_the_options_name(tmp_path: Path) -> None:
    net = rnnfast.GRU(I, H, seed=0)
    files = {weights: file_of(net.freeze(weights=weights), tmp_path) for weights in (None, "bfloat16", "int8")}
    for weights, data in files.items():
        for said in ("bfloat16", "int8"):
            assert status_of(changed(data, {}, weights=said)) == ("RF_OK" if said == weights else "RF_ERROR_DTYPE")
        assert status_of(changed(data, {}, weights="float16")) == "RF_ERROR_FORMAT"
        assert status_of(changed(data, {}, weights=8)) == "RF_ERROR_FORMAT"
    assert status_of(changed(files["int8"], {}, weights="bfloat16", dtype="float64")) == "RF_ERROR_DTYPE"
