"""Sentiment: the grammar read by other means, the model's gradients, known vectors, and what is learned in seconds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from differences import close, numeric_gradient

import rnnfast
from rnnfast import nn
from rnnfast.examples import command, sentiment
from rnnfast.examples.errors import UserError
from rnnfast.examples.opinions import VERBS, WORDS, encode, opinions, vocabulary
from rnnfast.examples.word_vectors import read_vectors

OPINIONS = opinions(3000, seed=1)
TURNING = ("i doubt that ", "nobody would say that ", "it is not true that ", "who would say that ")
PLAIN = ("i think that ", "everybody would say that ", "it is true that ", "who would doubt that ")


def reading(text: str) -> bool:
    """Whether a sentence is in favour, found from its words by a reader that shares nothing with the grammar."""
    if text.startswith("although "):
        return reading(text.partition(" , ")[2])
    for mark in (" although ", " , even if "):
        text = text.partition(mark)[0]
    if len(parts := re.split(r"(?<!anything) but ", text)) == 2:
        return reading(parts[1])
    for prefixes, turned in ((TURNING, True), (PLAIN, False)):
        for prefix in prefixes:
            if text.startswith(prefix):
                return reading(text.removeprefix(prefix)) != turned
    favourable = {word for table in (WORDS, VERBS) for word in table[True]}
    turned = any(mark in text for mark in (" not ", "anything but", "there is nothing"))
    return bool(favourable.intersection(text.split())) != turned


def test_sentences_mean_what_the_grammar_says() -> None:
    assert reading("although the plot was good , who would say that i love the soup") is False
    assert len({text for text, _ in OPINIONS}) == 3000
    for text, favours in OPINIONS:
        assert reading(text) == favours, text
    assert opinions(10, seed=1) == OPINIONS[:10] != opinions(10, seed=2)


def test_no_word_by_itself_tells() -> None:
    assert np.mean([favours for _, favours in OPINIONS]) == pytest.approx(0.5, abs=0.04)
    for word in vocabulary():
        sides = [favours for text, favours in OPINIONS if word in text.split()]
        assert abs(np.mean(sides) - 0.5) < 4 * 0.5 / np.sqrt(len(sides)), word  # 4 standard deviations of a fair coin


def test_encoding() -> None:
    sentences, favours = encode(OPINIONS[:50])
    words = vocabulary()
    assert [" ".join(words[code] for code in codes) for codes in sentences] == [text for text, _ in OPINIONS[:50]]
    assert favours.tolist() == [int(truth) for _, truth in OPINIONS[:50]]


def small_model(backend: str, dtype: str) -> sentiment.SentimentModel:
    return sentiment.SentimentModel(nn.Embedding(6, 3, dtype=dtype, seed=1), hidden=2, seed=2, backend=backend)


RAGGED = nn.pad([[1, 5, 0, 2, 2], [3, 0], [2, 4, 3, 1]]), np.array([1, 0, 1])


def test_gradients_on_ragged_batches() -> None:
    model = small_model("reference", "float64")
    loss, grads = model.step(RAGGED)
    assert loss == pytest.approx(nn.cross_entropy(model(RAGGED[0]), RAGGED[1])[0])
    assert grads.keys() == model.parameters.keys()
    for name, parameter in model.parameters.items():
        close(grads[name], numeric_gradient(lambda: model.step(RAGGED)[0], parameter))


@pytest.mark.parametrize("backend", ["c", pytest.param("numba", marks=pytest.mark.slow)])
def test_every_backend_learns_alike(backend: str) -> None:
    if reason := rnnfast.backends()[backend]:
        pytest.skip(reason)
    (loss, grads), (expected_loss, expected) = (
        small_model(name, "float32").step(RAGGED) for name in (backend, "reference")
    )
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected[name], rtol=1e-4, atol=1e-6)


def test_padding_does_not_matter() -> None:
    sentences, _ = encode(OPINIONS[:20])
    model = sentiment.SentimentModel(nn.Embedding(len(vocabulary()), 4, seed=1), hidden=3, backend="reference")
    alone = np.concatenate([model(nn.pad([sentence])) for sentence in sentences])
    np.testing.assert_allclose(model(nn.pad(sentences)), alone, rtol=1e-5, atol=1e-6)


def test_learns_what_a_bag_of_words_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentiment, "BATCH", 32)
    sentences, favours = encode(OPINIONS)
    learned, truth = sentences[:2500], favours[:2500]
    embedding = nn.Embedding(len(vocabulary()), sentiment.EMBEDDING, seed=1)
    model = sentiment.SentimentModel(embedding, backend=command.backend_name(None))
    sentiment.train(model, learned, truth, epochs=6)
    assert model.accuracy(sentences[2500:], favours[2500:]) > 0.9
    bag = sentiment.bag_of_words(learned, truth, epochs=10)
    counts = sentiment.word_counts(sentences)
    assert np.mean(bag(counts[:2500]).argmax(axis=1) == truth) < 0.6
    assert np.mean(bag(counts[2500:]).argmax(axis=1) == favours[2500:]) < 0.6


def test_a_bag_of_words_learns_where_words_tell() -> None:
    sentences, _ = encode(OPINIONS[:400])
    truth = (sentiment.word_counts(sentences)[:, vocabulary().index("not")] > 0).astype(np.int64)
    bag = sentiment.bag_of_words(sentences, truth, epochs=30)
    assert np.mean(bag(sentiment.word_counts(sentences)).argmax(axis=1) == truth) > 0.98


def test_known_vectors(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("200000 3\nsoup 1 2 3\nneverheard 4 5 x\ngood -1 0 1.5\n", encoding="utf-8")
    table, known = read_vectors(path, ["bad", "good", "soup"])
    assert known == 2 and table.dtype == np.float32
    assert table[1:].tolist() == [[-1, 0, 1.5], [1, 2, 3]]
    assert table[0].any() and np.array_equal(table, read_vectors(path, ["bad", "good", "soup"])[0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*No such file"),
        (b"soup 1 2\ngood 1\n", r"vectors of \[1, 2\] numbers, expected one size"),
        (b"soup 1 x\n", "line 1 of .* is '1 x' after the word, expected numbers"),
        (b"soup\n", "line 1 of .* is '' after the word"),
        (b"soup nan\n", "line 1 of .* is 'nan'"),
        (b"elsewhere 1 2\n", "has none of the words"),
        (b"soup \xff\n", r"is not UTF-8 text \(byte 5\)"),
    ],
)
def test_vectors_that_cannot_be_used(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_vectors(path, ["good", "soup"])


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sentiment, "LEARNED", 100)
    monkeypatch.setattr(sentiment, "HELD_OUT", 50)
    path = tmp_path / "vectors.txt"
    path.write_text("soup 1 2 3\ngood -1 0 1.5\n", encoding="utf-8")
    assert sentiment.main(["--epochs", "1", "--backend", "reference", "--vectors", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "vectors of 3 numbers for 2 of 70 words" in printed
    assert re.search(r"50 other sentences judged right: [\d.]+%; by a bag of words [\d.]+%", printed)
    assert sentiment.main(["--vectors", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith("python -m rnnfast.examples.sentiment: cannot read")
