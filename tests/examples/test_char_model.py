"""The character model behind the demo: its gradients, its evaluation, its samples, and the same net in PyTorch."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
from nets import BACKEND

from rnnfast.examples.char_model import CharModel
from rnnfast.examples.text_source import Alphabet, read_text, text_batches
from rnnfast.examples.training import Trainer

pytest.importorskip("threadpoolctl", reason="the demo needs threadpoolctl")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_model_gradients_point_uphill(cell: str) -> None:
    rng = np.random.default_rng(0)
    model = CharModel(Alphabet.of("abcdef"), cell=cell, hidden=5, layers=2, embedding=4, backend="reference")
    inputs, targets = rng.integers(0, 6, (2, 7, 3))
    state = model.gradients(inputs, targets)[1]
    _, _, grads = model.gradients(inputs, targets, state)
    assert grads.keys() == model.parameters.keys()
    for part in ("embedding", "recurrent", "head"):
        names = [name for name in grads if name.startswith(part)]
        length = np.sqrt(sum(np.vdot(grads[name], grads[name]) for name in names))
        values = []
        for step in (0.01, -0.02):
            for name in names:
                model.parameters[name] += np.float32(step / length) * grads[name]
            values.append(model.gradients(inputs, targets, state)[0])
        for name in names:
            model.parameters[name] += np.float32(0.01 / length) * grads[name]
        assert (values[0] - values[1]) / 0.02 == pytest.approx(length, rel=0.02)


def test_evaluation_carries_the_state_through_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CharModel(Alphabet.of("abcdef"), hidden=8, backend="reference")
    codes = np.random.default_rng(1).integers(0, 6, 300)
    whole = model.bits_per_character(codes)
    monkeypatch.setattr("rnnfast.examples.char_model.EVALUATION_STEPS", 37)
    assert model.bits_per_character(codes) == pytest.approx(whole, rel=1e-5)
    loss, _, _ = model.gradients(codes[:-1, None], codes[1:, None])
    assert whole == pytest.approx(loss / np.log(2), rel=1e-5)


def test_samples_follow_seed_and_temperature() -> None:
    model = CharModel(Alphabet.of("abcdef"), hidden=8, seed=4, backend="reference")
    once, again, other = (model.generate("abc", 50, seed=seed) for seed in (1, 1, 2))
    assert once == again != other
    assert len(once) == 50
    cold = [model.generate("abc", 50, temperature=1e-4, seed=seed) for seed in (1, 2)]
    assert model.generate("abc", 50, temperature=5e-324) == cold[0]
    assert cold[0] == cold[1]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_same_net_in_pytorch_learns_the_same(cell: str, text_file: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from rnnfast.examples.torch_model import TorchTrainer
    from rnnfast.examples.torch_speed import compare_training

    text = read_text(text_file)
    model = CharModel(Alphabet.of(text), cell=cell, hidden=12, layers=2, embedding=6)
    codes = model.alphabet.encode(text)
    theirs, ours = TorchTrainer.of(copy.deepcopy(model)), Trainer(model)
    losses = [(ours.step(*pair), theirs.step(*pair)) for pair in itertools.islice(text_batches(codes, 8, 16), 5)]
    assert losses[0][0] > losses[-1][0]
    for our_loss, their_loss in losses:
        assert our_loss == pytest.approx(their_loss, rel=1e-4)
    speed = compare_training(model, codes, seconds=0)
    assert speed.ours > 0 and speed.torch > 0 and speed.ratio == speed.ours / speed.torch


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_sample_goes_on_from_a_state(cell: str) -> None:
    model = CharModel(Alphabet.of("abcdef"), cell=cell, hidden=8, layers=2, seed=4, backend="reference")
    for parameter in model.parameters.values():
        parameter *= 4  # so that what follows depends on the state
    codes = np.array([3, 1, 5, 0])
    _, h = model.recurrent(model.embedding(codes[:3, None]))
    most_likely, read = [], list(codes)
    for _ in range(12):
        y, _ = model.recurrent(model.embedding(np.array(read)[:, None]))
        read.append(int(model.head(y[-1, 0]).argmax()))
        most_likely.append(read[-1])
    cold = model.sample(h, seed=0, n=12, temperature=1e-6)
    assert cold.dtype == np.int64 and cold.tolist() == most_likely
    drawn = model.sample(h, 0, 30, rng=np.random.default_rng(5))
    text = model.generate(model.alphabet.decode(codes), 30, seed=5)
    assert model.alphabet.decode(drawn) == text
    assert (
        model.sample(None, 0, 12, temperature=1e-6).tolist()
        == model.sample(None, 0, 12, temperature=1e-6, rng=np.random.default_rng(1)).tolist()
    )
    with pytest.raises(ValueError, match="expected 0 to 5"):
        model.sample(h, 6, 3)


def test_samples_follow_the_probabilities() -> None:
    model = CharModel(Alphabet.of("abcd"), hidden=4, seed=1, backend=BACKEND)
    for name, parameter in model.parameters.items():
        if not name.startswith("head.bias"):
            parameter[...] = 0  # so that every character is drawn from the same ones
    model.parameters["head.bias"][...] = np.log([0.1, 0.2, 0.3, 0.4])
    for temperature, power in ((1.0, 1), (0.5, 2)):
        shares = np.bincount(model.sample(None, 0, 4000, temperature=temperature, rng=np.random.default_rng(2))) / 4000
        expected = np.array([0.1, 0.2, 0.3, 0.4]) ** power
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.03)
