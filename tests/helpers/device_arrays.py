"""Nets on a CUDA device in the emulator: there the device's memory is the host's, but nothing tells NumPy so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from device_memory import EmulatedArray

import rnnfast
from rnnfast.problem import Array

Upload = Callable[[Array], Any]


def host(array: Any) -> Array:
    """Return what a result on the device holds."""
    assert isinstance(array, EmulatedArray)
    return array.memory


def nets(**options: Any) -> tuple[rnnfast.LSTM, rnnfast.LSTM]:
    """The same net twice: in host memory, where the reference runs it, and on the device."""
    here = rnnfast.LSTM(3, 4, seed=1, backend="reference", **options)
    there = rnnfast.LSTM(3, 4, seed=1, **options).to("cuda")
    return here, there


def close(device: Any, right: Array) -> None:
    np.testing.assert_allclose(host(device), right, rtol=1e-5, atol=1e-6)
