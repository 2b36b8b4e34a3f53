"""Forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples.sea_temperature import YEAR, Series
from rnnfast.problem import Array


@dataclass(frozen=True)
class Settings:
    hidden: int = 32
    layers: int = 2
    input_dropout: float = 0.0
    dropout: float = 0.1
    recurrent_dropout: float = 0.1
    l2: float = 1e-4
    lr: float = 5e-3
    window: int = 48
    warm_up: int = 12
    stride: int = 3
    batch: int = 16
    epochs: int = 100
    patience: int = 20


class Forecaster:
    def __init__(self, settings: Settings, *, seed: int = 0, backend: str | None = None) -> None:
        self.lstm = rnnfast.LSTM(
            3,
            settings.hidden,
            settings.layers,
            batch_first=True,
            dropout=settings.dropout,
            input_dropout=settings.input_dropout,
            recurrent_dropout=settings.recurrent_dropout,
            forget_bias=1.0,
            seed=seed,
            backend=backend,
        )
        self.head = nn.Linear(settings.hidden, 1, seed=seed + 1)
        for p in self.head.parameters.values():
            p[...] *= 0.1
        self.parameters = nn.named(lstm=self.lstm.parameters, head=self.head.parameters)

    def __call__(self, x: Array) -> Array:
        y, _ = self.lstm(x)
        return self.head(y)

    def gradients(self, x: Array, target: Array, mask: Array):
        y, _, recurrent = self.lstm.record(x)
        change, tape = self.head.record(y)
        loss, d = nn.mse(change, target, mask=mask)
        head = tape.backward(d)
        lstm = recurrent.backward(head.x, need_x=False)
        return loss, nn.named(lstm=lstm.params, head=head.params)


def inputs(series: Series):
    anomaly = series.degrees - series.climate
    scale = anomaly[: series.validation].std()
    angle = 2 * np.pi * np.arange(len(anomaly)) / YEAR
    x = np.stack([anomaly / scale, np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
    change = np.diff(anomaly) / scale
    return x, change.astype(np.float32)[:, None], scale


def fit_one(series: Series, settings: Settings, seed: int, backend: str | None = None):
    x, change, scale = inputs(series)
    cscale = change[: series.validation - 1].std()
    model = Forecaster(settings, seed=seed, backend=backend)
    starts = np.arange(0, series.validation - settings.window, settings.stride)
    rows = starts[:, None] + np.arange(settings.window)
    mask = np.arange(settings.window) >= settings.warm_up
    adam = nn.Adam(model.parameters, settings.lr, weight_decay=settings.l2)

    def forecast():
        f = np.full(len(series.degrees), np.nan)
        f[1:] = (
            series.degrees[:-1]
            - series.climate[:-1]
            + series.climate[1:]
            + model(x[None, :-1])[0, :, 0].astype(float) * cscale * scale
        )
        return f

    def step(batch):
        return model.gradients(batch[0], batch[1], np.broadcast_to(mask, batch[0].shape[:2]))

    history = nn.fit(
        step,
        nn.Loader(x[rows], change[rows] / cscale, batch_size=settings.batch, seed=seed),
        adam,
        epochs=settings.epochs,
        max_norm=1.0,
        schedule=nn.PlateauLR(adam, 0.5, patience=6),
        validate=lambda: series.validation_error(forecast()),
        early_stopping=nn.EarlyStopping(model.parameters, settings.patience),
        progress=False,
    )
    return forecast(), history
