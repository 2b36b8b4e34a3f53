"""Calls on PyTorch's own threads: found where PyTorch has them, used for large calls, the same bits."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_layers import EITHER_ROUTE  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch import calls, team  # noqa: E402

pytestmark = EITHER_ROUTE


@pytest.fixture
def two_threads() -> Iterator[None]:
    """PyTorch's number of threads; what was prepared meanwhile, for threads that a test lent, is forgotten."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    calls.runner_of.cache_clear()


@pytest.mark.skipif(platform.system() != "Linux", reason="PyTorch comes with GNU's OpenMP on Linux")
def test_what_lends_pytorchs_threads_is_found() -> None:
    """In the library that PyTorch was linked with: on that, a call runs its work on as many threads as asked for."""
    ran = []
    work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ran.append)
    lend = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)(team.team())
    lend(ctypes.cast(work, ctypes.c_void_p), 5, 2, 0)
    assert ran == [5, 5]


def test_large_calls_work_on_threads_that_are_lent(monkeypatch: Any, two_threads: None) -> None:
    """Forward and backward ask for two, where others have not just kept the processors; bits are those of one."""
    asked = []

    @ctypes.CFUNCTYPE(None, ctypes.CFUNCTYPE(None, ctypes.c_void_p), ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    def lend(work: Any, data: int, threads: int, flags: int) -> None:
        asked.append(threads)
        work(data)

    monkeypatch.setattr(calls, "team", lambda: ctypes.cast(lend, ctypes.c_void_p).value)
    module, x = rft.accelerate(torch.nn.GRU(128, 128)), torch.randn(16, 32, 128)

    def results() -> list[Any]:
        module.zero_grad()
        y, h = module(x)
        y.sum().backward()
        return [y, h, *(parameter.grad.clone() for parameter in module.parameters())]

    on_two, until = results(), monotonic() + 60
    while len(asked) < 2 and monotonic() < until:
        results()
    assert set(asked) == {2}
    torch.set_num_threads(1)
    assert all(torch.equal(one, two) for one, two in zip(results(), on_two, strict=True))
