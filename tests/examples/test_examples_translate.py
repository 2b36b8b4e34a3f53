"""Translation: strings, beam search against every sequence there is, the model's gradients, and short training."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from differences import Array, close, numeric_gradient

from rnnfast import nn
from rnnfast.examples import command, translate
from rnnfast.examples.beam import State, beam_search
from rnnfast.examples.strings import (
    LETTERS,
    LONGEST,
    MARK,
    decode,
    encode,
    is_held_out,
    pairs,
    random_strings,
    translation,
)

VOCABULARY, LIMIT, END = 3, 4, 2


def test_strings_and_their_codes() -> None:
    assert translation("abCd") == "DcBA"
    assert encode("azAZ").tolist() == [0, 25, 26, 51]
    assert decode(np.array([0, 51, MARK, 3])) == "aZ" and decode(encode(LETTERS)) == LETTERS
    (source,), (before,), (after,) = pairs(["abC"])
    assert source.tolist() == [0, 1, 28]
    assert before.tolist() == [MARK, 2, 27, 26] and after.tolist() == [2, 27, 26, MARK]


def test_held_out_strings_are_never_learned_from() -> None:
    learned = random_strings(5000, np.random.default_rng(1))
    held_out = random_strings(600, np.random.default_rng(1), held_out=True)
    assert len(set(learned)) == 5000 and len(set(held_out)) == 600
    assert set(learned).isdisjoint(held_out)
    assert all(is_held_out(text) for text in held_out)
    assert {len(text) for text in learned} == set(range(1, LONGEST + 1))
    assert set("".join(learned)) == set(LETTERS)
    one_letter = [letter for letter in LETTERS if is_held_out(letter)]
    assert 0 < len(one_letter) < len(LETTERS) / 4
    for sources, before, after in translate.FreshStrings(2, seed=1):
        for row, length in zip(sources.values, sources.lengths, strict=True):
            assert not is_held_out("".join(LETTERS[code] for code in row[:length]))
        assert np.array_equal(before.lengths, sources.lengths + 1) and np.array_equal(after.lengths, before.lengths)


class Told:
    """A made-up model of VOCABULARY tokens: what comes next depends on all tokens so far, row by row of a batch."""

    def __init__(self, rng: np.random.Generator, batch: int) -> None:
        shape = (batch, VOCABULARY ** (LIMIT + 1), VOCABULARY)
        self.log_probs = np.log(rng.dirichlet(np.full(VOCABULARY, 0.5), shape[:2]) + 1e-30)
        self.start = (np.stack([np.arange(batch), np.zeros(batch, np.int64)])[:, :, None].swapaxes(0, 2),)

    def step(self, last: Array, state: State) -> tuple[Array, State]:
        """The state (1, N, 2) holds the row and the tokens so far as digits of a number."""
        row, so_far = state[0][0, :, 0], state[0][0, :, 1]
        so_far = np.where(last == END, 0, so_far * VOCABULARY + last + 1)
        return self.log_probs[row, so_far % self.log_probs.shape[1]], (np.stack([row, so_far], axis=1)[None],)

    def score(self, row: int, tokens: tuple[int, ...]) -> float:
        """The log-probability of these tokens, up to the first END."""
        total, state, last = 0.0, (np.array([[[row, 0]]]),), END
        for token in tokens:
            log_probs, state = self.step(np.array([last]), state)
            total, last = total + log_probs[0, token], token
            if token == END:
                break
        return total


def best_of_all(told: Told, row: int) -> tuple[tuple[int, ...], float]:
    """The best sequence there is: all of LIMIT tokens, those equal up to the first END counted once."""
    every = {}
    for tokens in itertools.product(range(VOCABULARY), repeat=LIMIT):
        length = tokens.index(END) if END in tokens else LIMIT
        every[tokens[:length] + (END,) * (LIMIT - length)] = told.score(row, tokens)
    return max(every.items(), key=lambda item: item[1])


def greedy(told: Told, row: int) -> tuple[tuple[int, ...], float]:
    tokens: tuple[int, ...] = ()
    while len(tokens) < LIMIT:
        options = [told.score(row, (*tokens, token)) for token in range(VOCABULARY)]
        tokens = (*tokens, END if tokens and tokens[-1] == END else int(np.argmax(options)))
    return tokens, told.score(row, tokens)


def test_a_wide_beam_finds_the_best_sequence_and_a_beam_of_one_is_greedy(rng: np.random.Generator) -> None:
    batch = 60
    told = Told(rng, batch)
    found = {
        width: beam_search(told.step, told.start, start=END, end=END, width=width, limit=LIMIT)
        for width in (1, 2, 3, VOCABULARY**LIMIT)
    }
    for width, expected in ((1, greedy), (VOCABULARY**LIMIT, best_of_all)):
        tokens, scores = found[width]
        for row in range(batch):
            assert (tuple(tokens[row]), pytest.approx(scores[row])) == expected(told, row)
    for tokens, scores in found.values():
        assert tokens.shape == (batch, LIMIT)
        assert scores == pytest.approx([told.score(row, tuple(tokens[row])) for row in range(batch)])
        assert (scores >= found[1][1] - 1e-12).all() and (scores <= found[VOCABULARY**LIMIT][1] + 1e-12).all()
    better = [(found[width][1] > found[1][1] + 1e-9).sum() for width in (2, 3, VOCABULARY**LIMIT)]
    assert 0 < better[0] <= better[1] <= better[2] < batch


def test_no_beam_loses_what_greedy_decoding_finds(rng: np.random.Generator) -> None:
    """Keeping the best candidates alone does, in one of some thousand sequences."""
    told = Told(rng, 20_000)
    (_, alone), (_, two) = (
        beam_search(told.step, told.start, start=END, end=END, width=width, limit=LIMIT) for width in (1, 2)
    )
    assert (two >= alone - 1e-12).all()


def test_gradients_reach_the_encoder_through_the_state() -> None:
    model = translate.Translator(embedding=2, hidden=3, dtype="float64", seed=1, backend="reference")
    texts = ["aB", "Dcba", "c"]
    sources, before, after = pairs(texts)
    batch = nn.pad(sources), nn.pad(before), nn.pad(after)
    loss, grads = model.step(batch)
    assert grads.keys() == model.parameters.keys()
    assert np.abs(grads["encoder.weight_hh_l0"]).max() > 0
    for name in (
        "source.weight",
        "target.weight",
        "encoder.weight_ih_l0",
        "encoder.weight_hh_l0",
        "decoder.bias_hh_l0",
    ):
        parameter = model.parameters[name][:8] if name.endswith("weight") else model.parameters[name]
        numeric = numeric_gradient(lambda: model.step(batch)[0], parameter)
        close(grads[name][: len(parameter)], numeric)
    alone = [model.step(tuple(nn.pad([part]) for part in parts))[0] for parts in zip(*pairs(texts), strict=True)]
    assert loss == pytest.approx(np.average(alone, weights=[len(text) + 1 for text in texts]))


@pytest.mark.parametrize("width", [1, 3])
def test_scores_are_those_of_teacher_forcing(width: int) -> None:
    model = translate.Translator(embedding=4, hidden=8, dtype="float64", seed=3, backend="reference")
    model.head.parameters["weight"] *= 6  # so that it says something
    texts = ["abc", "XyZw", "q"]
    found, scores = model.translate(texts, width=width)
    for text, said, score in zip(texts, found, scores, strict=True):
        codes = encode(said)
        before, after = np.append(MARK, codes), np.append(codes, MARK)[: LONGEST + 1]
        parts = nn.pad([encode(text)]), nn.pad([before[: len(after)]]), nn.pad([after])
        assert score == pytest.approx(-model.step(parts)[0] * len(after))


def test_exact() -> None:
    assert translate.exact(["ab", "Cd", "E"], ["BA", "Dc", "x"]) == pytest.approx(2 / 3)


def test_short_training_translates_short_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnfast.examples.strings.LONGEST", 3)
    model = translate.Translator(hidden=48, seed=1, backend=command.backend_name(None))
    history = translate.train(model, epochs=6, batches=60, seed=1)
    assert history.loss[-1] < 0.1 * history.loss[0]
    texts = random_strings(300, np.random.default_rng(2), held_out=True)
    assert max(map(len, texts)) == 3
    found, scores = model.translate(texts)
    assert translate.exact(texts, found) > 0.9
    _, better = model.translate(texts, width=3)
    assert (better >= scores - 1e-4).all()


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(translate, "BATCHES", 2)
    monkeypatch.setattr(translate, "HELD_OUT", 40)
    assert translate.main(["--epochs", "1", "--backend", "reference", "--width", "2"]) == 0
    printed = capsys.readouterr().out
    for name in ("greedy", "beam of 2"):
        assert re.search(rf"40 held-out strings, {name}: [\d.]+% exact", printed)
    assert translate.main(["--backend", "fortran"]) == 1
    assert capsys.readouterr().err.startswith(
        "python -m rnnfast.examples.translate: backend= names no backend: 'fortran'"
    )
