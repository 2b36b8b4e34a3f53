"""Which parameters can move to a CUDA device, asked before anything is imported that takes Numba."""

from __future__ import annotations

from rnnfast.backends.cuda import backend as numba_cuda


def check_movable(cell: str) -> None:
    """Raise RuntimeError, saying why, where a net of this cell cannot have its parameters on a device."""
    if (against := numba_cuda.reason(cell=cell)) is not None:
        raise RuntimeError(f"the parameters cannot move to a CUDA device: {against}")
