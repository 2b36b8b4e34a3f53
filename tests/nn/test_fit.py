"""The training loop of rnnfast.nn: what it calls, what it notes, when it ends, and its bar."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import nn


class Bowl:
    """A loss |w - x|^2 for batches x, whose minimum is the mean of all x."""

    def __init__(self, start: float = 5.0) -> None:
        self.parameters = {"w": np.full(2, start)}
        self.norms: list[float] = []

    def step(self, x: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        difference = self.parameters["w"] - x
        self.norms.append(float(np.linalg.norm(2 * difference)))
        return float(difference @ difference), {"w": 2 * difference}


def test_fit_steps_through_every_batch_of_every_epoch() -> None:
    ours, by_hand = Bowl(), Bowl()
    batches = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    sgd, expected = nn.SGD(ours.parameters, 0.1), []
    history = nn.fit(ours.step, batches, sgd, epochs=20, progress=False)
    for _ in range(20):
        losses = []
        for x in batches:
            loss, grads = by_hand.step(x)
            losses.append(loss)
            by_hand.parameters["w"] -= 0.1 * grads["w"]
        expected.append(np.mean(losses))
    assert history.loss == pytest.approx(expected)
    assert history.lr == [0.1] * 20
    assert history.validation == [] and history.seconds > 0
    np.testing.assert_allclose(ours.parameters["w"], by_hand.parameters["w"], rtol=1e-12)


def test_fit_clips_the_norm() -> None:
    bowl = Bowl(start=100.0)
    nn.fit(bowl.step, [np.zeros(2)], nn.SGD(bowl.parameters, 1.0), epochs=3, max_norm=0.5, progress=False)
    assert bowl.norms[0] > 200
    assert np.linalg.norm(bowl.parameters["w"]) == pytest.approx(100 * np.sqrt(2) - 1.5)


@pytest.mark.parametrize("validated", [False, True])
def test_schedule_and_early_stopping_go_by_the_validation_loss_if_there_is_one(validated: bool) -> None:
    bowl, validation, seen = Bowl(), iter([3.0, 2.0, 4.0, 5.0, 1.0]), []

    class Schedule:
        def step(self, loss: float) -> None:
            seen.append(loss)
            sgd.lr *= 0.5

    weights = []

    def validate() -> float:
        weights.append(bowl.parameters["w"].copy())
        return next(validation)

    sgd, stopping = nn.SGD(bowl.parameters, 0.1), nn.EarlyStopping(bowl.parameters, patience=2)
    history = nn.fit(
        bowl.step,
        [np.zeros(2)],
        sgd,
        epochs=9,
        schedule=Schedule(),
        validate=validate if validated else None,
        early_stopping=stopping,
        progress=False,
    )
    assert seen == (history.validation if validated else history.loss)
    assert len(history.loss) == (4 if validated else 9)
    assert history.lr == [0.1 * 0.5**k for k in range(len(history.loss))]
    if validated:
        assert history.validation == [3.0, 2.0, 4.0, 5.0]
        assert np.array_equal(bowl.parameters["w"], weights[1])


def test_the_best_weights_are_restored_where_all_epochs_were_used() -> None:
    bowl, validation = Bowl(), iter([1.0, 2.0])
    weights = []

    def validate() -> float:
        weights.append(bowl.parameters["w"].copy())
        return next(validation)

    stopping = nn.EarlyStopping(bowl.parameters)
    sgd = nn.SGD(bowl.parameters, 0.1)
    nn.fit(bowl.step, [np.zeros(2)], sgd, epochs=2, validate=validate, early_stopping=stopping, progress=False)
    assert np.array_equal(bowl.parameters["w"], weights[0])


def test_an_epoch_without_a_batch_is_an_error() -> None:
    bowl = Bowl()
    with pytest.raises(ValueError, match="nothing in epoch 2: .*an iterator serves one epoch only"):
        nn.fit(bowl.step, iter([np.zeros(2)]), nn.SGD(bowl.parameters), epochs=2, progress=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_shows_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich", reason="the bar needs rich")
    monkeypatch.setenv("COLUMNS", "100")

    def said(stream: io.StringIO, **options: Any) -> str:
        bowl = Bowl()
        monkeypatch.setattr(sys, "stderr", stream)
        nn.fit(bowl.step, [np.zeros(2)], nn.SGD(bowl.parameters, 0.1), epochs=3, validate=lambda: 0.25, **options)
        return stream.getvalue()

    shown = said(Terminal())
    assert "3/3" in shown and "validation 0.25" in shown
    assert said(io.StringIO()) == said(Terminal(), progress=False) == ""
    monkeypatch.setitem(sys.modules, "rich", None)
    assert said(Terminal()) == ""


def test_a_net_of_several_parts_learns_a_ragged_task(rng: np.random.Generator) -> None:
    """The sign of the sum of each sequence: an embedding, a GRU and a head under one optimiser."""
    codes = [rng.integers(0, 5, n) for n in rng.integers(1, 12, 120)]
    labels = np.array([int(np.sum(c - 2) > 0) for c in codes])
    embedding, gru, head = nn.Embedding(5, 4, seed=1), rnnfast.GRU(4, 12, batch_first=True, seed=2), nn.Linear(12, 2)
    parameters = nn.named(embedding=embedding.parameters, gru=gru.parameters, head=head.parameters)
    assert parameters["gru.weight_hh_l0"] is gru.parameters["weight_hh_l0"]

    def step(batch: Any) -> tuple[float, dict[str, np.ndarray]]:
        x, label = batch
        vectors, embedded = embedding.record(x.values)
        _, state, recurrent = gru.record(vectors, lengths=x.lengths)
        logits, scored = head.record(state[0])
        loss, d_logits = nn.cross_entropy(logits, label)
        top = scored.backward(d_logits)
        middle = recurrent.backward(d_state=top.x[None])
        bottom = embedded.backward(middle.x)
        return loss, nn.named(embedding=bottom.params, gru=middle.params, head=top.params)

    loader = nn.Loader(codes, labels, batch_size=16, buckets=3, seed=3)
    history = nn.fit(step, loader, nn.AdamW(parameters, 0.01), epochs=30, max_norm=1.0, progress=False)
    assert history.loss[-1] < 0.3 * history.loss[0]
