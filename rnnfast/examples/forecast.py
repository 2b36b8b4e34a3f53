"""Forecast: next month's sea surface temperature, by a stacked LSTM with everything against overfitting.

The series, months from 1950 to 2010, comes with statsmodels: pip install 'rnnfast[examples]' brings it, and matplotlib
for the picture. Every forecast is of one month, made from all months before it. The nets learn from 1950 to 1989; the
years to 1999 are for validation: they end training, and by them the settings below and the order of the autoregression
printed beside were chosen. The years from 2000 on are held out and forecast once. Dropout of inputs, between the
layers and of recurrent products; L2 penalty, early stopping, a rate that falls on plateaus, gradients clipped by norm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import rnnfast
from rnnfast import nn
from rnnfast.examples import command, sea_temperature
from rnnfast.examples.blas import one_blas_thread
from rnnfast.examples.errors import UserError
from rnnfast.examples.sea_temperature import YEAR, Series
from rnnfast.option_types import count
from rnnfast.problem import Array

HIDDEN, LAYERS = 32, 2
DROPOUT = {"input_dropout": 0.1, "dropout": 0.2, "recurrent_dropout": 0.1}
LEARNING_RATE, L2, MAX_NORM, BATCH = 3e-3, 1e-4, 1.0, 16
EPOCHS, PATIENCE = 100, 15
WINDOW, WARM_UP, STRIDE = 48, 12, 3
"""Months of a training window, those at its start that do not count in the loss, and those between two starts."""
SEEDS = 5
TOLERANCE = 1.05

Batch = tuple[Array, Array]


class Forecaster:
    """How far a month's anomaly is from the next, in standard deviations. `parameters` maps names to live arrays.

    The anomaly is the temperature's difference from what is usual in that month over the training years.
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


@one_blas_thread()
def train(
    series: Series, *, epochs: int = EPOCHS, seed: int = 0, backend: str | None = None
) -> tuple[Forecaster, nn.History]:
    """A model that learned from the training years, until the validation years' error no longer fell."""
    model = Forecaster(seed=seed, backend=backend)
    adam = nn.Adam(model.parameters, LEARNING_RATE, weight_decay=L2)
    history = nn.fit(
        model.step,
        nn.Loader(*windows(series), batch_size=BATCH, seed=seed),
        adam,
        epochs=epochs,
        max_norm=MAX_NORM,
        schedule=nn.PlateauLR(adam, 0.5, patience=5),
        validate=lambda: series.validation_error(forecast(model, series)),
        early_stopping=nn.EarlyStopping(model.parameters, PATIENCE),
    )
    return model, history


def run(options: argparse.Namespace) -> None:
    """Train nets from several seeds, print their errors beside those of simple rules, and draw the forecast."""
    try:
        from rnnfast.examples.plotting import save_curves
    except ImportError as error:
        raise UserError(f"the picture needs {error.name}: pip install 'rnnfast[examples]'") from None
    series = sea_temperature.load()
    command.make_folder(options.output)
    order = sea_temperature.best_order(series)
    forecasts = {
        "as a year before": sea_temperature.seasonal_naive(series),
        f"AR({order}), monthly means": (autoregression := sea_temperature.autoregression(series, order)),
    }
    print(f"root mean squared error in degrees, one month ahead; backend {options.backend}")
    print(f"{'':24}validation  held out")
    for name, values in forecasts.items():
        _print_errors(name, series, values)
    nets = []
    for seed in range(options.seed, options.seed + options.nets):
        model, history = train(series, epochs=options.epochs, seed=seed, backend=options.backend)
        nets.append(forecast(model, series))
        _print_errors(f"LSTM, seed {seed}", series, nets[-1], f"{len(history.loss)} epochs, {history.seconds:.1f} s")
    mean = np.mean(nets, axis=0)
    _print_errors("mean of these forecasts", series, mean)
    errors = np.array([series.held_out_error(net) for net in nets])
    ratio = errors.mean() / series.held_out_error(autoregression)
    print(f"LSTM held out: mean {errors.mean():.4f}, standard deviation {errors.std(ddof=len(nets) > 1):.4f}")
    print(f"mean over the autoregression's: {ratio:.3f}; within 5%: {'yes' if ratio <= TOLERANCE else 'NO'}")
    years = sea_temperature.FIRST_YEAR + np.arange(series.held_out, len(series.degrees)) / YEAR
    curves = {"measured": series.degrees, "mean of the LSTMs": mean} | forecasts
    path = options.output / "forecast.png"
    save_curves(
        path,
        years,
        {name: values[series.held_out :] for name, values in curves.items()},
        title="Sea surface temperature, every month forecast from those before it",
        ylabel="degrees Celsius",
    )
    print(f"saved: {path}")


def _print_errors(name: str, series: Series, values: Array, note: str = "") -> None:
    errors = f"{series.validation_error(values):10.4f}{series.held_out_error(values):10.4f}"
    print(f"{name:24}{errors}  {note}".rstrip(), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m rnnfast.examples.forecast`; see --help."""
    parser = command.parser("forecast", __doc__, output=True)
    parser.add_argument("--nets", type=count, metavar="N", default=SEEDS, help=f"nets to train (default: {SEEDS})")
    parser.add_argument("--epochs", type=count, metavar="N", default=EPOCHS, help=f"at most (default: {EPOCHS})")
    return command.run(parser, argv, run)


if __name__ == "__main__":
    sys.exit(main())
