"""Waits in vain of kernels: who is told that a call's results are wrong, and nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice
from support import Spec, copy_of, make_problem

import rnnfast
from rnnfast.backends.common import whole
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.given_up import WORDS, GivenUp

EARLIER, OWN = "waited in vain.*results of an earlier call are wrong", "waited in vain.*this call's results are wrong"


@pytest.fixture(autouse=True)
def device() -> Iterator[PtxDevice]:
    """In place of the device."""
    device = PtxDevice()
    with in_place_of_the_device(device):
        yield device


class Vain:
    """Kernels do nothing but, while `gives_up`, set their call's word."""

    def __init__(self, device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gives_up = False
        monkeypatch.setattr(device, "run", self._run)

    def _run(self, kernel: Any, blocks: Any, threads: int, stream: int, *values: Any) -> None:
        code = kernel.__code__
        named = dict(zip(code.co_varnames[: code.co_argcount], values, strict=True))
        if self.gives_up and named.get("error"):
            ffi.cast("uint32_t *", named["error"])[0] = 1


@pytest.fixture
def vain(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> Vain:
    """What runs kernels."""
    return Vain(device, monkeypatch)


def zeros(stream: int, *shape: int) -> EmulatedArray:
    return EmulatedArray(np.zeros(shape, np.float32), stream=stream)


NETS = pytest.mark.parametrize("options", [{}, {"reset_after": False}], ids=["clusters", "groups"])
"""On tiers D and B."""


@NETS
def test_the_next_call_on_the_stream_is_told_and_none_on_another(
    options: dict[str, bool], device: PtxDevice, vain: Vain
) -> None:
    net = rnnfast.GRU(3, 20, seed=1, **options).to("cuda")
    for _ in range(3):  # as a first call, one that is noted, and one of a script
        vain.gives_up = True
        net(zeros(7, 2, 2, 3))  # the device is not waited for
        vain.gives_up = False
        net(zeros(9, 2, 2, 3))
        device.driver.wait(9)
        with pytest.raises(TimeoutError, match=EARLIER):
            net(zeros(7, 2, 2, 3))
        net(zeros(7, 2, 2, 3))
    vain.gives_up = True
    net(zeros(7, 2, 2, 3))
    with pytest.raises(TimeoutError, match=EARLIER):
        device.driver.wait(7)
    net(zeros(5, 2, 2, 3))
    with pytest.raises(TimeoutError, match=EARLIER):
        device.driver.wait_for_all()
    device.driver.wait_for_all()


@NETS
def test_the_backward_of_just_that_call_is_told(options: dict[str, bool], vain: Vain) -> None:
    net, dy = rnnfast.GRU(3, 20, seed=1, **options).to("cuda"), zeros(7, 2, 2, 20)
    for _ in range(4):
        before = net.record(zeros(7, 2, 2, 3))[2]
        vain.gives_up = True
        wrong = net.record(zeros(7, 2, 2, 3), keep=True)[2]
        vain.gives_up = False
        with pytest.raises(TimeoutError, match=OWN):
            wrong.backward(dy)
        before.backward(dy)
        with pytest.raises(TimeoutError, match=OWN):
            wrong.backward(dy)
        net.record(zeros(7, 2, 2, 3))[2].backward(dy)


def test_other_threads_on_the_stream_are_not_told(device: PtxDevice, vain: Vain) -> None:
    net, told = rnnfast.LSTM(3, 20, seed=1).to("cuda"), list[str]()
    vain.gives_up = True
    net(zeros(0, 2, 2, 3))
    vain.gives_up = False

    def other() -> None:
        try:
            net(zeros(0, 2, 2, 3))
            device.driver.wait(0)
        except TimeoutError as error:
            told.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert told == []
    with pytest.raises(TimeoutError, match=EARLIER):
        net(zeros(0, 2, 2, 3))


def test_a_call_that_waits_for_its_results_is_told_itself(device: PtxDevice) -> None:
    """A message that never comes, of the real kernel."""
    problem = make_problem(Spec("lstm", 3, 2, 5, 17), "float32")
    device.ptx.impatient, device.patience = True, 3
    whole.forward(numba_cuda, copy_of(problem))
    (device.ptx.without,) = (site for site in device.ptx.sites if site[0] == "send4")
    with pytest.raises(TimeoutError, match=OWN):
        whole.forward(numba_cuda, copy_of(problem))
    device.ptx.without = None
    whole.forward(numba_cuda, copy_of(problem))


def test_a_word_serves_one_call_after_another() -> None:
    words = ffi.new("uint32_t[]", WORDS)
    given_up = GivenUp(words, 4096)
    first = given_up.begin(1)
    words[0] = 1
    later = [given_up.begin(2) for _ in range(WORDS)]
    assert first.address == later[-1].address == 4096 and len({each.address for each in later}) == WORDS
    for call in later:
        given_up.check_call(call)
    given_up.check(2)
    for _ in range(2):
        with pytest.raises(TimeoutError, match=OWN):
            given_up.check_call(first)
    given_up.check(1)
