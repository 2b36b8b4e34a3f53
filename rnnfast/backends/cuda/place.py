"""Moving parameters between host memory and a CUDA device."""

from __future__ import annotations

from rnnfast.checks.values import one_of
from rnnfast.net.parameters import Parameters

PLACES = ("cpu", "cuda")


def moved(parameters: Parameters, place: str) -> Parameters:
    """Those of the same values there, or themselves where they are there.

    Raises ValueError for a place that is none of `PLACES`, RuntimeError with the reason where there is no device.
    """
    one_of("place", place, PLACES)
    if place == parameters.device:
        return parameters
    if place == "cpu":
        return Parameters(parameters.on_host(), parameters.net)
    from rnnfast.backends.cuda.parameters import on_device_with

    return on_device_with(parameters.on_host(), parameters.net)
