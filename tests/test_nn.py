"""The layers, losses, optimisers and clipping of rnnfast.nn: gradients by finite differences, numbers, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnfast import nn
from rnnfast.nn import optim

Array = np.ndarray[Any, np.dtype[Any]]


def numeric_gradient(loss: Callable[[], float], array: Array, step: float = 1e-6) -> Array:
    """Central differences of `loss` with respect to every entry of `array`, which is changed and put back."""
    gradient = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        array[at] = kept + step
        above = loss()
        array[at] = kept - step
        gradient[at] = (above - loss()) / (2 * step)
        array[at] = kept
    return gradient


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("leading", [(), (1,), (5,), (3, 2), (2, 1, 3), (0,), (4, 0)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_gradients(rng: np.random.Generator, leading: tuple[int, ...], bias: bool) -> None:
    layer = nn.Linear(4, 3, bias=bias, dtype="float64", seed=1)
    x, dy = rng.standard_normal((*leading, 4)), rng.standard_normal((*leading, 3))
    y, tape = layer.record(x)
    assert y.shape == (*leading, 3)
    close(y, x @ layer.parameters["weight"].T + layer.parameters.get("bias", 0.0))
    grads = tape.backward(dy)

    def loss() -> float:
        return float(np.sum(layer(x) * dy))

    assert grads.x is not None
    close(grads.x, numeric_gradient(loss, x))
    assert grads.params.keys() == layer.parameters.keys()
    for name, parameter in layer.parameters.items():
        close(grads.params[name], numeric_gradient(loss, parameter))


def test_linear_reads_strided_arrays(rng: np.random.Generator) -> None:
    layer = nn.Linear(4, 3, dtype="float64", seed=1)
    x, dy = rng.standard_normal((5, 2, 4)).swapaxes(0, 1), rng.standard_normal((2, 3, 5)).swapaxes(1, 2)
    y, tape = layer.record(x)
    close(y, layer(x.copy()))
    plain = layer.record(x.copy())[1].backward(dy.copy())
    grads = tape.backward(dy, need_x=False)
    assert grads.x is None
    for name in plain.params:
        close(grads.params[name], plain.params[name])


@pytest.mark.parametrize("shape", [(), (1,), (40,), (6, 5), (0,)])
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
def test_embedding_gradients(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> None:
    layer = nn.Embedding(9, 3, dtype="float64", seed=2)
    index = rng.integers(0, 9, shape).astype(kind)
    dy = rng.standard_normal((*shape, 3))
    y, tape = layer.record(index)
    assert y.shape == (*shape, 3)
    assert np.array_equal(y, layer.parameters["weight"][index.astype(int)])
    grads = tape.backward(dy)
    assert grads.x is None
    close(
        grads.params["weight"], numeric_gradient(lambda: float(np.sum(layer(index) * dy)), layer.parameters["weight"])
    )


@pytest.mark.parametrize("masked", [False, True])
def test_cross_entropy_gradients(rng: np.random.Generator, masked: bool) -> None:
    logits, targets = rng.standard_normal((4, 3, 6)), rng.integers(0, 6, (4, 3))
    mask = rng.random((4, 3)) < 0.6 if masked else None
    loss, gradient = nn.cross_entropy(logits, targets, mask=mask)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    surprise = -np.log(np.take_along_axis(softmax, targets[..., None], -1)[..., 0])
    assert loss == pytest.approx(np.mean(surprise if mask is None else surprise[mask]))
    close(gradient, numeric_gradient(lambda: nn.cross_entropy(logits, targets, mask=mask)[0], logits))


def test_cross_entropy_never_reads_what_is_not_counted(rng: np.random.Generator) -> None:
    logits, targets = rng.standard_normal((5, 4)).astype(np.float32), np.array([0, 3, 1, 2, 2])
    mask = np.array([True, False, True, True, False])
    expected, expected_gradient = nn.cross_entropy(logits[mask], targets[mask])
    logits[~mask], targets[~mask] = np.nan, -100
    loss, gradient = nn.cross_entropy(logits, targets, mask=mask)
    assert loss == expected
    assert np.array_equal(gradient[mask], expected_gradient)
    assert not gradient[~mask].any()
    nothing, gradient = nn.cross_entropy(logits, targets, mask=np.zeros(5, bool))
    assert nothing == 0.0
    assert not gradient.any()


def test_cross_entropy_is_stable_and_works_in_place() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -np.inf]], np.float32)
    loss, gradient = nn.cross_entropy(logits, [0, 1], out=logits)
    assert loss == pytest.approx(np.log(2) / 2)
    assert np.shares_memory(gradient, logits)
    np.testing.assert_allclose(gradient, [[0, 0, 0], [0.25, -0.25, 0]], atol=1e-7)


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


def test_adam_agrees_with_pytorch(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours = rng.standard_normal((6, 5))
    theirs = torch.tensor(ours, requires_grad=True)
    adam, reference = nn.Adam({"weight": ours}, lr=3e-3), torch.optim.Adam([theirs], lr=3e-3)
    for scale in (1.0, 1e-3, 1e-9, 0.0, 10.0):
        gradient = scale * rng.standard_normal(ours.shape)
        theirs.grad = torch.tensor(gradient)
        reference.step()
        adam.step({"weight": gradient})
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


def test_norm_is_summed_in_float64() -> None:
    assert nn.grad_norm({"large": np.full(4, 1e30, np.float32)}) == pytest.approx(2e30)
    assert nn.grad_norm({"small": np.full((2, 2), 1e-30, np.float32)}) == pytest.approx(2e-30)
    assert nn.grad_norm({}) == 0.0


def test_a_norm_that_is_not_finite_shows() -> None:
    grads = {"a": np.array([1.0, np.inf])}
    with np.errstate(invalid="ignore"):
        assert nn.clip_grad_norm(grads, 1.0) == np.inf
    assert np.isnan(grads["a"][1])
    assert np.isnan(nn.clip_grad_norm({"a": np.array([1.0, np.nan])}, 1.0))


def test_initial_values_follow_the_seed() -> None:
    for make in (nn.Linear, nn.Embedding):
        one, same, other = (make(50, 40, seed=seed).parameters["weight"] for seed in (1, 1, 2))
        assert one.dtype == np.float32
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)
    weight = nn.Linear(100, 400, seed=0).parameters["weight"]
    assert 0.099 < np.abs(weight).max() <= 0.1
    assert nn.Embedding(200, 200, seed=0).parameters["weight"].std() == pytest.approx(1.0, abs=0.05)


def test_a_tape_serves_one_backward() -> None:
    for layer, x in ((nn.Linear(3, 2), np.zeros((4, 3), np.float32)), (nn.Embedding(3, 2), np.array([0, 1, 2, 0]))):
        tape = layer.record(x)[1]
        with pytest.raises(ValueError, match="dy has shape"):
            tape.backward(np.zeros((4, 5), np.float32))
        tape.backward(np.zeros((4, 2), np.float32))
        with pytest.raises(RuntimeError, match="call record again"):
            tape.backward(np.zeros((4, 2), np.float32))


F32, F64 = np.zeros((2, 3), np.float32), np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.Linear(3, 2)(F64),
            TypeError,
            r"x has dtype float64, this Linear computes in float32: .*astype\('float32'\)",
        ),
        (lambda: nn.Linear(3, 2)(F32.astype(">f4")), TypeError, "x has dtype '>f4'"),
        (lambda: nn.Linear(4, 2)(F32), ValueError, r"x has shape \(2, 3\), this Linear was made for \(..., 4\)"),
        (lambda: nn.Linear(3, 2)(np.float32(1)), ValueError, r"x has shape \(\)"),
        (lambda: nn.Linear(3, 3).record(F32)[1].backward(F64), TypeError, "dy has dtype float64"),
        (lambda: nn.Linear(0, 2), ValueError, "in_features is 0, expected at least 1"),
        (lambda: nn.Linear(3, 2.5), TypeError, "out_features must be a whole number, got float"),
        (lambda: nn.Linear(3, 2, dtype="float16"), TypeError, "expected 'float32' or 'float64'"),
        (lambda: nn.Linear(3, 2, dtype=">f8"), TypeError, "this machine's byte order"),
        (lambda: nn.Embedding(5, 2)(np.array([0, 5])), ValueError, "index holds values from 0 to 5, expected 0 to 4"),
        (lambda: nn.Embedding(5, 2)(np.array([-1])), ValueError, "index holds values from -1"),
        (lambda: nn.Embedding(5, 2)(F32), TypeError, "index has dtype float32, expected integers"),
        (lambda: nn.Embedding(5, 3).record([1, 2])[1].backward(F64), TypeError, "dy has dtype float64"),
        (lambda: nn.cross_entropy(F32, [0, 3]), ValueError, "targets holds values from 0 to 3, expected 0 to 2"),
        (lambda: nn.cross_entropy(F32, [0, 1, 2]), ValueError, r"targets has shape \(3,\), expected \(2,\)"),
        (lambda: nn.cross_entropy(F32, [0.0, 1.0]), TypeError, "targets has dtype float64, expected integers"),
        (lambda: nn.cross_entropy([[1, 2]], [0]), TypeError, "expected float32 or float64"),
        (lambda: nn.cross_entropy(F32, [0, 1], mask=[1, 0]), TypeError, "mask has dtype int64, expected bool"),
        (lambda: nn.cross_entropy(F32, [0, 1], out=F64.copy()), TypeError, "out has dtype float64"),
        (lambda: nn.cross_entropy(F32, [0, 1], out=F32.T.copy().T), ValueError, "out has strides"),
        (lambda: nn.cross_entropy(F32[:, :0], [0, 1]), ValueError, "at least one class"),
        (lambda: nn.Adam({"w": F32}, lr=0.0), ValueError, "lr is 0.0"),
        (lambda: nn.Adam({"w": F32}, betas=(0.9, 1.0)), ValueError, r"betas\[1\] is 1.0"),
        (lambda: nn.Adam({"w": F32.T}), ValueError, "w must be a writeable C-contiguous array"),
        (lambda: nn.Adam({"w": F32}).step({"v": F32}), ValueError, r"missing \['w'\], of no parameter \['v'\]"),
        (lambda: nn.Adam({"w": F32}).step({"w": F64}), TypeError, "has dtype float64, this Adam computes in float32"),
        (lambda: nn.Adam({"w": F32}).step({"w": F32.T}), ValueError, r"grads\['w'\] has shape"),
        (lambda: nn.Linear(2**31, 2**31), MemoryError, "has more bytes than can be addressed"),
        (lambda: nn.Embedding(10**30, 2), MemoryError, "has more bytes than can be addressed"),
        (lambda: nn.grad_norm({"w": [1.0]}), TypeError, r"grads\['w'\] must be a float32 or float64 array"),
        (lambda: nn.clip_grad_norm({"w": np.ones(2, int)}, 1.0), TypeError, r"grads\['w'\] must be a float32"),
        (lambda: nn.clip_grad_norm({"w": np.broadcast_to(F32, (4, 2, 3))}, 1.0), ValueError, "is read-only"),
        (lambda: nn.clip_grad_norm({"w": F32}, 0.0), ValueError, "max_norm is 0.0"),
        (lambda: nn.clip_grad_norm({"w": F32}, float("nan")), ValueError, "max_norm is nan"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
