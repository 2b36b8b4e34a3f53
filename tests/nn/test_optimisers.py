"""The optimisers and clipping of rnnfast.nn: against the paper and PyTorch, and norms of gradients."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from rnnfast import nn
from rnnfast.nn import optim


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam_follows_the_paper(rng: np.random.Generator, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optim, "BLOCK", 7)  # several blocks and a shorter last one
    parameters = {"weight": rng.standard_normal((5, 4)).astype(dtype), "bias": rng.standard_normal(3).astype(dtype)}
    expected = {name: value.astype(np.float64) for name, value in parameters.items()}
    first, second = ({name: np.zeros(value.shape) for name, value in parameters.items()} for _ in range(2))
    adam = nn.Adam(parameters, lr=0.01, betas=(0.8, 0.95), eps=1e-4)
    for step in range(1, 6):
        grads = {name: rng.standard_normal(value.shape).astype(dtype) for name, value in parameters.items()}
        adam.step(grads)
        for name, grad in grads.items():
            first[name] = 0.8 * first[name] + 0.2 * grad
            second[name] = 0.95 * second[name] + 0.05 * np.square(grad, dtype=np.float64)
            mean, square = first[name] / (1 - 0.8**step), second[name] / (1 - 0.95**step)
            expected[name] -= 0.01 * mean / (np.sqrt(square) + 1e-4)
    for name, value in parameters.items():
        assert value.dtype == dtype
        np.testing.assert_allclose(value, expected[name], rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd_follows_its_equations(
    rng: np.random.Generator, dtype: str, momentum: float, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optim, "BLOCK", 7)
    parameters = {"weight": rng.standard_normal((5, 4)).astype(dtype), "bias": rng.standard_normal(3).astype(dtype)}
    expected = {name: value.astype(np.float64) for name, value in parameters.items()}
    velocity = {name: np.zeros(value.shape) for name, value in parameters.items()}
    sgd = nn.SGD(parameters, lr=0.1, momentum=momentum, weight_decay=decay)
    for _ in range(5):
        grads = {name: rng.standard_normal(value.shape).astype(dtype) for name, value in parameters.items()}
        kept = {name: grad.copy() for name, grad in grads.items()}
        sgd.step(grads)
        for name, grad in kept.items():
            assert np.array_equal(grads[name], grad)
            velocity[name] = momentum * velocity[name] + grad + decay * expected[name]
            expected[name] -= 0.1 * velocity[name]
    assert sgd.velocity.keys() == (parameters.keys() if momentum else set())
    for name, value in parameters.items():
        assert value.dtype == dtype
        np.testing.assert_allclose(value, expected[name], rtol=1e-5 if dtype == "float32" else 1e-12)


def test_adamw_decays_apart_from_the_gradient(rng: np.random.Generator) -> None:
    start, gradients = rng.standard_normal(6), rng.standard_normal((4, 6))
    plain, decayed = {"w": start.copy()}, {"w": start.copy()}
    adam, adamw = nn.Adam(plain, lr=0.05), nn.AdamW(decayed, lr=0.05, weight_decay=0.2)
    for gradient in gradients:
        before = plain["w"].copy()
        adam.step({"w": gradient})
        expected = decayed["w"] * (1 - 0.05 * 0.2) + (plain["w"] - before)
        adamw.step({"w": gradient})
        np.testing.assert_allclose(decayed["w"], expected, rtol=1e-12)


OPTIMISERS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "sgd L2": ("SGD", {"momentum": 0.8, "weight_decay": 0.1}),
    "adam": ("Adam", {}),
    "adam L2": ("Adam", {"weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-4}),
    "adamw": ("AdamW", {}),
    "adamw decay": ("AdamW", {"weight_decay": 0.3}),
}


@pytest.mark.parametrize("case", OPTIMISERS)
def test_optimisers_agree_with_pytorch(rng: np.random.Generator, case: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    name, settings = OPTIMISERS[case]
    ours = rng.standard_normal((6, 5))
    theirs = torch.tensor(ours, requires_grad=True)
    optimiser = getattr(nn, name)({"weight": ours}, lr=3e-3, **settings)
    reference = getattr(torch.optim, name)([theirs], lr=3e-3, **settings)
    for scale in (1.0, 1e-3, 1e-9, 0.0, 10.0):
        gradient = scale * rng.standard_normal(ours.shape)
        theirs.grad = torch.tensor(gradient)
        reference.step()
        optimiser.step({"weight": gradient})
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12)


def test_adam_learns() -> None:
    parameters = {"at": np.array([3.0, -2.0])}
    adam = nn.Adam(parameters, lr=0.1)
    for _ in range(300):
        adam.step({"at": 2 * (parameters["at"] - [1.0, 0.5])})
    np.testing.assert_allclose(parameters["at"], [1.0, 0.5], atol=1e-2)


def test_clip_scales_all_gradients_together() -> None:
    grads = {"a": np.array([[3.0, 0.0]], np.float32), "b": np.array(4.0, np.float32)}
    assert nn.clip_grad_norm(grads, 10.0) == 5.0
    assert grads["b"] == 4.0
    assert nn.clip_grad_norm(grads, 1.0) == 5.0
    assert nn.grad_norm(grads) == pytest.approx(1.0)
    np.testing.assert_allclose(grads["a"], [[0.6, 0.0]], rtol=1e-6)


def test_clip_refuses_one_array_under_two_names() -> None:
    shared = np.array([3.0, 4.0])
    for other in (shared, shared[:1], shared.reshape(2, 1)):
        with pytest.raises(ValueError, match=r"grads\['.'\] shares memory with grads\['.'\]"):
            nn.clip_grad_norm({"a": shared, "b": other}, 1.0)
    assert shared.tolist() == [3, 4]


def test_clip_by_value() -> None:
    grads = {"a": np.array([[3.0, -0.5], [-9.0, np.nan]], np.float32), "b": np.array(-np.inf)}
    nn.clip_grad_value(grads, 2.0)
    np.testing.assert_array_equal(grads["a"], np.array([[2.0, -0.5], [-2.0, np.nan]], np.float32))
    assert grads["b"] == -2.0


def test_norm_is_summed_in_float64() -> None:
    assert nn.grad_norm({"large": np.full(4, 1e30, np.float32)}) == pytest.approx(2e30)
    assert nn.grad_norm({"small": np.full((2, 2), 1e-30, np.float32)}) == pytest.approx(2e-30)
    assert nn.grad_norm({}) == 0.0


def test_a_norm_that_is_not_finite_shows() -> None:
    zeros, both = np.zeros(3, np.float32), {"a": np.array([np.inf]), "b": np.array([np.nan])}
    for bad in (np.inf, np.nan):
        for grads in ({"a": np.array([1.0, bad]), "b": zeros.copy()}, {"a": zeros.copy(), "b": np.array([1.0, bad])}):
            np.testing.assert_equal(nn.clip_grad_norm(grads, 1.0), bad)
            assert np.isnan(grads["a"]).all() and np.isnan(grads["b"]).all()
    assert np.isnan(nn.grad_norm(both)) and np.isnan(nn.grad_norm(dict(reversed(both.items()))))


def test_norms_beyond_float64_s_squares() -> None:
    assert nn.grad_norm({"a": np.array([3e200, 4e200])}) == pytest.approx(5e200)
    assert nn.grad_norm({"a": np.array([3e-200]), "b": np.array([-4e-200])}) == pytest.approx(5e-200)
    grads = {"a": np.array([3e200, 4e200])}
    nn.clip_grad_norm(grads, 1.0)
    np.testing.assert_allclose(grads["a"], [0.6, 0.8])


def test_parameters_that_share_memory_are_refused() -> None:
    w = np.ones(4)
    with pytest.raises(ValueError, match="shares memory with"):
        nn.SGD({"a": w, "b": w[2:]})


def test_gradients_of_other_kinds_are_used_or_refused_before_anything_moves() -> None:
    parameters = {"a": np.ones(2), "b": np.ones(2)}
    sgd = nn.SGD(parameters, 1.0)
    sgd.step({"a": np.ones(2), "b": [1.0, 0.0]})  # type: ignore[dict-item]
    assert parameters["b"].tolist() == [0, 1]
    with pytest.raises(TypeError, match=r"grads\['b'\] has dtype '<f4', expected float64 as the parameter has"):
        sgd.step({"a": np.ones(2), "b": np.ones(2, np.float32)})
    assert sgd.steps == 1 and parameters["a"].tolist() == [0, 0]


def test_a_layer_s_parameters_stay_the_same_arrays() -> None:
    layer = nn.Linear(2, 1)
    weight = layer.parameters["weight"]
    layer.parameters["weight"] = np.full((1, 2), 3, np.float32)
    assert layer.parameters["weight"] is weight and weight.tolist() == [[3, 3]]
    layer.parameters["weight"] -= 1
    assert weight.tolist() == [[2, 2]]
    for name, values, error in (
        ("weight", np.ones((2, 1), np.float32), ValueError),
        ("weight", np.ones((1, 2)), TypeError),
        ("w", np.ones((1, 2), np.float32), KeyError),
    ):
        with pytest.raises(error):
            layer.parameters[name] = values
    with pytest.raises(KeyError, match="this layer has no parameter 'w', only weight, bias"):
        layer.parameters["w"]
    for change in ("update", "pop", "__delitem__", "__ior__"):
        assert not hasattr(layer.parameters, change)


def test_copies_of_layers_have_parameters_of_their_own() -> None:
    layer = nn.Linear(2, 1)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.deepcopy(nn.Embedding(3, 2))):
        name, values = next(iter(twin.parameters.items()))
        before = layer.parameters["weight"].copy()
        twin.parameters[name] = np.zeros_like(values)
        assert values.tolist() == np.zeros_like(values).tolist()
        assert np.array_equal(layer.parameters["weight"], before)


def test_names_that_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="two parts have an array that would be called 'a.b.c'"):
        nn.named(**{"a": {"b.c": np.ones(1)}, "a.b": {"c": np.ones(1)}})
