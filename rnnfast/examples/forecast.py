"""Forecast: next month's sea surface temperature, by a stacked LSTM with everything against overfitting.

The series, months from 1950 to 2010, comes with statsmodels: pip install 'rnnfast[examples]' brings it, and matplotlib
for the picture. Every forecast is of one month, made from all months before it. The nets learn from 1950 to 1989; the
years to 1999 are for validation: they end training, and by them the settings below and the order of the autoregression
printed beside were chosen. The years from 2000 on are held out and forecast once. Dropout of inputs, between the
layers and of recurrent products; L2 penalty, early stopping, a rate that falls on plateaus, gradients clipped by norm.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnfast import nn
from rnnfast.checks.command_line import count
from rnnfast.examples import command, pictures, sea_temperature
from rnnfast.examples.forecaster import Forecaster, forecast, windows
from rnnfast.examples.pictures import Curve
from rnnfast.examples.sea_temperature import YEAR, Series
from rnnfast.problem import Array

LEARNING_RATE, L2, MAX_NORM, BATCH = 3e-3, 1e-4, 1.0, 16
EPOCHS, PATIENCE = 100, 15
SEEDS = 5
TOLERANCE = 1.05


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


def show(*, backend: str, seed: int, nets: int, epochs: int, output: Path) -> None:
    """Train nets from several seeds, print their errors beside those of simple rules, and draw the forecast."""
    series = sea_temperature.load()
    pictures.prepare(output)
    order = sea_temperature.best_order(series)
    forecasts = {
        "as a year before": sea_temperature.seasonal_naive(series),
        f"AR({order}), monthly means": (autoregression := sea_temperature.autoregression(series, order)),
    }
    print(f"root mean squared error in degrees, one month ahead; backend {backend}")
    print(f"{'':24}validation  held out")
    for name, values in forecasts.items():
        _print_errors(name, series, values)
    learned = []
    for number in range(seed, seed + nets):
        model, history = train(series, epochs=epochs, seed=number, backend=backend)
        learned.append(forecast(model, series))
        _print_errors(
            f"LSTM, seed {number}", series, learned[-1], f"{len(history.loss)} epochs, {history.seconds:.1f} s"
        )
    mean = np.mean(learned, axis=0)
    _print_errors("mean of these forecasts", series, mean)
    errors = np.array([series.held_out_error(net) for net in learned])
    ratio = errors.mean() / series.held_out_error(autoregression)
    print(f"LSTM held out: mean {errors.mean():.4f}, standard deviation {errors.std(ddof=min(1, nets - 1)):.4f}")
    print(f"mean over the autoregression's: {ratio:.3f}; within 5%: {'yes' if ratio <= TOLERANCE else 'NO'}")
    path = output / "forecast.png"
    years = sea_temperature.FIRST_YEAR + np.arange(series.held_out, len(mean)) / YEAR
    shown = {"measured": series.degrees} | forecasts | {"mean of the LSTMs": mean}
    pictures.save_curves(
        path,
        [
            Curve(name, years, (values - series.climate)[series.held_out :], "-" if n else "k-")
            for n, (name, values) in enumerate(shown.items())
        ],
        title="The sea's temperature in the held-out years, every month forecast from those before it",
        xlabel="year",
        ylabel="degrees above the month's usual temperature",
    )
    print(f"saved: {path}")


def _print_errors(name: str, series: Series, values: Array, note: str = "") -> None:
    errors = f"{series.validation_error(values):10.4f}{series.held_out_error(values):10.4f}"
    print(f"{name:24}{errors}  {note}".rstrip(), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("forecast", __doc__, epochs=EPOCHS, output=True)
    parser.add_argument("--nets", type=count, metavar="N", default=SEEDS, help=f"nets to train (default: {SEEDS})")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
