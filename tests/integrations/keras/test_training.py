"""Training through Keras's PyTorch backend with layers that rnnfast runs, against Keras's own: gradients and losses."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="keras is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

from keras_layers import LAYERS, L, built, nothing_by_keras  # noqa: E402

from rnnfast.backends.c import backend as c  # noqa: E402
from rnnfast.integrations.keras import accelerate, report  # noqa: E402

pytestmark = [
    pytest.mark.skipif(c.reason() is not None, reason=str(c.reason())),
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras runs on another backend than torch"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),  # Keras 3.15 on NumPy 2
]


def gradients(layer: Any, x: Any, states: Any, mask: Any) -> list[Any]:
    """Those of x, the states and all weights, of a weighted sum of all outputs and states."""
    leaves = [x, *states, *[weight.value for weight in layer.trainable_weights]]
    results = keras.tree.flatten(layer(x, initial_state=states, mask=mask, training=True))
    weights = [torch.linspace(-1, 1, part.numel()).reshape(part.shape) for part in results]
    loss = sum((part * weight).sum() for part, weight in zip(results, weights, strict=True))
    return list(torch.autograd.grad(loss, leaves))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    "options", [{}, {"go_backwards": True}, {"use_bias": False}, {"zero_output_for_mask": True}], ids=str
)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(kind: str, options: dict[str, Any], masked: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = built(LAYERS[kind](6, return_sequences=True, return_state=True, **options), 3, 9, 4)
    x = torch.randn(3, 9, 4, generator=generator).requires_grad_()
    count = 2 if kind == "lstm" else 1
    states = [torch.randn(3, 6, generator=generator).requires_grad_() for _ in range(count)]
    mask = torch.rand(3, 9, generator=generator) < 0.6 if masked else None
    expected = gradients(layer, x, states, mask)
    accelerate(layer)
    with nothing_by_keras():
        found = gradients(layer, x, states, mask)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_of_the_last_output(kind: str) -> None:
    layer, x = built(LAYERS[kind](6), 3, 9, 4), torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0))
    weights = [weight.value for weight in layer.trainable_weights]
    expected = torch.autograd.grad(layer(x, training=True).square().sum(), weights)
    accelerate(layer)
    with nothing_by_keras():
        found = torch.autograd.grad(layer(x, training=True).square().sum(), weights)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru before", "tanh"])
def test_a_graph_that_is_kept_and_one_of_frozen_weights(kind: str) -> None:
    layer = accelerate(built(LAYERS[kind](6, return_sequences=True), 3, 9, 4))
    x = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    leaves = [x, *[weight.value for weight in layer.trainable_weights]]
    loss = layer(x).square().sum()
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    for one, other in zip(first, torch.autograd.grad(loss, leaves), strict=True):
        assert torch.equal(one, other)
    layer.trainable = False
    loss = layer(x).square().sum()
    loss.backward()
    assert x.grad is not None and x.grad.abs().max() > 0
    assert all(weight.value.grad is None for weight in layer.weights)


def test_saved_tensors_may_go_elsewhere_meanwhile() -> None:
    layer, moved = accelerate(built(L.LSTM(6), 3, 9, 4)), list[Any]()
    x = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (expected,) = torch.autograd.grad(layer(x).sum(), x)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: moved.append(t) or t.clone(), lambda t: t):
        y = layer(x)
    (found,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(found, expected) and moved


def test_second_derivatives_are_refused() -> None:
    layer, x = accelerate(built(L.GRU(6), 3, 9, 4)), torch.randn(3, 9, 4)
    weight = layer.cell.kernel.value
    (first,) = torch.autograd.grad(layer(x).square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="gradients cannot be differentiated again"):
        torch.autograd.grad(first.sum(), weight)


def model(seed: int, dropout: float) -> Any:
    keras.utils.set_random_seed(seed)
    made = keras.Sequential(
        [
            L.Input((None, 5)),
            L.Masking(),
            L.Bidirectional(L.LSTM(8, return_sequences=True, dropout=dropout, seed=5)),
            L.GRU(7, return_sequences=True),
            L.SimpleRNN(6),
            L.Dense(1),
        ]
    )
    made.compile("adam", "mse")
    return made


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_fit_has_the_losses_of_plain_keras(dropout: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 16, 5)).astype("float32"), rng.standard_normal((24, 1)).astype("float32")
    x[::3, 9:] = 0
    losses, weights = [], []
    for fast in (False, True):
        made = model(3, dropout)
        if fast:
            assert report(accelerate(made)) == {}
        keras.utils.set_random_seed(4)  # dropout is drawn from PyTorch's own generator
        with nothing_by_keras() if fast else nullcontext():
            history = made.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
        weights.append(made.get_weights())
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-4)
    assert losses[0][-1] < losses[0][0]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=2e-3)


@pytest.mark.slow
def test_compiled_by_torch() -> None:
    layer = built(L.LSTM(6, return_sequences=True), 3, 9, 4)
    x = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0))
    expected = layer(x).detach()
    accelerate(layer)
    compiled = torch.compile(layer, backend="aot_eager")
    with nothing_by_keras():
        compiled(x).sum().backward()
    torch.testing.assert_close(compiled(x).detach(), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("change", ["double", "half"])
def test_weights_of_another_dtype_are_kerass(kind: str, change: str) -> None:
    """Keras's layers are PyTorch's modules, whose methods change weights unseen by Keras, which casts them."""
    layer, x = built(LAYERS[kind](6, return_sequences=True), 3, 9, 4), torch.randn(3, 9, 4)
    getattr(layer, change)()
    expected = layer(x)
    assert torch.equal(accelerate(layer)(x), expected)


@pytest.mark.parametrize("kind", LAYERS)
def test_weights_of_another_shape_are_refused_by_keras(kind: str) -> None:
    layer, x = accelerate(built(LAYERS[kind](6), 3, 9, 4)), torch.randn(3, 9, 4)
    layer.cell.recurrent_kernel.value.data = torch.ones(2, 2)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        layer(x)
