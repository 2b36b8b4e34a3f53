"""The CUDA backend's own: tiers, barriers that are needed, kernels that compile; on no device at all."""

from __future__ import annotations

import functools
import importlib
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees
from support import Spec, copy_of, make_problem, run

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends import choose as chooser
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.backends.cuda import devices

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import Deadlock, Emulator

from rnnfast.backends.cuda import backward, blocks, forward
from rnnfast.backends.cuda.biases import parts_of, write_bias_gradients
from rnnfast.backends.cuda.block_tables import dealt
from rnnfast.backends.cuda.blocks import Block
from rnnfast.backends.cuda.device import limits_of
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.backends.cuda.tiers import Limits, choose, reach

SMALL = Limits(threads=8, lanes=4, words=(40,), shared=1024, blocks=5)
LIMITS = {"A": replace(SMALL, threads=16, words=(200,)), "B": SMALL, "C": replace(SMALL, words=(1,))}
"""Limits of emulated devices on which a small layer runs on each tier."""
RAGGED = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.4}
ALL_CELLS = pytest.mark.parametrize("cell", list(CELLS))


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """In place of the device."""
    emulator = Emulator()
    monkeypatch.setattr(devices, "device", lambda: emulator)
    yield emulator


def small(cell: str) -> Spec:
    """Several chunks of every sum, rows that differ in length, a size that fills no tile."""
    return Spec(cell, steps=5, batch=4, input_size=18, hidden_size=9, **RAGGED)


@ALL_CELLS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tier", ["A", "B", "C"])
def test_every_tier_agrees_with_the_reference(tier: str, dtype: str, cell: str, emulator: Emulator) -> None:
    emulator.limits = LIMITS[tier]
    assert choose(emulator.limits, CELLS[cell], 9, np.dtype(dtype).itemsize, 4).name == tier
    assert_agrees(run(numba_cuda, make_problem(small(cell), dtype)), small(cell), dtype)


@pytest.mark.parametrize(
    ("tier", "cell", "options"),
    [
        ("A", "lstm", {"directions": 2}),
        ("A", "rnn_relu", {"masked_output": "hold", "directions": 2}),
        ("B", "gru_before", {"masked_output": "hold", "recurrent_dropout": 0.4, "input_dropout": 0.3}),
        ("B", "gru", {"layers": 2}),
        ("C", "gru_before", {"directions": 2}),
        ("C", "lstm", {"masked_output": "hold", "layers": 2, "dropout": 0.3}),
    ],
)
def test_rows_of_which_lengths_say_all(tier: str, cell: str, options: dict[str, Any], emulator: Emulator) -> None:
    """The device makes the tables of them."""
    emulator.limits = LIMITS[tier]
    spec = Spec(cell, steps=5, batch=4, input_size=18, hidden_size=9, lengths=True, **options)
    assert_agrees(run(numba_cuda, make_problem(spec, "float32")), spec, "float32")


@pytest.mark.parametrize("tier", ["A", "B"])
@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_order_of_threads_changes_no_bit(dtype: str, cell: str, tier: str, emulator: Emulator) -> None:
    problem, emulator.limits = make_problem(small(cell), dtype), LIMITS[tier]
    first = run(numba_cuda, copy_of(problem))
    for emulator.order in range(3):
        again = run(numba_cuda, copy_of(problem))
        assert all(np.array_equal(again[name], value) for name, value in first.items())


def goes_wrong(emulator: Emulator, problem: Any, right: dict[str, Any]) -> bool:
    """Whether some order of threads gives other results, hangs, or reads beyond an array."""
    for emulator.order in (None, *range(10)):
        try:
            results = run(numba_cuda, copy_of(problem))
        except (Deadlock, IndexError):
            return True
        if not all(np.array_equal(results[name], value) for name, value in right.items()):
            return True
    return False


def test_every_barrier_is_needed(emulator: Emulator) -> None:
    problem, emulator.limits = make_problem(small("gru_before"), "float64"), LIMITS["B"]
    right = run(numba_cuda, copy_of(problem))
    barriers = sorted(emulator.cuda.barriers)
    own = {"biases.py", "blocks.py", "forward.py", "backward.py", "product.py", "step_flags.py"}
    assert {file for file, _ in barriers} == own
    shown_elsewhere = "biases.py", "step_flags.py"  # below, and by more rows than threads in cuda/test_plans.py
    for emulator.cuda.without in (barrier for barrier in barriers if barrier[0] not in shown_elsewhere):
        assert goes_wrong(emulator, problem, right), f"nothing shows that {emulator.cuda.without} is missing"


def test_every_barrier_of_the_sums_of_many_entries_is_needed(emulator: Emulator, rng: np.random.Generator) -> None:
    emulator.limits, gates, gate_of = LIMITS["A"], rng.normal(size=(70, 8)), np.array([0, -1, 2, 1])
    call = DeviceCall(emulator, None, gates.dtype)

    def sums() -> np.ndarray[Any, Any]:
        partial, counters, found = np.full((4, 8), np.nan), np.zeros(2, np.int32), np.ones((2, 6))
        places = [a.ctypes.data for a in (gate_of, partial, counters, *found)]
        write_bias_gradients(call, gates.ctypes.data, 70, 4, 2, 3, places[0], *places[1:], True)
        return found

    right, columns = sums(), gates.sum(axis=0)
    np.testing.assert_allclose(right, 1 + np.stack([columns[:6], columns[[0, 1, 6, 7, 4, 5]]]))
    barriers = sorted(emulator.cuda.barriers)
    assert len(barriers) == 3 and parts_of(70) == 4
    for emulator.cuda.without in barriers:
        found = []
        for emulator.order in (None, *range(20)):
            found.append(np.array_equal(sums(), right))
        assert not all(found), f"nothing shows that {emulator.cuda.without} is missing"


@pytest.mark.parametrize("kernel", ["forward", "backward"])
def test_blocks_that_do_not_wait_for_one_another_are_found(
    kernel: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, emulator.limits = make_problem(small("lstm"), "float64"), LIMITS["B"]
    right = run(numba_cuda, copy_of(problem))

    def waiter(cuda: Any) -> Any:
        def only_its_threads(counter: int, members: int, turn: int = 0, error: int = 0) -> int:
            cuda.syncthreads()
            return turn

        return only_its_threads, only_its_threads

    monkeypatch.setattr(importlib.import_module(f"rnnfast.backends.cuda.{kernel}"), "waiter", waiter)
    assert goes_wrong(emulator, problem, right)


def test_a_block_that_never_comes_is_a_deadlock(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.limits = LIMITS["B"]
    run_all = emulator.run

    def one_block_less(kernel: Any, blocks: tuple[int, int], *arguments: Any) -> None:
        run_all(kernel, (blocks[0] - (emulator.launched[-1] == "forward_kernel"), 1), *arguments)

    monkeypatch.setattr(emulator, "run", one_block_less)
    with pytest.raises(Deadlock, match="wait for ever: a counter, syncthreads"):
        run(numba_cuda, make_problem(small("lstm")))


LOOKS = 2000


@pytest.fixture
def impatient(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """Kernels of tier B that soon give up waiting, and an emulator that lets them."""
    emulator.limits, emulator.cuda.impatient = LIMITS["B"], True
    for kernel in (forward, backward):
        monkeypatch.setattr(kernel, "waiter", functools.partial(blocks.waiter, patience=LOOKS))
    return emulator


@pytest.mark.parametrize("kernel", ["forward_kernel", "backward_kernel"])
def test_a_wait_for_a_block_that_never_comes_ends(
    kernel: str, impatient: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all, problem = impatient.run, make_problem(small("gru_before"), "float32")
    right = run(numba_cuda, copy_of(problem))  # nobody gives up who need not

    def one_block_less(function: Any, blocks: tuple[int, int], *arguments: Any) -> None:
        run_all(function, (blocks[0] - (impatient.launched[-1] == kernel), 1), *arguments)

    looks, announced = itertools.count(), blocks.announced
    with monkeypatch.context() as patch, pytest.raises(TimeoutError, match=r"waited in vain.*this call's results"):
        patch.setattr(impatient, "run", one_block_less)
        patch.setattr(blocks, "announced", lambda counter: announced(counter) if next(looks) >= 0 else 0)
        run(numba_cuda, copy_of(problem))
    assert next(looks) < LOOKS * impatient.limits.blocks  # each gives up once
    again = run(numba_cuda, copy_of(problem))
    assert all(np.array_equal(again[name], value) for name, value in right.items())


@pytest.mark.parametrize("number", [0, 5, 11])
def test_an_arrival_that_is_left_out_is_found(
    number: int, impatient: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce, arrivals = blocks.announce, itertools.count()
    monkeypatch.setattr(blocks, "announce", lambda counter: next(arrivals) == number or announce(counter))
    with pytest.raises(TimeoutError, match=r"waited in vain.*this call's results"):
        run(numba_cuda, make_problem(small("lstm"), "float32"))


def test_a_barrier_that_some_threads_miss_is_a_deadlock(emulator: Emulator) -> None:
    cuda = emulator.cuda

    def kernel() -> None:
        if cuda.threadIdx.x < 3:
            cuda.syncthreads()

    with pytest.raises(Deadlock, match="3 threads wait for ever: syncthreads"):
        emulator.run(kernel, 1, 4, 0)


def test_tiers_by_hidden_size() -> None:
    h200 = Limits(256, 32, (64, 128), 48 << 10, 132)
    assert reach(h200, CELLS["lstm"]) == "A to 64 hidden units, B to 1024 hidden units, C beyond"
    with_clusters = replace(h200, capability=(9, 0))
    assert reach(with_clusters, CELLS["lstm"]) == "D to 256 hidden units, B to 1024 hidden units, C beyond"
    tier = choose(with_clusters, CELLS["lstm"], 200, 4, 9)
    assert (tier.name, tier.members, tier.groups) == ("D", 13, 2)
    assert choose(with_clusters, CELLS["gru_before"], 64, 4, 1).reason.endswith("; clusters have no gru_before")
    tier = choose(h200, CELLS["gru"], 256, 4, 32)
    assert (tier.name, tier.members, tier.groups) == ("B", 16, 8)
    assert choose(h200, CELLS["gru"], 256, 4, 3).groups == 3  # no more than rows


def test_blocks_hold_less_before_compute_capability_9() -> None:
    a100, h200 = (choose(limits_of(each, 108), CELLS["lstm"], 512, 4, 8).block for each in ((8, 0), (9, 0)))
    assert a100 == Block(8, 256, 32, ahead=1) and h200 == Block(8, 256, 32, ahead=2)
    members = [choose(limits_of(each, 108), CELLS["lstm"], 100, 8, 1).members for each in ((8, 0), (9, 0))]
    assert members == [13, 7]


@pytest.mark.parametrize(("groups", "batch"), [(1, 7), (3, 7), (5, 5), (131, 2**31 - 1), (132, 2**31 - 2)])
def test_groups_rows_are_those_of_plans(groups: int, batch: int) -> None:
    numbers = range(groups + 1)
    assert [int(dealt(group, groups, batch)) for group in numbers] == [group * batch // groups for group in numbers]


@pytest.mark.parametrize(("steps", "batch", "reaches"), [(2**21, 2**10 - 1, True), (2**21, 2**10, False), (1, 5, True)])
def test_calls_of_more_entries_than_kernels_number_are_refused(
    steps: int, batch: int, reaches: bool, emulator: Emulator
) -> None:
    emulator.limits = LIMITS["A"]
    problem = replace(make_problem(small("lstm"), "float32"), steps=steps, batch=batch)
    if reaches:
        numba_cuda.bind(problem, Layout())
        return
    expected = r"x has 2097152 time steps of 1024 rows, 2147483648 in all, expected at most 2147483647 on the cuda"
    with pytest.raises(ValueError, match=expected):
        numba_cuda.bind(problem, Layout())


@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
def test_calls_in_which_blocks_meet_more_often_than_they_count_are_refused(cell: str, emulator: Emulator) -> None:
    """A group's counter goes up by one for each of its blocks at every product of a step."""
    emulator.limits = LIMITS["B"]
    tier = choose(emulator.limits, CELLS[cell], 9, 4, 1)
    most = (2**31 - 1) // (tier.members * len(CELLS[cell].phases))
    problem = replace(make_problem(small(cell), "float32"), batch=1)
    numba_cuda.bind(replace(problem, steps=most), Layout())
    with pytest.raises(ValueError, match=f"{most + 1} time steps, expected at most {most} on .*, where {tier.members}"):
        numba_cuda.bind(replace(problem, steps=most + 1), Layout())


def test_no_device_is_the_reason() -> None:
    if numba_cuda.reason() is None:
        pytest.skip("there is a device")
    with pytest.raises(RuntimeError, match="'cuda', which cannot run: (no CUDA device|numba-cuda is not installed)"):
        chooser.select("cuda")
    assert rnnfast.backends()["cuda"] == numba_cuda.reason()


@pytest.mark.slow
def test_the_script_for_a_device_runs_its_checks_in_the_emulator() -> None:
    if numba_cuda.reason() is None:
        pytest.skip("there is a device, which the script would measure for minutes")
    script = Path(__file__).parents[2] / "bench" / "gpu.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert "small nets in the emulator" in done.stdout
    assert set(re.findall("tier (.): ", done.stdout)) == set("ACD")  # B: several blocks hold a larger net
    assert done.stdout.count("repeated: GRU") == 2 and done.stdout.count("extremes: ") == 3
