"""How many threads the C backend takes: as set, as the environment says, as threadpoolctl limits them."""

from __future__ import annotations

from pathlib import Path

import pytest
from threaded import C_AND_ITS_THREADS, python

from rnnfast.backends.c import backend as c
from rnnfast.backends.processors import available_processors

pytestmark = C_AND_ITS_THREADS


def test_set_and_get() -> None:
    c.set_num_threads(3)
    assert c.get_num_threads() == 3
    c.set_num_threads(1_000_000)
    assert c.get_num_threads() == 256
    for n in (0, -1):
        with pytest.raises(ValueError, match="number of threads"):
            c.set_num_threads(n)
    assert c.get_num_threads() == 256


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("5000", 256), ("", None)])
def test_environment_variable(value: str, expected: int | None) -> None:
    code = "from rnnfast.backends.c import backend as c; print(c.get_num_threads())"
    assert python(code, RNNFAST_NUM_THREADS=value) == str(expected or min(available_processors(), 256))


@pytest.mark.parametrize("value", ["0", "-2", "two", "3 threads", "1.5"])
def test_wrong_environment_variable_is_an_error(value: str) -> None:
    code = """
from support import Spec, make_problem, run
from rnnfast.backends.c import backend as c
for call in c.get_num_threads, lambda: run(c, make_problem(Spec())):
    try:
        call()
    except ValueError as error:
        print("RNNFAST_NUM_THREADS" in str(error))
"""
    assert python(code, RNNFAST_NUM_THREADS=value).split() == ["True", "True"]


def test_setting_overrides_the_environment_variable() -> None:
    code = "from rnnfast.backends.c import backend as c; c.set_num_threads(2); print(c.get_num_threads())"
    assert python(code, RNNFAST_NUM_THREADS="none") == "2"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists a process's threads in /proc")
def test_large_work_is_shared_and_never_by_more_threads_than_set() -> None:
    code = """
import os
from support import make_problem, run
from threaded import NETS
from rnnfast.backends.c import backend as c
problem = make_problem(NETS["rows"], "float32")
c.set_num_threads(3)
before = len(os.listdir("/proc/self/task"))
run(c, problem)
print(len(os.listdir("/proc/self/task")) - before)
"""
    assert python(code) in ("1", "2")


def test_threadpoolctl_sees_and_limits_them() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.4", reason="threadpoolctl is not installed")
    c.set_num_threads(3)
    with threadpoolctl.threadpool_limits(2, user_api="rnnfast"):
        assert c.get_num_threads() == 2
    assert c.get_num_threads() == 3
    (info,) = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "rnnfast"]
    assert info["num_threads"] == 3
    assert info["version"]
