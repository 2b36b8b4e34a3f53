"""The Numba CUDA backend: arrays of the device stay there, NumPy's travel to it and their results back."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np

from rnnfast.problem import Array, Problem


def variants() -> tuple[str, ...]:
    """There is one form."""
    return ()


@functools.cache
def reason(variant: str | None = None) -> str | None:
    """None where Numba CUDA finds a device."""
    if variant is not None:
        return f"the cuda backend has one form only, not {variant!r}"
    if importlib.util.find_spec("numba") is None or importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed: pip install 'rnnfast[cuda]'"
    return None if found() else "no CUDA device found, or no driver for it"


@functools.cache
def found() -> bool:
    """Whether there is a device."""
    from numba import cuda

    return bool(cuda.is_available())


@functools.cache
def device() -> Any:
    """The device that everything runs on."""
    from rnnfast.backends.cuda.device import Device

    return Device()


def describe() -> dict[str, str]:
    """The device, and up to which hidden size each cell runs on which tier there; nothing where there is none."""
    if reason() is not None:
        return {}
    from rnnfast.backends.cuda.shapes import CELLS as KERNELS
    from rnnfast.backends.cuda.tiers import reach

    found = device()
    cells = {"RNN": "rnn_tanh", "GRU": "gru", "LSTM": "lstm"}
    return {"device": found.name} | {
        f"tiers {name}": reach(found.limits, KERNELS[cell]) for name, cell in cells.items()
    }


def pack(problem: Problem) -> None:
    """None: packing gains nothing here."""


def bind(problem: Problem) -> None:
    """None: binding gains nothing here."""


@np.errstate(all="ignore")
def forward(problem: Problem) -> None:
    """Write y and final states; with `record`, keep in `reserve` what `backward` needs."""
    from rnnfast.backends.cuda.net import Net

    with device().current():
        net = Net(device().on(problem.library), problem)
        net.forward(problem)
    problem.reserve = net if problem.record else None


@np.errstate(all="ignore")
def backward(problem: Problem) -> None:
    """Write dx, dh0, dc0 and add to the parameters' gradients. Consumes `reserve`."""
    net, problem.reserve = problem.reserve, None
    with device().current():
        work = net.work.again()
        net.continue_on(work, problem)
        net.backward(problem)
        if work.stream != net.recorded_on:  # whose memory is given back now, for others to use
            work.wait()


def reserve_bytes(problem: Problem) -> int:
    """Bytes of the arrays that a recorded `forward` leaves on the device where every step is live."""
    from rnnfast.backends.cuda.shapes import CELLS as KERNELS

    cell, entries, numbers = KERNELS[problem.cell], problem.steps * problem.batch, 0
    units = problem.hidden_size * (cell.slots + cell.states + len(cell.phases) - 1)
    first = problem.batch * problem.hidden_size * (cell.states + (problem.recurrent_dropout > 0))
    for k, (ih, hh) in enumerate(zip(problem.weight_ih, problem.weight_hh, strict=True)):
        above = problem.first_layer + k // problem.num_directions > 0
        masks = (problem.dropout if above else problem.input_dropout) > 0
        numbers += entries * (units + ih.shape[1] * (1 + masks)) + ih.size + hh.size + first
    return problem.dtype.itemsize * numbers + 8 * entries * len(problem.weight_ih)


def ran(problem: Problem) -> str:
    """The tiers of its layers."""
    return str(problem.reserve)


def activations(problem: Problem) -> dict[str, Array]:
    """From a recorded problem, before `backward`: post-activation gates by name, and "c" for cells that have it.

    Each (L·D, T, B, H); zero at steps that are not live.
    """
    with device().current():
        found: dict[str, Array] = problem.reserve.activations(problem)
    return found
