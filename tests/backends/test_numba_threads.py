"""Threads of the Numba backend: the same bits with any number of them and in any batch; work shared; forks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import bits
import numpy as np
import pytest
from agreement import ALL_CELLS, BOTH_DTYPES
from bits import assert_rows_agree, assert_same_bits
from digests import TIMEOUT, digest
from programs import python
from support import Spec, copy_of, make_problem, run
from threaded import FORKS, NEEDS_FORK, assert_callers_at_once_agree, assert_children_amid_calls_agree

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import ForwardArrays
from rnnfast.backends.numba import backend as numba_cpu
from rnnfast.problem import Array, Problem

pytest.importorskip("numba", reason="numba is not installed")

from rnnfast.backends.numba import layer, threads

NETS: dict[str, dict[str, Any]] = {
    "plain": {"steps": 4, "input_size": 9, "hidden_size": 70},
    "one step": {"steps": 1, "input_size": 64, "hidden_size": 32},
    "all options": bits.NETS["all options"],
}
EVERY_NET = pytest.mark.parametrize("net", NETS)


@pytest.fixture(autouse=True)
def small_work_is_shared_too(monkeypatch: pytest.MonkeyPatch, number_of_threads_restored: None) -> Iterator[None]:
    """However little there is to do, all threads that may are used."""
    monkeypatch.setattr(threads, "LEAST", 1)
    yield


def make(cell: str, dtype: str, net: str, batch: int) -> Problem:
    return make_problem(Spec(cell, batch=batch, **NETS[net]), dtype)


@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_the_same_bits_with_any_number_of_threads(
    cell: str, dtype: str, net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of small work, which is done in one piece, not in stages that threads share."""
    problem = make(cell, dtype, net, batch=7)
    with monkeypatch.context() as patch:
        patch.setattr(threads, "LEAST", 1 << 60)
        expected = run(numba_cpu, copy_of(problem))
    for n in (1, 2, 3, 7, 40):
        rnnfast.set_num_threads(n)
        assert_same_bits(run(numba_cpu, copy_of(problem)), expected)


@pytest.mark.parametrize("cell", ["lstm", "gru_before"])
def test_rows_of_a_part_have_room_of_their_own(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is recorded: one after another, threads that share it would not be seen."""
    problem, room = replace(make(cell, "float32", "plain", batch=7), record=False), dict[str, Array]()

    def filled(use: str, count: int, dtype: np.dtype[Any]) -> Array:
        return room.setdefault(use, np.full(count, np.nan, dtype))

    def rows_two_to_four(work: Callable[[int, int], None], count: int, size: int) -> None:
        work(*((2, 5) if count == 7 else (0, count)))

    monkeypatch.setattr(layer, "scratch", filled)
    monkeypatch.setattr(threads, "share", rows_two_to_four)
    bound: Any = numba_cpu.bind(problem, Layout())
    states = [[a for a in pair if a is not None] for pair in ((problem.h0, problem.c0), (problem.h_n, problem.c_n))]
    bound.run(ForwardArrays(problem.x, problem.y, *states))
    kept = bound.layers[0].tables(28, room["numbers"])
    tables = kept.h_before, kept.operand, kept.c_before, kept.c_after
    for table in (a for a in tables if a.size):
        assert np.isnan(table[[0, 1, 5, 6]]).all() and not np.isnan(table[2:5]).any()


@ALL_CELLS
@BOTH_DTYPES
@EVERY_NET
def test_a_sequence_alone_and_in_every_batch(cell: str, dtype: str, net: str) -> None:
    problem = make(cell, dtype, net, batch=15)
    assert_rows_agree(lambda part: run(numba_cpu, copy_of(part)), problem, (1, 2, 3, 5, 8, 14))


def test_parts_cover_everything_once_at_the_same_time() -> None:
    rnnfast.set_num_threads(3)
    together, parts = threading.Barrier(3), []

    def work(first: int, last: int) -> None:
        together.wait(TIMEOUT)
        parts.append((first, last))

    threads.share(work, 10, 10)
    assert sorted(parts) == [(0, 3), (3, 6), (6, 10)]


def test_small_work_stays_with_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LEAST", 100)
    rnnfast.set_num_threads(3)
    callers = []
    threads.share(lambda first, last: callers.append((first, last, threading.get_ident())), 10, 199)
    assert callers == [(0, 10, threading.get_ident())]


@pytest.mark.parametrize("bad", range(3))
def test_what_goes_wrong_on_any_thread_is_raised(bad: int) -> None:
    rnnfast.set_num_threads(3)

    def work(first: int, last: int) -> None:
        if first == bad:
            raise MemoryError(str(first))

    with pytest.raises(MemoryError, match=str(bad)):
        threads.share(work, 3, 3)


def test_no_part_runs_any_more_when_another_has_raised() -> None:
    rnnfast.set_num_threads(3)
    began, ended = threading.Barrier(3), []

    def work(first: int, last: int) -> None:
        began.wait(TIMEOUT)
        if first == 1:
            raise MemoryError
        time.sleep(0.05)
        ended.append(first)

    with pytest.raises(MemoryError):
        threads.share(work, 3, 3)
    assert sorted(ended) == [0, 2]


AT_THE_END = """
import atexit, threading
import rnnfast
from rnnfast.backends.numba import layer, threads

threads.LEAST = 1
rnnfast.set_num_threads(3)

def share():
    parts = []
    threads.share(lambda first, last: parts.append((first, last)), 3, 3)
    print(sorted(parts), flush=True)

def after_main():
    threading.main_thread().join()
    share()

share()
threading.Thread(target=after_main).start()
atexit.register(share)
"""


def test_work_is_done_while_the_interpreter_ends() -> None:
    """No pool takes any more by then: not when the main thread has ended and others go on, nor at exit."""
    assert python(AT_THE_END).splitlines() == [str([(0, 1), (1, 2), (2, 3)])] * 3


def test_work_is_done_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", [ThreadPoolExecutor(3)])
    monkeypatch.setattr(threading.Thread, "start", refused)
    rnnfast.set_num_threads(3)
    parts = []
    threads.share(lambda first, last: parts.append((first, last)), 10, 10)
    assert sorted(parts) == [(0, 3), (3, 6), (6, 10)]


def test_callers_at_once_get_the_same_bits() -> None:
    problem = make("lstm", "float32", "all options", batch=7)
    rnnfast.set_num_threads(3)
    assert_callers_at_once_agree(numba_cpu, problem, digest(numba_cpu, problem))


@NEEDS_FORK
@FORKS
def test_a_fork_in_the_midst_of_another_threads_call() -> None:
    problem = make("lstm", "float32", "all options", batch=7)
    rnnfast.set_num_threads(3)
    assert_children_amid_calls_agree(numba_cpu, problem, digest(numba_cpu, problem))
