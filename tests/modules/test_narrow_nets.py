"""Frozen nets with weights in bfloat16 and int8 as a user has them: made, streamed, copied, kept in files, refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from narrow_nets import TYPES, normal
from nets import BACKEND, EVERY_KIND, KINDS

import rnnfast
from rnnfast import nn
from rnnfast.net import files
from rnnfast.net.formats import BFLOAT16
from rnnfast.problem import Array

T, B, I, H = 6, 3, 4, 9  # noqa: E741 (I is the input size)


def frozen_net(kind: str, weights: Any, **options: Any) -> Any:
    return KINDS[kind](I, H, seed=0, **options).freeze(weights=weights)


@EVERY_KIND
@TYPES
def test_streams_copies_and_pickles_say_the_same(kind: str, weights: str) -> None:
    frozen, x = frozen_net(kind, weights, num_layers=2), normal(T, B, I)
    y, _ = frozen(x)
    stream = frozen.stream(batch=B)
    np.testing.assert_array_equal(stream.run(x[:2]), y[:2])
    for other in (stream.copy(), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        np.testing.assert_array_equal(np.stack([other.step(one) for one in x[2:]]), y[2:])
    for other in (copy.deepcopy(frozen), pickle.loads(pickle.dumps(frozen))):
        assert other.weights == weights
        np.testing.assert_array_equal(other(x)[0], y)


@TYPES
def test_biases_stay_and_the_net_itself_does_not_change(weights: str) -> None:
    module = KINDS["gru"](I, H, seed=0)
    before = module.state_dict()
    frozen = module.freeze(weights=weights)
    for name, array in before.items():
        np.testing.assert_array_equal(module.parameters[name], array)
        assert np.array_equal(frozen.parameters[name], array) == name.startswith("bias")
        with pytest.raises(ValueError, match="read-only"):
            frozen.parameters[name][...] = 0
    assert repr(frozen) == f"GRU({I}, {H}, backend={frozen.ran_on()!r}).freeze(weights={weights!r})"


@EVERY_KIND
@TYPES
def test_a_net_takes_the_parameters_but_no_state_dict_of_a_rounded_one(kind: str, weights: str) -> None:
    """Whose int8 matrices, read as numbers, would be all wrong."""
    frozen, module = frozen_net(kind, weights), KINDS[kind](I, H, seed=1)
    with pytest.raises((TypeError, ValueError), match=f"is in {weights}, as .* load the frozen net's `parameters`"):
        module.load_state_dict(frozen.state_dict())
    module.load_state_dict(frozen.parameters)
    np.testing.assert_array_equal(module.parameters["weight_hh_l0"], frozen.parameters["weight_hh_l0"])


def test_a_batch_that_none_can_have_runs_nowhere() -> None:
    for weights in (None, "int8"):
        frozen = frozen_net("gru", weights)
        assert frozen.ran_on(0) == frozen.ran_on(1)
        for batch in (-3, 2**31):
            with pytest.raises(ValueError, match=f"batch is {batch}, expected 0 to 2147483647"):
                frozen.ran_on(batch)


def test_what_has_no_such_weights_says_so() -> None:
    with pytest.raises(ValueError, match="weights is 'bfloat16', which nets of float32 alone have, this GRU"):
        rnnfast.GRU(I, H, dtype="float64").freeze(weights="bfloat16")
    with pytest.raises(ValueError, match="weights is 'float16', expected one of 'bfloat16', 'int8'"):
        rnnfast.GRU(I, H).freeze(weights="float16")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weights is 'float32', expected one of .*, or None for no rounding"):
        rnnfast.GRU(I, H).freeze(weights="float32")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="weights must be one of 'bfloat16', 'int8', got int"):
        rnnfast.GRU(I, H).freeze(weights=8)  # type: ignore[arg-type]
    broken = rnnfast.GRU(I, H)
    broken.parameters["weight_hh_l0"][2, 2] = np.inf
    with pytest.raises(ValueError, match="weight_hh_l0 holds NaN or infinity, which int8 has not"):
        broken.freeze(weights="int8")
    assert not np.isfinite(broken.freeze(weights="bfloat16").parameters["weight_hh_l0"]).all()


@EVERY_KIND
@TYPES
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_files_keep_the_rounded_numbers(kind: str, weights: str, suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    frozen, x = frozen_net(kind, weights, bidirectional=True), normal(T, B, I)
    path = tmp_path / f"frozen{suffix}"
    frozen.save(path)
    arrays = files.load(path)
    assert arrays["weight_ih_l0"].dtype == (BFLOAT16 if weights == "bfloat16" else np.int8)
    assert arrays["bias_ih_l0"].dtype == np.float32
    model = rnnfast.load_model(path, backend=BACKEND)
    assert model.parts["net"].weights == weights
    for name, array in frozen.parameters.items():
        np.testing.assert_array_equal(model.parts["net"].parameters[name], array)
    np.testing.assert_array_equal(model(x)[0], frozen(x)[0])
    with pytest.raises(ValueError, match=f"holds a frozen .* with weights in {weights}, which no net trains on"):
        KINDS[kind](I, H, bidirectional=True).load(path, strict=False)
    with pytest.raises(ValueError, match="frozen nets with rounded weights, of float32 alone: leave dtype out"):
        rnnfast.load_model(path, dtype="float32")


@TYPES
def test_a_model_of_several_parts(weights: str, tmp_path: Path) -> None:
    model = nn.Sequential(
        first=frozen_net("lstm", weights), second=KINDS["gru"](H, 5, seed=1), head=nn.Linear(5, 2, seed=2), out="tanh"
    )
    model.set_initial_state("first", (normal(1, H), None))
    x = normal(T, B, I)
    y, _ = model(x)
    stream = model.stream(batch=B)
    np.testing.assert_allclose(np.stack([stream.step(one) for one in x]), y, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.npz")
    again = rnnfast.load_model(tmp_path / "model.npz", backend=BACKEND)
    np.testing.assert_array_equal(again(x)[0], y)


def damaged(arrays: dict[str, Array], name: str, value: Any) -> dict[str, Array]:
    """The arrays with one replaced, None: left out."""
    found = arrays | {name: value}
    return {key: array for key, array in found.items() if array is not None}


@pytest.mark.parametrize(
    "weights, name, change",
    [
        ("int8", "weight_ih_l0_scale", lambda a: None),
        ("int8", "weight_ih_l0_scale", lambda a: a[:-1]),
        ("int8", "weight_ih_l0_scale", lambda a: a.astype("float64")),
        ("int8", "weight_ih_l0_scale", lambda a: a * np.float32(np.nan)),
        ("int8", "weight_ih_l0_scale", lambda a: -a),
        ("int8", "weight_ih_l0_scale", lambda a: np.nextafter(a, np.float32(1))),
        ("int8", "weight_ih_l0", lambda a: a // 2),
        ("int8", "weight_ih_l0", lambda a: np.where(a == 127, -128, a).astype("int8")),
        ("int8", "weight_ih_l0", lambda a: a.astype("float32")),
        ("int8", "weight_hh_l0", lambda a: None),
        ("bfloat16", "weight_ih_l0", lambda a: a.view("<u2").astype("float32")),
        ("bfloat16", "weight_ih_l0_scale", lambda a: np.ones(4 * H, np.float32)),
    ],
)
def test_damaged_files_are_refused(weights: Any, name: str, change: Any, tmp_path: Path) -> None:
    frozen_net("lstm", weights).save(tmp_path / "net.npz")
    arrays, words = files.load_with_metadata(tmp_path / "net.npz")
    files.save(tmp_path / "damaged.npz", damaged(arrays, name, change(arrays.get(name))), words)
    with pytest.raises(ValueError, match="damaged.npz"):
        rnnfast.load_model(tmp_path / "damaged.npz")
