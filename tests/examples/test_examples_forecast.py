"""Forecast: nothing of the future is used, baselines and errors against their definitions, and a short training."""

from __future__ import annotations

import builtins
import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differences import close, numeric_gradient

from rnnfast.examples import command, forecast, forecaster, sea_temperature
from rnnfast.examples.forecaster import WARM_UP, WINDOW, Forecaster
from rnnfast.examples.sea_temperature import Series


@pytest.fixture
def made_up(rng: np.random.Generator) -> Series:
    """Ten years around a yearly curve, anomalies that last."""
    anomaly = np.zeros(121)
    for t in range(120):
        anomaly[t + 1] = 0.8 * anomaly[t] + rng.normal(0, 0.3)
    return Series(20 + 3 * np.sin(np.arange(120) * np.pi / 6) + anomaly[1:], validation=72, held_out=96)


@pytest.fixture(scope="module")
def series() -> Series:
    pytest.importorskip("statsmodels", reason="statsmodels, with the series, is not installed")
    return sea_temperature.load()


def test_the_usual_temperature_is_that_of_the_training_years(made_up: Series) -> None:
    assert made_up.climate.shape == (120,)
    assert made_up.climate[14] == pytest.approx(made_up.degrees[2:72:12].mean())
    assert np.array_equal(made_up.climate[:12], made_up.climate[-12:])


def test_errors_are_over_their_own_years(made_up: Series) -> None:
    forecast = made_up.degrees.copy()
    forecast[:72] += 100
    forecast[72:96] += 3
    forecast[96::2] += 4
    assert made_up.validation_error(forecast) == pytest.approx(3)
    assert made_up.held_out_error(forecast) == pytest.approx(np.sqrt(8))


def test_seasonal_naive(made_up: Series) -> None:
    naive = sea_temperature.seasonal_naive(made_up)
    assert np.isnan(naive[:12]).all() and naive[50] == made_up.degrees[38]


def test_windows_lead_to_the_next_month_and_end_with_the_training_years(made_up: Series) -> None:
    x, changes = forecaster.windows(made_up)
    anomaly = made_up.degrees - made_up.climate
    deviation, scale = anomaly[:72].std(), np.diff(anomaly[:72]).std()
    assert x.shape == (len(x), WINDOW, 3) and changes.shape == (len(x), WINDOW, 1)
    np.testing.assert_allclose(x[1, 5, 0] * deviation, anomaly[forecaster.STRIDE + 5], rtol=1e-5)
    np.testing.assert_allclose(
        x[:, :-1, 0] * deviation + changes[:, :-1, 0] * scale, x[:, 1:, 0] * deviation, atol=1e-5
    )
    later = Series(np.concatenate([made_up.degrees[:72], np.full(48, np.nan)]), 72, 96)
    for array, same in zip((x, changes), forecaster.windows(later), strict=True):
        assert np.array_equal(array, same)


def test_forecasts_know_nothing_of_their_month_or_later(made_up: Series) -> None:
    model = Forecaster(hidden=4, seed=1, backend="reference")
    whole = forecaster.forecast(model, made_up)
    assert np.isnan(whole[0]) and not np.isnan(whole[1:]).any()
    changed = made_up.degrees.copy()
    changed[100:] += 5
    again = forecaster.forecast(model, Series(changed, 72, 96))
    assert np.array_equal(whole[1:101], again[1:101])
    assert np.abs(whole[101:] - again[101:]).min() > 1
    model.head.parameters["weight"][...] = model.head.parameters["bias"][...] = 0
    stays = made_up.climate[1:] + (made_up.degrees - made_up.climate)[:-1]
    np.testing.assert_allclose(forecaster.forecast(model, made_up)[1:], stays)


def test_gradients_with_dropout_and_warm_up(rng: np.random.Generator) -> None:
    model = Forecaster(hidden=3, dtype="float64", seed=1, backend="reference")
    x, changes = rng.standard_normal((2, WARM_UP + 3, 3)), rng.standard_normal((2, WARM_UP + 3, 1))
    loss, grads = model.step((x, changes), dropout_seed=5)
    assert grads.keys() == model.parameters.keys()
    for name in ("lstm.weight_hh_l0", "lstm.weight_ih_l1", "head.weight", "head.bias"):
        close(
            grads[name], numeric_gradient(lambda: model.step((x, changes), dropout_seed=5)[0], model.parameters[name])
        )
    assert model.step((x, changes), dropout_seed=6)[0] != loss
    changes[:, :WARM_UP] += 100
    assert model.step((x, changes), dropout_seed=5)[0] == loss


def test_autoregression_is_least_squares_on_the_training_years(series: Series) -> None:
    order, cut = 2, series.validation
    months = np.eye(12)[np.arange(len(series.degrees)) % 12]
    lags = [np.roll(series.degrees, lag) for lag in (1, 2)]
    design = np.column_stack([*lags, months])
    weights = np.linalg.lstsq(design[order:cut], series.degrees[order:cut], rcond=None)[0]
    expected = design @ weights
    found = sea_temperature.autoregression(series, order)
    assert np.isnan(found[:order]).all()
    np.testing.assert_allclose(found[order:], expected[order:], rtol=1e-8)


def test_the_series_and_the_order_chosen(series: Series) -> None:
    assert len(series.degrees) == 61 * 12 and (series.degrees[0], series.degrees[-1]) == (23.11, 22.07)
    errors = {p: series.validation_error(sea_temperature.autoregression(series, p)) for p in sea_temperature.ORDERS}
    assert errors[sea_temperature.best_order(series)] == min(errors.values())
    changed = series.degrees.copy()
    changed[series.held_out :] = 0
    blind = Series(changed, series.validation, series.held_out)
    assert sea_temperature.best_order(blind) == sea_temperature.best_order(series)


def test_short_training_beats_what_is_naive_and_comes_near_the_autoregression(series: Series) -> None:
    model, history = forecast.train(series, epochs=12, seed=0, backend=command.backend_name(None))
    values = forecaster.forecast(model, series)
    assert series.validation_error(values) == pytest.approx(min(history.validation))  # the best weights are back
    errors = [series.held_out_error(v) for v in (values, sea_temperature.seasonal_naive(series))]
    assert errors[0] < 0.5 * errors[1]
    assert errors[0] < 1.1 * series.held_out_error(sea_temperature.autoregression(series, 3))


def test_command_line(series: Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("matplotlib", "rich"):
        pytest.importorskip(package, reason=f"the picture needs {package}")
    folder = tmp_path / "new"
    options = ["--nets", "1", "--epochs", "1", "--backend", "reference", "--output", str(folder)]
    assert forecast.main(options) == 0
    printed = capsys.readouterr().out
    assert re.search(r"as a year before +1\.8893 +1\.1510\nAR\(3\), monthly means +0\.4455 +0\.4499\n", printed)
    assert re.search(r"LSTM, seed 0 +0\.\d{4} +0\.\d{4}  1 epochs", printed)
    assert (folder / "forecast.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("missing", "extra"), [("statsmodels", "examples"), ("matplotlib", "demo")])
def test_what_is_missing_is_named(
    missing: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if missing != "statsmodels":
        pytest.importorskip("statsmodels", reason="the series ships with statsmodels")
    importing, finding = builtins.__import__, importlib.util.find_spec

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith(missing):
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else finding(name))
    assert forecast.main(["--output", str(tmp_path / "out"), "--backend", "reference"]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and missing in printed and f"pip install 'rnnfast[{extra}]'" in printed
    assert not (tmp_path / "out").exists()
