"""The examples that tell classes apart or write text, shortened, on every CPU backend, and their command lines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from differences import close, numeric_gradient
from nets import BACKEND

import rnnfast
from rnnfast.examples import char_text, classifier, languages, softmax_cell
from rnnfast.examples.classifier import Classifier
from rnnfast.examples.text_source import read_text

ON_EVERY_CPU_BACKEND = pytest.mark.parametrize("backend", ["c", "numba", "reference"])


def skip_unless_able(backend: str) -> None:
    if reason := rnnfast.backends()[backend]:
        pytest.skip(reason)


def test_words_of_two_languages_differ(rng: np.random.Generator) -> None:
    texts, labels = languages.words(500, rng)
    assert len(set(texts)) == 500 and np.bincount(labels).tolist() == [250, 250]
    for text, label in zip(texts, labels, strict=True):
        begin, vowels, end = list(languages.SYLLABLES.values())[label]
        assert text.startswith(tuple(begin)) and text.endswith((*vowels, *filter(None, end)))
    vectors = languages.one_hot("vat")
    assert vectors.dtype == np.float32 and vectors.sum() == 3
    assert [languages.ALPHABET[code] for code in vectors.argmax(axis=1)] == ["v", "a", "t"]


@ON_EVERY_CPU_BACKEND
def test_languages_are_told_apart(backend: str) -> None:
    skip_unless_able(backend)
    result = softmax_cell.learn(epochs=5, backend=backend, progress=False)
    assert result.held_out > 0.95 and result.training > 0.95
    texts, labels = languages.words(1100, np.random.default_rng(0))
    right = 0
    for word, label in zip(texts[1000:], labels[1000:], strict=True):
        seen = softmax_cell.read(result.cell, word)
        assert seen.shape == (len(word), 2)
        np.testing.assert_allclose(seen.sum(axis=1), 1, rtol=1e-5)
        right += int(seen[-1].argmax() == label)
    assert right > 95  # stepped, they are told apart too


def test_classifier_gradients(rng: np.random.Generator) -> None:
    lstm = rnnfast.LSTM(2, 3, num_layers=2, batch_first=True, dtype="float64", seed=1, backend="reference")
    model = Classifier(lstm, 3)
    x, labels = rng.standard_normal((4, 5, 2)), np.array([2, 0, 1, 1])
    loss, grads = model.step((x, labels))
    probabilities = model(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(4), labels]).mean())
    assert grads.keys() == model.parameters.keys()
    for name, parameter in model.parameters.items():
        close(grads[name], numeric_gradient(lambda: model.step((x, labels))[0], parameter))


@ON_EVERY_CPU_BACKEND
def test_frequencies_are_told_apart(backend: str) -> None:
    skip_unless_able(backend)
    result = classifier.learn(epochs=10, backend=backend, progress=False)
    assert result.accuracy > 0.95
    assert result.confusion.sum() == classifier.HELD_OUT
    assert np.trace(result.confusion) == pytest.approx(result.accuracy * classifier.HELD_OUT)
    assert (result.confusion.sum(axis=1) == classifier.HELD_OUT // 3).all()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_perplexity_falls(cell: str, text_file: Path) -> None:
    text = read_text(text_file)
    result = char_text.learn(text, cell, steps=40, hidden=48, backend=BACKEND)
    unigram = char_text.unigram_perplexity(text)
    assert result.before > unigram > 3 * result.after
    assert len(result.sample) == char_text.SAMPLE and set(result.sample) <= set(text)
    assert sum(word in text.split() for word in result.sample.split()[1:-1]) > 4


def test_text_command_line(text_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--text", str(text_file), "--steps", "5", "--hidden", "8", "--backend", "reference", "--seed", "1"]
    assert char_text.main(arguments) == 0
    printed = capsys.readouterr().out
    places = [printed.index(f"{cell}: perplexity of held-out text") for cell in ("lstm", "gru", "rnn")]
    assert all(one < other for one, other in pairwise(places)) and printed.count("| ") >= 3
    assert char_text.main([*arguments, "--text", str(text_file / "none")]) == 1
    assert capsys.readouterr().err.startswith("python -m rnnfast.examples.char_text: cannot read ")


@pytest.mark.parametrize("example", [softmax_cell, classifier])
def test_command_lines(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert example.main(["--backend", "reference", "--epochs", "1", "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "1 epochs; backend reference" in printed and "told right" in printed and "cross-entropy" in printed


@pytest.mark.parametrize("example", [softmax_cell, classifier, char_text])
def test_help(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        example.main(["--help"])
    assert stopped.value.code == 0
    assert example.__name__ in capsys.readouterr().out
