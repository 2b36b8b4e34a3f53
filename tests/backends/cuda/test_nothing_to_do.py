"""Calls that leave some launches nothing to do: a driver refuses one of no blocks, so that none may be started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")
pytest.importorskip("torch", reason="torch is not installed")

from null_device import NullDevice, tensors_on
from null_device import counted as counting

import rnnfast
from rnnfast.backends.cuda.counted import counted
from rnnfast.backends.cuda.device import limits_of
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.backends.cuda.libraries import Plain
from rnnfast.backends.cuda.noting import Noting
from rnnfast.backends.cuda.rows import scale_kernel
from rnnfast.backends.cuda.script import Script
from rnnfast.problem import Array

LIMITS = limits_of((8, 0), 132)
TIERS = {
    "A": LIMITS,
    "B": replace(LIMITS, threads=16, lanes=4, words=(200,)),
    "C": replace(LIMITS, words=(1,)),
    "D": limits_of((9, 0), 132),
}
STEPS, BATCH, SIZE = 5, 40, 24


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullDevice]:
    """Its driver starts nothing, and refuses what a device's does."""
    device = NullDevice(tmp_path_factory.mktemp("null"))
    with tensors_on(device):
        yield device


def train(net: Any, steps: int, batch: int, **rows: Array) -> None:
    """Make a call, then another with its backward."""
    import torch

    x, dy = torch.zeros(steps, batch, net.net.input_size), torch.zeros(steps, batch, net.net.output_size)
    net(x, **rows)
    net.record(x, **rows)[2].backward(dy)


def test_the_driver_refuses_a_launch_of_no_blocks(device: NullDevice) -> None:
    for grid in (0, (1, 0), (1, 1, 0)):
        with pytest.raises(DriverError, match="start scale_kernel"):
            device.kernel(scale_kernel, np.float32).launch(grid).start()


@pytest.mark.parametrize("count", [1, 7, 40])
def test_launches_one_after_another(count: int, device: NullDevice) -> None:
    """Compiled code starts all but those of no blocks, up to one that is refused, and makes zero what is between."""
    call = DeviceCall(device, Plain(device, 7), launches={})  # type: ignore[arg-type]
    noting = Noting(call, [])
    for n in range(count):
        blocks = counted((n % 3,))
        noting.run_on(noting.prepared(scale_kernel, (np.float32,)), (blocks, 1), 4096, 4096, 1)
        noting.clear(4096, 8)
    script = Script(noting, None, None)
    with counting(device) as counts:
        script.run(call, (), None)
    assert (counts.launches, counts.clears) == (sum(n % 3 > 0 for n in range(count)), count)
    streams = [int(ffi.cast("intptr_t", launch._config.stream)) for launch in script.launches if launch is not None]
    assert streams == [7] * count
    if count > 4:
        launch = script.launches[8]
        assert launch is not None
        launch.resize(2, 0)
        with counting(device) as counts, pytest.raises(DriverError, match=r"start scale_kernel: .* \(grid \(2, 0, 1\)"):
            script.run(call, (), None)
        assert (counts.launches, counts.clears) == (3, 4)
        launch.resize(2, 1)
    script._words[-1] = 0
    with pytest.raises(DriverError, match="clear"):
        script.run(call, (), None)


NETS: dict[str, dict[str, Any]] = {
    "LSTM": {},
    "GRU": {"reset_after": False, "bidirectional": True},
    "RNN": {"num_layers": 2, "masked_output": "hold"},
}
ROWS: dict[str, dict[str, Array]] = {
    "all": {},
    "lengths": {"lengths": np.zeros(BATCH, np.int64)},
    "mask": {"mask": np.zeros((STEPS, BATCH), bool)},
    "resets": {"resets": np.ones((STEPS, BATCH), bool)},
}


@pytest.mark.parametrize("kind", list(NETS))
@pytest.mark.parametrize("tier", list(TIERS))
def test_calls_without_steps_rows_or_live_steps(tier: str, kind: str, device: NullDevice) -> None:
    """Four times, as calls that come again take other ways."""
    device.limits = TIERS[tier]
    net = getattr(rnnfast, kind)(SIZE, SIZE, seed=1, **NETS[kind]).to("cuda")
    for steps, batch in ((0, BATCH), (STEPS, 0), (0, 0), (STEPS, BATCH)):
        for given in ROWS.values():
            rows = {name: a[..., :batch] if name == "lengths" else a[:steps, :batch] for name, a in given.items()}
            for _ in range(4):
                train(net, steps, batch, **rows)


@pytest.mark.parametrize("kind", list(NETS))
@pytest.mark.parametrize("tier", list(TIERS))
def test_steps_without_rows_in_calls_that_come_again(tier: str, kind: str, device: NullDevice) -> None:
    """First of calls in which every step has some, then of calls in which some have none, then all of none."""
    device.limits = TIERS[tier]
    net = getattr(rnnfast, kind)(SIZE, SIZE, seed=1, **NETS[kind]).to("cuda")
    for most in (STEPS, STEPS, STEPS, STEPS - 2, 1, STEPS, 0, STEPS):
        train(net, STEPS, BATCH, lengths=np.full(BATCH, most))
