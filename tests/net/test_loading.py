"""Loading a part of a model, with names left over or missing, from other dtypes, and into read-only parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_values import fails

import rnnfast
from rnnfast.net import files


def model(net: Any) -> dict[str, Any]:
    """The state dict of a model with this net in it."""
    parts = {f"rnn.{name}": array for name, array in net.state_dict().items()}
    return parts | {"fc.weight": np.zeros((2, 6), np.float16), "rnnoise": np.zeros(3)}


def same(net: Any, other: Any) -> bool:
    """Whether two nets have the same parameters, bit by bit."""
    return all(array.tobytes() == other.parameters[name].tobytes() for name, array in net.parameters.items())


def test_a_part_of_a_model(tmp_path: Path) -> None:
    source, path = rnnfast.GRU(4, 6, 2, bidirectional=True), tmp_path / "model.npz"
    files.save(path, model(source))
    for load in (lambda net: net.load(path, prefix="rnn."), lambda net: net.load_state_dict(model(source), "rnn.")):
        net = rnnfast.GRU(4, 6, 2, bidirectional=True)
        assert load(net) == ([], []) and same(net, source)


def test_the_prefix_that_would_fit_is_told(tmp_path: Path) -> None:
    net = rnnfast.GRU(4, 6)
    for prefix in ("", "lstm."):
        with fails(ValueError, f"missing {prefix}weight_ih_l0; ") as raised:
            net.load_state_dict(model(net), prefix=prefix)
        assert str(raised.value).endswith("all of them are there with prefix='rnn.'")
    with fails(ValueError, "all of them are there with prefix='a.' or prefix='b.'"):
        net.load_state_dict({f"{part}.{name}": array for part in "ab" for name, array in net.parameters.items()})
    with fails(ValueError, "missing rnn.weight_ih_l1; ") as raised:  # with another number of layers it would not fit
        rnnfast.GRU(4, 6, 2).load_state_dict(model(net), prefix="rnn.")
    assert "all of them" not in str(raised.value)


def test_names_left_over_and_missing() -> None:
    source, net, fresh = (rnnfast.GRU(4, 6, layers, seed=seed) for layers, seed in ((2, 1), (1, 2), (1, 2)))
    values = model(source)
    del values["rnn.bias_hh_l0"]
    with fails(ValueError, "missing rnn.bias_hh_l0; unexpected rnn.weight_ih_l1; "):
        net.load_state_dict(values, prefix="rnn.")
    assert same(net, fresh)
    missing, unexpected = found = net.load_state_dict(values, prefix="rnn.", strict=False)
    assert found.missing_keys == missing == ["rnn.bias_hh_l0"]
    assert found.unexpected_keys == unexpected == [f"rnn.{name}" for name in source.parameters if "_l1" in name]
    np.testing.assert_array_equal(net.parameters["weight_ih_l0"], source.parameters["weight_ih_l0"])
    np.testing.assert_array_equal(net.parameters["bias_hh_l0"], fresh.parameters["bias_hh_l0"])


def test_shapes_and_dtypes_must_fit_in_any_case() -> None:
    net, fresh = (rnnfast.GRU(4, 6, seed=1) for _ in range(2))
    values = rnnfast.GRU(4, 6, seed=2).state_dict()
    with fails(ValueError, "bias_hh_l0 has shape (17,), expected (18,)"):
        net.load_state_dict(values | {"bias_hh_l0": values["bias_hh_l0"][1:]}, strict=False)
    with fails(TypeError, "bias_hh_l0 has dtype float64"):
        net.load_state_dict(values | {"bias_hh_l0": values["bias_hh_l0"].astype("f8")}, strict=False)
    assert same(net, fresh)


def test_arguments_of_the_wrong_kind(tmp_path: Path) -> None:
    net = rnnfast.GRU(4, 6)
    net.save(tmp_path / "net.npz")
    with fails(TypeError, "prefix must be a str, such as 'rnn.', got bool"):
        net.load_state_dict(net.state_dict(), False)  # type: ignore[arg-type]
    for load in (lambda: net.load_state_dict({}, strict="no"), lambda: net.load(tmp_path / "net.npz", strict="no")):  # type: ignore[arg-type]
        with fails(TypeError, "strict must be True or False, got str"):
            load()
    with fails(TypeError, "dtype is 'int8', expected 'float32' or 'float64'"):
        net.load(tmp_path / "net.npz", dtype="int8")


@pytest.mark.parametrize("kept", ["float16", "float32", "float64", ">f4", "longdouble"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_files_of_other_dtypes(kept: str, dtype: Any, tmp_path: Path) -> None:
    source, net, path = rnnfast.GRU(4, 6, dtype="float64"), rnnfast.GRU(4, 6, dtype=dtype), tmp_path / "net.npz"
    arrays = {name: array.astype(kept) for name, array in source.parameters.items()}
    files.save(path, arrays)
    if np.dtype(kept) != net.net.dtype:
        with fails(TypeError, f"weight_ih_l0 has dtype {np.dtype(kept)}, weight_hh_l0 has") as raised:
            net.load(path)
        assert f"pass dtype='{dtype}' to convert them" in str(raised.value)
    net.load(path, dtype=dtype)
    for name, array in net.parameters.items():
        np.testing.assert_array_equal(array, arrays[name].astype(dtype))


def test_bfloat16(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    save_file = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    theirs, path = torch.nn.GRU(4, 6).bfloat16(), tmp_path / "net.safetensors"
    values = theirs.state_dict()
    values["weight_ih_l0"][0, :3] = torch.tensor([torch.inf, 3e38, -1e-40])
    save_file(values, path)
    for dtype in ("float32", "float64"):
        net: Any = rnnfast.GRU(4, 6, dtype=dtype)
        with fails(TypeError, "weight_ih_l0 has dtype bfloat16, ") as raised:
            net.load(path)
        assert str(raised.value).endswith(f": pass dtype='{dtype}' to convert them")
        net.load(path, dtype=dtype)
        for name, array in net.parameters.items():
            np.testing.assert_array_equal(array, values[name].to(getattr(torch, dtype)).numpy())


def test_what_is_not_converted(tmp_path: Path) -> None:
    net, path = rnnfast.GRU(4, 6), tmp_path / "net.npz"
    values, before = net.state_dict(), net.state_dict()
    files.save(path, values | {"bias_ih_l0": np.zeros(18, np.int8)})
    for dtype in (None, "float32"):
        with fails(TypeError, "net.npz bias_ih_l0 has dtype int8: only real numbers of 16 bits or more are converted"):
            net.load(path, dtype=dtype)
    files.save(path, values | {"bias_ih_l0": np.full(18, 1e39)})
    with fails(ValueError, "bias_ih_l0 holds numbers beyond float32, from 1e+39 to 1e+39"):
        net.load(path, dtype="float32")
    with fails(TypeError, "dtype is float64, but this GRU computes in float32: pass dtype='float32'"):
        net.load(path, dtype="float64")
    with fails(TypeError, "pass dtype='float32' to convert them, or make the GRU with dtype='float64'"):
        net.load(path)
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters.items())


def test_other_parts_may_have_any_dtype(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    save_file = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    source, net, path = torch.nn.GRU(4, 6), rnnfast.GRU(4, 6), tmp_path / "model.safetensors"
    values = {f"rnn.{name}": array for name, array in source.state_dict().items()}
    save_file(values | {"head.weight": torch.ones(3).to(torch.float8_e5m2)}, path)
    net.load(path, prefix="rnn.")
    np.testing.assert_array_equal(net.parameters["bias_ih_l0"], source.bias_ih_l0.detach().numpy())
    with fails(ValueError, "unexpected head.weight"):
        net.load(path)


def test_read_only_parameters_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    net, other = rnnfast.GRU(4, 6, seed=1), rnnfast.GRU(4, 6, seed=2)
    before = net.state_dict()
    other.save(tmp_path / "net.npz")
    net.parameters["bias_hh_l0"].flags.writeable = False  # the last but one
    for load in (lambda: net.load_state_dict(other.state_dict()), lambda: net.load(tmp_path / "net.npz")):
        with fails(ValueError, "these parameters do not fit this GRU: bias_hh_l0 is read-only"):
            load()
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters.items())
    with fails(ValueError, "weight_ih_l0 is read-only, as are all parameters of a frozen net"):
        net.freeze().parameters["weight_ih_l0"] = before["weight_ih_l0"]
    assert net.load_state_dict({"bias_ih_l0": other.parameters["bias_ih_l0"]}, strict=False).missing_keys
    np.testing.assert_array_equal(net.parameters["bias_ih_l0"], other.parameters["bias_ih_l0"])
