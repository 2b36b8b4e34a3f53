"""Room of a call's arrays in the memory that it takes in one piece: nothing is written between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_scripts import LIMITS
from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice

import rnnfast
from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda import arrangement
from rnnfast.backends.cuda.cluster import launch as cluster_launch
from rnnfast.backends.cuda.cluster import places as cluster_places
from rnnfast.backends.cuda.workspace import ALIGNED, Workspace

STEPS, BATCH, INPUTS, SIZE = 3, 5, 5, 9


class Gapped(Workspace):
    """Room with gaps behind all arrays."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps = list[tuple[int, int]]()
        made.append(self)

    def take(self, count: int) -> int:
        begin = super().take(count)
        self.end += ALIGNED
        self.size = max(self.size, self.end)
        self.gaps.append((begin + count, self.end))
        return begin


made = list[Gapped]()


@pytest.fixture
def memories(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PtxDevice, list[DeviceArray]]]:
    """A device, and all that calls on it take memory in."""
    for module in (arrangement, cluster_places):
        monkeypatch.setattr(module, "Workspace", Gapped)
    monkeypatch.setattr(cluster_launch, "FEWEST", 1)
    device, taken, new = PtxDevice(), list[DeviceArray](), PtxDevice.new
    made.clear()

    def noting(self: PtxDevice, *given: Any) -> DeviceArray:
        taken.append(new(self, *given))
        return taken[-1]

    monkeypatch.setattr(PtxDevice, "new", noting)
    with in_place_of_the_device(device):
        yield device, taken


@pytest.mark.parametrize(
    ("tier", "kind", "options"),
    [
        ("A", "RNN", {"masked_output": "hold"}),
        ("B", "LSTM", {"recurrent_dropout": 0.5}),
        ("C", "GRU", {"reset_after": False, "input_dropout": 0.5}),
        ("D", "LSTM", {"recurrent_dropout": 0.5}),
        ("D", "GRU", {}),
    ],
)
def test_nothing_is_written_between_the_arrays_of_a_call(
    tier: str, kind: str, options: dict[str, Any], memories: tuple[PtxDevice, list[DeviceArray]]
) -> None:
    """All steps are live, though that is said in every way, so that tables are as long as they can be."""
    (device, taken), device.limits = memories, LIMITS[tier]
    flags = np.ones((STEPS, BATCH), bool)
    for rows in ({}, {"lengths": np.full(BATCH, STEPS), "mask": flags, "resets": flags}):
        net = getattr(rnnfast, kind)(INPUTS, SIZE, seed=1, **options).to("cuda")
        made.clear(), taken.clear()
        x, dy = (EmulatedArray(np.ones((STEPS, BATCH, n), np.float32)) for n in (INPUTS, SIZE))
        tape = net.record(x, **rows)[2]
        assert tape.ran_on.startswith(f"cuda: tier {tier}")
        tape.backward(dy)
        assert len(made) == 2
        for space in made:
            (memory,) = (a.frame for a in taken if a.shape == (space.size,))
            for first, last in space.gaps:
                assert np.isnan(memory[first:last]).all(), f"{first} to {last} of {space.gaps}"
