"""How fit ends before its time: Ctrl-C, losses that are no numbers; and what it refuses to start with."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rnnfast import nn


@pytest.fixture(autouse=True)
def _as_in_a_program_that_a_terminal_started() -> Iterator[None]:
    """Ctrl-C is often ignored in what runs in the background, as these tests may."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, signal.SIG_IGN if previous is None else previous)


class Line:
    """A loss |w|^2 whose step does something once, at the given call."""

    def __init__(self, at: int = 0, what: Callable[[], object] | None = None) -> None:
        self.parameters, self.calls = {"w": np.full(2, 4.0)}, 0
        self.sgd = nn.SGD(self.parameters, 0.1)
        self._at, self._what = at, what

    def step(self, batch: Any) -> tuple[float, dict[str, np.ndarray]]:
        self.calls += 1
        if self.calls == self._at and self._what is not None:
            self._what()
        w = self.parameters["w"]
        return float(w @ w), {"w": 2 * w}

    def fit(self, **options: Any) -> nn.History:
        return nn.fit(self.step, [1, 2, 3], self.sgd, epochs=5, progress=False, **options)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_ends_training_after_the_batch_and_returns_the_history() -> None:
    line = Line(at=8, what=lambda: signal.raise_signal(signal.SIGINT))
    history = line.fit()
    assert history.interrupted and len(history.loss) == len(history.lr) == 2
    assert line.calls == line.sgd.steps == 8
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not line.fit(history=history).interrupted and len(history.loss) == 7


def test_a_second_ctrl_c_ends_training_at_once() -> None:
    line = Line(at=8, what=lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)])
    history = line.fit()
    assert history.interrupted and len(history.loss) == 2 and line.sgd.steps == 7


def test_keyboard_interrupt_from_a_step_or_from_validation_keeps_the_history() -> None:
    for validate in (None, lambda: 1.0):
        line = Line(at=4, what=interrupt)
        history = line.fit(validate=validate)
        assert history.interrupted and len(history.loss) == 1
    assert Line().fit(validate=interrupt).interrupted


def test_a_program_s_own_handling_of_ctrl_c_stays() -> None:
    seen: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        history = Line(at=2, what=lambda: signal.raise_signal(signal.SIGINT)).fit()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert seen == [signal.SIGINT] and not history.interrupted and len(history.loss) == 5


def test_the_best_weights_are_restored_after_ctrl_c() -> None:
    line = Line(at=8, what=interrupt)
    validation, seen = iter([1.0, 2.0]), []

    def validate() -> float:
        seen.append(line.parameters["w"].copy())
        return next(validation)

    line.fit(validate=validate, early_stopping=nn.EarlyStopping(line.parameters))
    assert np.array_equal(line.parameters["w"], seen[0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_stops_before_anything_moves(bad: float) -> None:
    line, history = Line(), nn.History()

    def step(batch: int) -> tuple[float, dict[str, np.ndarray]]:
        loss, grads = line.step(batch)
        return (bad, {"w": np.full(2, np.nan)}) if line.calls == 5 else (loss, grads)

    message = f"the loss is {bad} in batch 2 of epoch 2, after 4 steps of SGD; .*max_norm.*require_finite=False"
    with pytest.raises(FloatingPointError, match=message):
        nn.fit(step, [1, 2, 3], line.sgd, epochs=5, history=history, progress=False)
    assert np.isfinite(line.parameters["w"]).all() and line.sgd.steps == 4
    assert len(history.loss) == 1
    line.calls = 4
    history = nn.fit(step, [1, 2, 3], line.sgd, epochs=2, require_finite=False, progress=False)
    assert not np.isfinite(history.loss[0]) and np.isnan(line.parameters["w"]).all()


def test_a_norm_or_a_validation_loss_that_is_no_number_stops() -> None:
    line = Line()
    with pytest.raises(FloatingPointError, match="the gradients' norm is nan in batch 1 of epoch 1, whose loss is 1.0"):
        step = lambda batch: (1.0, {"w": np.array([1.0, np.nan])})  # noqa: E731
        nn.fit(step, [1], line.sgd, epochs=2, max_norm=1.0, progress=False)
    assert line.sgd.steps == 0
    history = nn.History()
    with pytest.raises(FloatingPointError, match="the validation loss is inf in epoch 1"):
        line.fit(validate=lambda: float("inf"), history=history)
    assert history.validation == [np.inf] and len(history.loss) == 1


def test_history_goes_on() -> None:
    line, history = Line(), nn.History()
    first = line.fit(history=history)
    seconds = first.seconds
    assert line.fit(history=history) is first is history
    assert len(history.loss) == 10 and history.loss == sorted(history.loss, reverse=True)
    assert history.seconds > seconds > 0


def test_a_schedule_of_another_optimiser_is_refused() -> None:
    line, other = Line(), Line()
    for schedule in (nn.StepLR(other.sgd, 2), nn.CosineLR(other.sgd, 2), nn.PlateauLR(other.sgd)):
        with pytest.raises(ValueError, match="schedule sets the rate of another optimiser"):
            line.fit(schedule=schedule)
    assert line.calls == 0
    assert line.fit(schedule=nn.StepLR(line.sgd, 1)).lr[1] < 0.1
