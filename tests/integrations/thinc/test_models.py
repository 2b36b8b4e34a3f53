"""Models of thinc whose operations are rnnfast's: what they give and learn, how they are copied, what stays thinc's."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from rnnfast.backends.c.library import is_built
from rnnfast.problem import Array

pytest.importorskip("thinc", reason="thinc is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

from thinc import api  # noqa: E402

from rnnfast.integrations.thinc import RnnfastOps  # noqa: E402

WORDS = 6


def tagger(ops: str, bi: bool = False, dropout: float = 0.0) -> Any:
    """Scores of as many tags as there are words, for every word of every sentence."""
    with api.use_ops(ops):
        lstm = api.LSTM(16, 8, bi=bi, dropout=dropout)
        layers = api.with_array(api.Embed(8, WORDS)), api.with_padded(lstm), api.with_array(api.Softmax(WORDS, 16))
        model: Any = api.chain(*layers)
        return model.initialize()


def sentences(rng: np.random.Generator, count: int) -> tuple[list[Array], list[Array]]:
    """Words, and as tags the word before each, 0 before the first."""
    words = [rng.integers(WORDS, size=rng.integers(1, 10)).astype(np.int32) for _ in range(count)]
    return words, [np.append(0, sentence[:-1]).astype(np.int32) for sentence in words]


def shaken(model: Any) -> Any:
    """Return the model, every parameter random, states and biases too, which thinc begins with zeros."""
    rng = np.random.default_rng(1)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, rng.standard_normal(node.get_param(name).shape).astype(np.float32))
    return model


def with_weights_of(model: Any, other: Any) -> Any:
    """Return the model, its parameters those of the other."""
    return model.from_bytes(other.to_bytes())


def test_operations_are_registered_and_current_where_asked_for() -> None:
    assert type(api.get_ops("rnnfast")) is RnnfastOps
    before = type(api.get_current_ops())
    with api.use_ops("rnnfast", use_blis=False):
        assert api.get_current_ops().name == "rnnfast" and not api.get_current_ops().use_blis
    assert type(api.get_current_ops()) is before is not RnnfastOps


@pytest.mark.parametrize("bi", [False, True])
def test_a_model_gives_what_it_gives_with_thincs_own_operations(bi: bool, rng: np.random.Generator) -> None:
    own = shaken(tagger("numpy", bi))
    model = with_weights_of(tagger("rnnfast", bi), own)
    words, _ = sentences(rng, 7)
    for found, expected in zip(model.predict(words), own.predict(words), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    recorded, _ = model.begin_update(words)
    for found, expected in zip(recorded, model.predict(words), strict=True):
        assert np.array_equal(found, expected)


def test_a_model_made_before_changes_its_operations(rng: np.random.Generator) -> None:
    model, (words, _) = shaken(tagger("numpy")), sentences(rng, 4)
    before = model.predict(words)
    for node in model.walk():
        node.ops = RnnfastOps()
    after = model.predict(words)
    assert not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))  # other roundings
    for found, expected in zip(after, before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_tagger_learns(dropout: float, rng: np.random.Generator) -> None:
    api.fix_random_seed(0)
    model, optimizer = tagger("rnnfast", dropout=dropout), api.Adam(0.02)
    loss = api.CategoricalCrossentropy(normalize=False)
    for _ in range(60):
        words, tags = sentences(rng, 16)
        scores, backprop = model.begin_update(words)
        gradient = loss.get_grad(np.concatenate(scores), np.concatenate(tags)) / 16
        ends = np.cumsum([len(tag) for tag in tags])[:-1]
        backprop(np.split(gradient, ends))
        model.finish_update(optimizer)
    words, tags = sentences(rng, 50)
    found = np.concatenate(model.predict(words)).argmax(axis=1)
    assert np.mean(found == np.concatenate(tags)) > 0.95


def test_copies_made_while_the_operations_are_current_go_on(rng: np.random.Generator) -> None:
    model, (words, _) = shaken(tagger("rnnfast")), sentences(rng, 3)
    expected = model.predict(words)
    with api.use_ops("rnnfast"):
        copies = model.copy(), with_weights_of(tagger("rnnfast"), model), pickle.loads(pickle.dumps(model))
    for other in copies:
        assert type(other.layers[1].layers[0].ops) is RnnfastOps
        for found, array in zip(other.predict(words), expected, strict=True):
            assert np.array_equal(found, array)


@pytest.mark.filterwarnings("ignore:`torch.cuda.amp")  # a name that thinc uses
def test_an_lstm_of_pytorch_stays_pytorchs(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with api.use_ops("rnnfast"):
        model = api.PyTorchLSTM(4, 3).initialize()
    lstm = model.layers[0].shims[0]._model
    assert type(lstm) is torch.nn.LSTM
    x = rng.standard_normal((5, 3)).astype(np.float32)
    (y,) = model.predict([x])
    with torch.inference_mode():
        expected, _ = lstm(torch.from_numpy(x[:, None]))
    np.testing.assert_allclose(y, expected[:, 0].numpy(), rtol=1e-6, atol=1e-7)
