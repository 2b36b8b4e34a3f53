"""What calls with ragged rows launch, over a driver that does nothing: the same from a script as from a first call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")
pytest.importorskip("torch", reason="torch is not installed")

from cuda_scripts import scripts
from null_device import NullDevice, tensors_on

import rnnfast
from rnnfast.backends.cuda.device import limits_of
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.gemm import products
from rnnfast.backends.cuda.script import Script
from rnnfast.problem import Array


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullDevice]:
    """A device whose driver does nothing."""
    device = NullDevice(tmp_path_factory.mktemp("null"))
    with tensors_on(device):
        yield device


@contextmanager
def started() -> Iterator[list[tuple[Any, ...]]]:
    """What is launched within: kernels, the numbers of blocks, all parameters but addresses."""
    found, start = list[tuple[Any, ...]](), Launch.start

    def noting(self: Launch, stream: int = 0) -> None:
        kernel = self.kernel
        values = [getattr(self.parameters, f.name) for f in kernel.fields if f.declaration != "uint64_t"]
        found.append((kernel.name, kernel.threads, self.grid, *values))
        start(self, stream)

    def by_itself(self: Script, stream: int) -> None:
        for launch in self.launches:
            if launch is not None and launch.grid[0]:
                launch.start(stream)

    with mock.patch.object(Launch, "start", noting), mock.patch.object(Script, "_start", by_itself):
        yield found


def training(net: Any, steps: int, batch: int, **rows: Array) -> list[tuple[Any, ...]]:
    """What a call and its backward launch."""
    import torch

    x, dy = torch.zeros(steps, batch, net.net.input_size), torch.zeros(steps, batch, net.net.output_size)
    with started() as found:
        net.record(x, **rows)[2].backward(dy)
    return found


LIMITS = {
    "A": limits_of((8, 0), 132),
    "C": replace(limits_of((8, 0), 132), words=(1,)),
    "D": limits_of((9, 0), 132),
}


@pytest.mark.covering(2)
@pytest.mark.parametrize("name", ["lengths", "mask"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize(("tier", "steps"), [("A", 150), ("C", 20), ("D", 150)])
def test_numbers_of_launches_whatever_rows_are_live(
    tier: str, steps: int, kind: str, name: str, null: NullDevice
) -> None:
    """Among them those of products in one slice and in several, on tiles of all sizes."""
    null.limits = LIMITS[tier]
    options = {"num_layers": 2, "bidirectional": True, "seed": 1}
    net = getattr(rnnfast, kind)(24, 64, **options).to("cuda")
    rng, sides = np.random.default_rng(1), set()
    for most in (1, 2, 5, 9, 20, 40, 70, 150) * 3:
        rows = {"lengths": rng.integers(0, min(most, steps) + 1, 128)}
        if name == "mask":
            rows = {"mask": rng.random((steps, 128)) < min(most / steps, 1) * rng.random(128)}
        right = training(getattr(rnnfast, kind)(24, 64, **options).to("cuda"), steps, 128, **rows)
        assert training(net, steps, 128, **rows) == right
        sides |= {(name, threads) for name, threads, *_ in right}
    assert len(scripts(net)) >= (2 if tier == "C" else 6)
    assert tier == "C" or {("product_kernel", threads) for threads in (64, 128, 256)} <= sides


def test_the_kernel_of_dx_follows_from_how_many_steps_are_live(null: NullDevice) -> None:
    """Also where those of all other products are the same."""
    null.limits, options = LIMITS["D"], {"num_layers": 2, "bidirectional": True, "seed": 1}
    net = rnnfast.LSTM(24, 64, **options).to("cuda")  # type: ignore[arg-type]
    for length in (62, 62, 62, 70):
        rows = {"lengths": np.full(128, length)}
        right = training(rnnfast.LSTM(24, 64, **options).to("cuda"), 150, 128, **rows)  # type: ignore[arg-type]
        assert training(net, 150, 128, **rows) == right


@pytest.mark.parametrize("tier", list(LIMITS))
def test_nothing_is_kept_of_how_many_rows_there_are(tier: str, null: NullDevice) -> None:
    """On the device, for good: a server's batches are of any size."""
    null.limits, kept = LIMITS[tier], set[Any]()
    net, constant = rnnfast.LSTM(24, 64, seed=1).to("cuda"), null.constant

    def noting(*given: Any) -> Any:
        kept.add(given)
        return constant(*given)

    with mock.patch.object(null, "constant", noting), mock.patch.object(null, "plans", {}):
        for batch in (1, 2, 5):
            training(net, 3, batch, lengths=np.full(batch, 2))
            assert not null.plans and len(kept) <= 1


def test_steps_whose_products_take_several_kernels(null: NullDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of such a net a script serves calls with the same lengths."""
    null.limits = LIMITS["C"]
    monkeypatch.setattr(products, "ENOUGH_BLOCKS", 8)
    rng, net = np.random.default_rng(1), rnnfast.LSTM(24, 64, seed=1).to("cuda")
    lengths = rng.integers(0, 6, 100)
    right = training(net, 5, 100, lengths=lengths)
    assert len({threads for name, threads, *_ in right if name == "product_kernel"}) > 1
    for _ in range(3):
        other = rng.integers(0, 6, 100)
        training(net, 5, 100, lengths=other)
        assert training(net, 5, 100, lengths=lengths) == right
    assert len(scripts(net)) == 2
