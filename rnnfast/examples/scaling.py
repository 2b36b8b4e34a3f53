"""Standardising: numbers shifted and scaled to what nets learn well, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnfast.problem import Array


@dataclass(frozen=True)
class Scaler:
    """(values - mean) / scale, computed in float64 and given as float32."""

    mean: Any
    scale: Any

    @classmethod
    def of(cls, values: Array, deviations: float = 1.0) -> Scaler:
        """Scale by the mean and so many standard deviations of each column of values (N, F), none of them constant."""
        return cls(values.mean(axis=0), deviations * values.std(axis=0))

    def __call__(self, values: Array) -> Array:
        """Return values (..., F) standardised, float32."""
        scaled: Array = (values - self.mean) / self.scale
        return scaled.astype("float32")

    def undo(self, scaled: Array) -> Array:
        """Return what was standardised, float64."""
        values: Array = scaled.astype("float64") * self.scale + self.mean
        return values
