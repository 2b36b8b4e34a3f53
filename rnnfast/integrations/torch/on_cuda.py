"""Modules whose parameters are on a CUDA device: which of them run here.

Served are the nets that the cuda backend runs in clusters of blocks, its tier D: calls of `rnnfast`'s own are faster
there than cuDNN's in float32 in training, forward as a rule, and more accurate (bench/results/gpu.txt). All else is
PyTorch's: other tiers may be slower than cuDNN, and single steps cost the host more than PyTorch's own do.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from torch import Tensor

from rnnfast.backends.cuda import backend, devices
from rnnfast.integrations.torch.forms import DTYPES
from rnnfast.problem import Problem

SERVED = "D"
"""The tier."""


def is_there(tensor: Tensor) -> bool:
    """Return whether a tensor is on a CUDA device."""
    return bool(tensor.is_cuda)


def against(cell: str, hidden_size: int, weight: Tensor, *, one_step: bool) -> str | None:
    """Return why a net whose parameters lie where this one does cannot run here; None where it can."""
    where = f"its parameters are on {weight.device}, where"
    if one_step:
        return f"{where} PyTorch's own code runs single steps"
    if (reason := backend.reason(cell=cell)) is not None:
        return f"{where} rnnfast cannot run it: {reason}"
    device = devices.device()
    if weight.device.index not in (None, device.number):
        return f"{where} PyTorch's own code runs: the device that rnnfast uses is cuda:{device.number}"
    reason = _against_kernels(device) or _against_tier(device, device.limits, cell, hidden_size, DTYPES[weight.dtype])
    return None if reason is None else f"{where} {reason}"


@functools.lru_cache(maxsize=8)
def _against_kernels(device: Any) -> str | None:
    """Return why no kernel can be made for the device, None where one can: a small one is."""
    from rnnfast.backends.cuda.rows import pick_kernel

    try:
        with device.current():
            device.kernel(pick_kernel, np.float32, False)
    except Exception as error:  # of whatever kind: Numba, a compiler or a driver may be others than they should be
        return f"rnnfast cannot make kernels: {type(error).__name__}: {error}"
    return None


@functools.lru_cache(maxsize=1024)
def _against_tier(device: Any, limits: Any, cell: str, size: int, dtype: np.dtype[Any]) -> str | None:
    """Return why PyTorch's own code is the better choice for layers of so many units, None where it is not.

    It is what the backend asks before a call: of large clusters, whether the device has room for any.
    """
    from rnnfast.backends.cuda.cluster.room import reason_against_clusters
    from rnnfast.backends.cuda.shapes import CELLS
    from rnnfast.backends.cuda.tiers import without_clusters

    with device.current():
        against = reason_against_clusters(device, Problem(cell, dtype, 1, 1, 1, 1, size, size, record=True))
    if against is None:
        return None
    tier = without_clusters(limits, CELLS[cell], size, dtype.itemsize, 1)
    why = f"{tier.reason}; {against}"
    return f"rnnfast runs nets of its tier {SERVED} alone, and this one is of tier {tier.name}: {why}"
