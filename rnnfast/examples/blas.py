"""NumPy's products on one thread, where threadpoolctl is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use the calling thread alone within `with`.

    On products as small as those of the examples more threads gain nothing, and waiting for each other they would take
    the recurrent nets' processors: on a machine with other work training takes several times as long.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        yield
        return
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, user_api="blas"):
        yield
