"""Calls on arrays of the device start their work and return: none waits for it, nor takes memory of the host's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice

import rnnfast
from rnnfast.backends.cuda.driver.declarations import ffi

ASYNCHRONOUS = {"cuLaunchKernelEx", "cuMemsetD8Async", "cuMemcpyHtoDAsync_v2", "cuPointerGetAttribute"}
"""What a call that is not the first of its form asks of the driver; prepared launches keep their function."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PtxDevice]:
    """In place of the device; its kernels do nothing."""
    device = PtxDevice()
    monkeypatch.setattr(device, "run", lambda *_: None)
    with in_place_of_the_device(device):
        yield device


@pytest.mark.parametrize("rows", [{}, {"lengths": [2, 1]}, {"mask": np.eye(3, 2, dtype=bool)}])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_nothing_is_waited_for(
    kind: str, rows: dict[str, Any], device: PtxDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Any] = []
    monkeypatch.setattr(device, "run", lambda *given: launched.append(given))
    net, calls = getattr(rnnfast, kind)(5, 20, num_layers=2, seed=1).to("cuda"), device.library.calls
    x, dy = (EmulatedArray(np.zeros((3, 2, size), np.float32), stream=7) for size in (5, 20))
    for number in range(5):
        calls.clear()
        launched.clear()
        net(x, **rows)
        net.record(x, **rows)[2].backward(dy)
        if number:
            assert {*calls} <= ASYNCHRONOUS
            assert len(launched) == 2 * 4 + 10 + 2 * bool(rows)  # tables, of two calls


def test_what_a_call_reads_of_waits_in_vain_is_in_memory_of_the_host(
    device: PtxDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later call sees it there, without a function of the driver's, and raises."""
    words: list[int] = []

    def run(kernel: Any, blocks: Any, threads: int, stream: int, *values: Any) -> None:
        code = kernel.__code__
        words.extend(v for n, v in zip(code.co_varnames, values, strict=False) if n == "error")

    monkeypatch.setattr(device, "run", run)
    net, x = rnnfast.LSTM(5, 20, seed=1).to("cuda"), EmulatedArray(np.zeros((3, 2, 5), np.float32), stream=7)
    for lengths in ([3, 1], [2, 2], [1, 3]):
        net(x, lengths=lengths)
        ffi.cast("uint32_t *", words[-1])[0] = 1
        device.library.calls.clear()
        with pytest.raises(TimeoutError, match="waited in vain"):
            net(x, lengths=lengths)
        assert {*device.library.calls} == {"cuPointerGetAttribute"}
    ((start, size),) = device.library.words
    assert len(set(words)) == len(words) and all(start <= word < start + size for word in words)
