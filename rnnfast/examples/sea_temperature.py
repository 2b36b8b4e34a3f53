"""The sea's surface temperature month by month, 1950 to 2010, its years split in three, and what simple rules forecast.

The series is `statsmodels.datasets.elnino`. Every forecast is of the next month, made with all months before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnnfast.examples.errors import UserError
from rnnfast.problem import Array

YEAR = 12
FIRST_YEAR, VALIDATION_FROM, HELD_OUT_FROM = 1950, 1990, 2000
ORDERS = (1, 2, 3, 4, 5, 6, 9, 12, 13, 18, 24, 25, 36)
"""Numbers of months that the autoregression may look back on."""


@dataclass(frozen=True)
class Series:
    """Degrees Celsius (T,) from a January on, and the months where validation and held-out years begin."""

    degrees: Array
    validation: int
    held_out: int

    @property
    def climate(self) -> Array:
        """Each month's usual temperature, (T,): the mean of that month over the training years."""
        usual = self.degrees[: self.validation].reshape(-1, YEAR).mean(axis=0)
        return np.resize(usual, len(self.degrees))

    def error(self, forecast: Array, start: int, stop: int) -> float:
        """Root mean squared error in degrees of forecasts (T,) over the months from `start` to before `stop`."""
        return math.sqrt(np.mean((forecast[start:stop] - self.degrees[start:stop]) ** 2))

    def validation_error(self, forecast: Array) -> float:
        """The error over the validation years."""
        return self.error(forecast, self.validation, self.held_out)

    def held_out_error(self, forecast: Array) -> float:
        """The error over the held-out years."""
        return self.error(forecast, self.held_out, len(self.degrees))


def load() -> Series:
    """The series that ships with statsmodels. UserError that says what to install where that is missing."""
    try:
        from statsmodels.datasets import elnino
    except ImportError:
        raise UserError("the series ships with statsmodels: pip install 'rnnfast[examples]'") from None
    table = np.asarray(elnino.load_pandas().data, np.float64)
    validation, held_out = ((year - FIRST_YEAR) * YEAR for year in (VALIDATION_FROM, HELD_OUT_FROM))
    return Series(table[:, 1:].reshape(-1), validation, held_out)


def seasonal_naive(series: Series) -> Array:
    """Every month as it was a year before; (T,), NaN in the first year."""
    return np.concatenate([np.full(YEAR, np.nan), series.degrees[:-YEAR]])


def autoregression(series: Series, order: int) -> Array:
    """AR(order) with a mean for every month of the year, fitted by least squares to the training years; (T,).

    NaN in the first `order` months.
    """
    from statsmodels.tsa.ar_model import AutoReg

    fitted = AutoReg(series.degrees[: series.validation], order, seasonal=True, period=YEAR).fit()
    whole = AutoReg(series.degrees, order, seasonal=True, period=YEAR)
    forecast = np.full(len(series.degrees), np.nan)
    forecast[order:] = whole.predict(fitted.params, start=order, end=len(forecast) - 1)
    return forecast


def best_order(series: Series) -> int:
    """The order in ORDERS whose autoregression errs least over the validation years."""
    return min(ORDERS, key=lambda order: series.validation_error(autoregression(series, order)))
