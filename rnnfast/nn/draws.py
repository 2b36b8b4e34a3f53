"""A generator of random numbers whose state is saved and restored, for dropout masks and orders of examples."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from rnnfast.checks.values import seed_or_none
from rnnfast.nn.state import Checks, Stateful


def generator_state(name: str, value: Any) -> dict[str, Any]:
    """Return `value` as the state of a generator. Raises ValueError where it is none."""
    try:
        np.random.PCG64().state = value
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{name} is not the state of a PCG64 generator: {error}") from error
    state: dict[str, Any] = value
    return state


class Draws(Stateful):
    """The base of what draws from a generator of its own, started by `seed` or, None, afresh."""

    numbers: ClassVar[Checks] = {"random_state": generator_state}

    def __init__(self, seed: int | None) -> None:
        self._rng = np.random.Generator(np.random.PCG64(seed_or_none("seed", seed)))

    @property
    def random_state(self) -> dict[str, Any]:
        """State of the generator, as NumPy's `bit_generator.state`; assign it to draw the same again."""
        state: dict[str, Any] = dict(self._rng.bit_generator.state)
        return state

    @random_state.setter
    def random_state(self, value: dict[str, Any]) -> None:
        self._rng.bit_generator.state = generator_state("random_state", value)
