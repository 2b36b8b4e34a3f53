"""The transfer of parameters between host memory and a CUDA device."""

from __future__ import annotations

from rnnfast.backends.cuda.movable import check_movable
from rnnfast.checks.values import one_of
from rnnfast.net.parameters import Parameters

DEVICES = ("cpu", "cuda")


def transferred(parameters: Parameters, device: str) -> Parameters:
    """Return the parameters on `device`, "cpu" or "cuda", unchanged where they are there already.

    Raises ValueError for any other device, RuntimeError with the reason where there is no CUDA device.

    >>> import rnnfast
    >>> parameters = rnnfast.GRU(2, 3).parameters
    >>> transferred(parameters, "cpu") is parameters
    True
    """
    one_of("place", device, DEVICES)
    if device == parameters.device:
        return parameters
    if device == "cpu":
        return Parameters(parameters.on_host(), parameters.net)
    check_movable(parameters.net.cell)
    from rnnfast.backends.cuda.parameters import on_device_with

    return on_device_with(parameters.on_host(), parameters.net)
