"""A stacked LSTM that forecasts a monthly series one month ahead, what it is shown, and what it says in degrees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import rnnfast
from rnnfast import nn
from rnnfast.examples.sea_temperature import YEAR, Series
from rnnfast.problem import Array

HIDDEN, LAYERS = 32, 2
DROPOUT = {"input_dropout": 0.1, "dropout": 0.2, "recurrent_dropout": 0.1}
WINDOW, WARM_UP, STRIDE = 48, 12, 3
"""Months of a training window, those at its start that do not count in the loss, and those between two starts."""

Batch = tuple[Array, Array]


class Forecaster:
    """Forecast of how far a month's anomaly is from the next, in standard deviations.

    The anomaly is the temperature's difference from what is usual in that month over the training years. `parameters`
    maps names to live arrays.
    """

    def __init__(
        self, *, hidden: int = HIDDEN, dtype: DTypeLike = "float32", seed: int = 0, backend: str | None = None
    ) -> None:
        options: Any = {"batch_first": True, "forget_bias": 1.0, "dtype": dtype, "backend": backend} | DROPOUT
        self.lstm: Any = rnnfast.LSTM(3, hidden, LAYERS, seed=seed, **options)
        self.head = nn.Linear(hidden, 1, dtype=dtype, seed=seed + 1)
        self.parameters = nn.named(lstm=self.lstm.parameters, head=self.head.parameters)

    def __call__(self, x: Array) -> Array:
        """Changes (B, T, 1) that follow months (B, T, 3), columns as `features` has them."""
        return self.head(self.lstm(x)[0])

    def step(self, batch: Batch, *, dropout_seed: int | None = None) -> tuple[float, dict[str, Array]]:
        """Mean squared error of the changes after all months but the first WARM_UP, and the parameters' gradients."""
        x, changes = batch
        y, _, recurrent = self.lstm.record(x, dropout_seed=dropout_seed)
        predicted, tape = self.head.record(y)
        counted = np.broadcast_to(np.arange(x.shape[1]) >= WARM_UP, x.shape[:2])
        loss, d_predicted = nn.mse(predicted, changes, mask=counted, out=predicted)
        head = tape.backward(d_predicted)
        lstm = recurrent.backward(head.x, need_x=False)
        return loss, nn.named(lstm=lstm.params, head=head.params)


def features(series: Series) -> Array:
    """Every month's anomaly in standard deviations of the training years, and where in the year it is: (T, 3)."""
    anomaly = series.degrees - series.climate
    angle = 2 * np.pi * np.arange(len(anomaly)) / YEAR
    columns = [anomaly / anomaly[: series.validation].std(), np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1).astype(np.float32)


def change_scale(series: Series) -> float:
    """The standard deviation in degrees of the anomaly's changes from month to month over the training years."""
    return float(np.diff(series.degrees - series.climate)[: series.validation - 1].std())


def windows(series: Series) -> Batch:
    """Features (N, WINDOW, 3) of training months in a row, and the scaled changes (N, WINDOW, 1) that follow them."""
    changes = (np.diff(series.degrees - series.climate) / change_scale(series)).astype(np.float32)[:, None]
    rows = np.arange(0, series.validation - WINDOW, STRIDE)[:, None] + np.arange(WINDOW)
    return features(series)[rows], changes[rows]


def forecast(model: Forecaster, series: Series) -> Array:
    """Every month in degrees, forecast from all months before it; (T,), NaN for the first."""
    change = model(features(series)[None, :-1])[0, :, 0] * change_scale(series)
    anomaly = (series.degrees - series.climate)[:-1] + change
    return np.concatenate([[np.nan], series.climate[1:] + anomaly])
