"""What goes wrong in the clusters' forward is found: a barrier left out, an arrival, a message, a number of bytes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cluster_forward import run_forward
from cuda_emulator import Deadlock
from ptx_emulator import PtxEmulator
from support import Results, Spec, make_problem

NEEDED = {"sync_block", "sync_cluster", "expect", "send4"}
"""Operations of which each call is needed, but for the last `sync_cluster`, which only matters after a wait was given
up. What `sync_warp` is for, lanes that leave a loop together, is not modelled."""


def forward(emulator: PtxEmulator, **options: int) -> Results:
    """A net of two blocks with records."""
    problem = make_problem(Spec("lstm", steps=4, batch=2, hidden_size=20, bias=False), "float32")
    return run_forward(problem, emulator, record=True, **options)


def test_whatever_synchronises_is_needed() -> None:
    emulator = PtxEmulator()
    right = forward(emulator)
    sites = sorted(site for site in emulator.sites if site[0] in NEEDED)
    assert len(sites) >= 7 and {site[0] for site in sites} == NEEDED
    sites.remove(max(site for site in sites if site[0] == "sync_cluster"))
    for emulator.without in sites:
        for emulator.order in (None, *range(6)):
            try:
                results = forward(emulator)
            except (Deadlock, IndexError, AssertionError):
                break
            if not all(np.array_equal(results[name], value) for name, value in right.items()):
                break
        else:
            pytest.fail(f"nothing went wrong without {emulator.without}")


@pytest.mark.parametrize("more", [-16, 16])
def test_a_wrong_number_of_expected_bytes_is_found(more: int) -> None:
    emulator = PtxEmulator()
    expect = emulator.operations.expect
    emulator.operations.expect = lambda barrier, size: expect(barrier, np.uint32(int(size) + more))
    with pytest.raises((Deadlock, IndexError), match=r"for a barrier in phase \d that lacks|has ended"):
        forward(emulator)


def test_a_wait_that_is_given_up_sets_the_error_word() -> None:
    emulator = PtxEmulator()
    forward(emulator)
    (emulator.without,) = (site for site in emulator.sites if site[0] == "send4")
    emulator.impatient = True
    assert forward(emulator, patience=3)["error"] == 1
