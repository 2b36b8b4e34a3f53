"""Times of calls on a device: until they return and until the device is done; and of the pieces of a call."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rnnfast.backends.cuda import devices
from rnnfast.backends.cuda.rows import scale_kernel

AT_ONCE = 20
"""Calls between two waits: fewer than would fill the queue of a stream, where starting begins to wait."""
SECONDS = 0.15
"""That each of the two times may take to measure, beyond five calls."""


def until_it_returns(call: Callable[[], Any], wait: Callable[[], Any], calls: int = 200) -> float:
    """Return the median microseconds until a call returns, none of them waiting for the device."""
    times, end = [], time.perf_counter() + SECONDS
    for n in range(calls):
        if n % AT_ONCE == 0:
            wait()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        if n >= 5 and times[-1] + start > end:
            break
    wait()
    return statistics.median(times) * 1e6


def until_it_is_done(call: Callable[[], Any], wait: Callable[[], Any], calls: int = 50) -> float:
    """Return the median microseconds of a call and the wait for its end."""
    times, end = [], time.perf_counter() + SECONDS
    for n in range(calls):
        start = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - start)
        if n >= 5 and start > end:
            break
    return statistics.median(times) * 1e6


def pieces(torch: Any) -> Iterator[str]:
    """Yield lines of the microseconds that pieces of a call cost the host."""
    device, wait = devices.device(), torch.cuda.synchronize
    a = torch.ones(64, device="cuda")
    launch = device.kernel(scale_kernel, np.float32).launch(1)
    left, to = torch.ones(64, 64, device="cuda"), torch.ones(64, 64, device="cuda")
    tried = {
        "a launch of ours": lambda: launch(0, a.data_ptr(), a.data_ptr(), 64),
        "memory made zero": lambda: device.driver.clear(a.data_ptr(), 256, 0),
        "torch.empty": lambda: torch.empty((64,), device="cuda"),
        "torch.mm into a tensor": lambda: torch.mm(left, left, out=to),
        "a view of a tensor": lambda: left.as_strided((32, 32), (64, 1), 0),
        "the context made current": lambda: device.current().__enter__(),
    }
    for name, call in tried.items():
        call()
        yield f"{name:26}{until_it_returns(call, wait, 1000):6.2f} us"
