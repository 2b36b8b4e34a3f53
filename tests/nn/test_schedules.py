"""Learning-rate schedules and early stopping of rnnfast.nn: their formulas, PyTorch's schedules, the best weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnfast import nn

LOSSES = [5.0, 4.0, 4.0, 3.95, 4.2, 4.1, float("nan"), 2.0, 2.5, 2.5, 1.99, 2.4, 2.3, 2.2, 2.1, 2.0]


def optimiser(lr: float = 0.1) -> nn.SGD:
    return nn.SGD({"w": np.zeros(2)}, lr)


def rates(schedule: nn.Schedule, sgd: nn.SGD, losses: list[float] = LOSSES) -> list[float]:
    """The rate after every epoch."""
    found = []
    for loss in losses:
        schedule.step(loss)
        found.append(sgd.lr)
    return found


def test_step_schedule() -> None:
    sgd = optimiser()
    assert rates(nn.StepLR(sgd, every=3, factor=0.5), sgd) == [0.1 * 0.5 ** (k // 3) for k in range(1, 17)]


def test_cosine_schedule_falls_to_its_lowest_and_stays() -> None:
    sgd = optimiser()
    found = rates(nn.CosineLR(sgd, epochs=10, lowest=0.02), sgd)
    expected = [0.06 + 0.04 * math.cos(math.pi * min(k, 10) / 10) for k in range(1, 17)]
    assert found == pytest.approx(expected)
    assert found[9:] == pytest.approx([0.02] * 7)


def test_plateau_schedule_waits() -> None:
    sgd = optimiser()
    found = rates(nn.PlateauLR(sgd, 0.5, patience=2, min_delta=0.1, lowest=0.02), sgd)
    waited = [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.02, 0.02, 0.02]
    assert found[:12] == pytest.approx(waited)
    low = optimiser(0.01)
    assert rates(nn.PlateauLR(low, patience=1, lowest=0.02), low, [1.0, 1.0, 1.0]) == [0.01] * 3


def test_schedules_agree_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    cases = {
        "StepLR": (lambda s: nn.StepLR(s, 3, 0.5), {"step_size": 3, "gamma": 0.5}),
        "CosineAnnealingLR": (lambda s: nn.CosineLR(s, 16, 0.01), {"T_max": 16, "eta_min": 0.01}),
        "ReduceLROnPlateau": (
            lambda s: nn.PlateauLR(s, 0.5, patience=3, min_delta=0.02),
            {"factor": 0.5, "patience": 2, "threshold": 0.02, "threshold_mode": "abs"},
        ),
    }
    for name, (make, settings) in cases.items():
        sgd, theirs = optimiser(), torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.1)
        schedule = getattr(torch.optim.lr_scheduler, name)(theirs, **settings)
        expected = []
        for loss in LOSSES:
            theirs.step()
            schedule.step(*([loss] if name == "ReduceLROnPlateau" else []))
            expected.append(theirs.param_groups[0]["lr"])
        assert rates(make(sgd), sgd) == pytest.approx(expected), name
        assert min(expected) < 0.1


def test_early_stopping_restores_the_best_weights() -> None:
    parameters = {"w": np.array([0.0, 0.0])}
    stopping = nn.EarlyStopping(parameters, patience=3, min_delta=0.5)
    stops = []
    for epoch, loss in enumerate([3.0, 2.0, 1.8, 1.0, 0.9, float("nan"), 0.6], start=1):
        parameters["w"][:] = epoch
        stops.append(stopping.step(loss))
    assert stops == [False] * 6 + [True]
    assert (stopping.best_epoch, stopping.best_loss) == (4, 1.0)
    live = parameters["w"]
    stopping.restore()
    assert live is parameters["w"]
    assert live.tolist() == [4.0, 4.0]


def test_early_stopping_falls_back_on_the_first_weights_where_no_loss_was_a_number() -> None:
    parameters = {"w": np.array([1.0, 2.0], np.float32)}
    stopping = nn.EarlyStopping(parameters, patience=2)
    parameters["w"][:] = np.nan
    assert [stopping.step(float("nan")) for _ in range(2)] == [False, True]
    stopping.restore()
    assert parameters["w"].tolist() == [1.0, 2.0]
    assert stopping.best_epoch == 0
