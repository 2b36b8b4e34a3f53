"""Tests of threads: nets large enough to be shared out, fresh processes, callers at once and forks amid calls."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from digests import TIMEOUT, digest, digest_in_child
from programs import run
from support import Spec

from rnnfast.backends.c import backend as c
from rnnfast.backends.contract import Backend
from rnnfast.problem import Problem

RAGGED: dict[str, Any] = {"lengths": True, "mask": True, "resets": True}
NETS = {
    "rows": Spec(steps=20, batch=33, input_size=24, hidden_size=64, dropout=0.2, layers=2, **RAGGED),
    "directions": Spec("gru", steps=20, batch=2, input_size=40, hidden_size=72, directions=2, layers=2, **RAGGED),
    "one row": Spec(steps=20, batch=1, input_size=64, hidden_size=256),
    "subnormal weights": Spec("rnn_linear", steps=4, batch=65, input_size=128, hidden_size=128, scale=1e-38),
}
EVERY_NET = pytest.mark.parametrize("net", NETS)
FORKS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
"""Of tests that fork: Python warns of it where there are threads."""
NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
C_AND_ITS_THREADS = [
    pytest.mark.skipif(c.reason() is not None, reason=str(c.reason())),
    pytest.mark.usefixtures("number_of_threads_restored"),
]
"""Of tests of the C backend that set how many threads it takes."""


def python(code: str, **environment: str) -> str:
    """What this code printed in a fresh interpreter that finds the helpers."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return run(sys.executable, "-c", code, **{"PYTHONPATH": path} | environment).strip()


def digest_on_one_thread(problem: Problem) -> str:
    c.set_num_threads(1)
    return digest(c, problem)


def assert_callers_at_once_agree(backend: Backend, problem: Problem, expected: str) -> None:
    """Four threads call five times each, all beginning together."""
    callers = 4
    start = threading.Barrier(callers)

    def call(_: int) -> list[str]:
        start.wait(TIMEOUT)
        return [digest(backend, problem) for _ in range(5)]

    with ThreadPoolExecutor(callers) as executor:
        assert list(executor.map(call, range(callers))) == [[expected] * 5] * callers


def assert_children_amid_calls_agree(backend: Backend, problem: Problem, expected: str) -> None:
    """Five children are forked while another thread calls without end."""
    stop = threading.Event()

    def keep_calling() -> set[str]:
        found = {digest(backend, problem)}
        while not stop.is_set():
            found.add(digest(backend, problem))
        return found

    with ThreadPoolExecutor(1) as executor:
        busy = executor.submit(keep_calling)
        try:
            assert [digest_in_child(backend, problem) for _ in range(5)] == [expected] * 5
        finally:
            stop.set()
        assert busy.result(TIMEOUT) == {expected}
