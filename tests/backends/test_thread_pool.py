"""The C backend's pool of threads: by itself, as a program has it started, ended and made to spin, and in a child."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from programs import run, tool
from threaded import C_AND_ITS_THREADS, FORKS, python

pytestmark = C_AND_ITS_THREADS
CLONE = Path(__file__).parents[2]


@pytest.mark.parametrize("options", [(), ("-fsanitize=thread", "-g")], ids=["plain", "thread sanitizer"])
def test_the_pool_by_itself(options: tuple[str, ...], tmp_path: Path) -> None:
    names = ("barrier", "cgroup", "forks", "gate", "processors", "restraint", "spawn", "threads")
    sources = [CLONE / "csrc" / "system" / f"{name}.c" for name in names]
    flags = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{CLONE / 'csrc'}")
    run(tool("cc"), *flags, *options, CLONE / "tests" / "helpers" / "pool.c", *sources, "-o", tmp_path / "pool")
    # A program of one sanitizer takes no other one's library, which may be loaded into everything.
    settings = {"LD_PRELOAD": "", "TSAN_OPTIONS": "die_after_fork=0:atexit_sleep_ms=0"}
    assert run(tmp_path / "pool", **settings) == "all well\n"


COUNTED = """
import os, numpy, rnnfast
from rnnfast.backends.c.library import library

ffi, lib = library()
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
assert lib.rf_threads_warm_up(0) == lib.RF_ERROR_RANGE == lib.rf_threads_set_spin(-1)
assert lib.rf_threads_set_spin(0) == lib.RF_OK
assert lib.rf_threads_warm_up(3) == lib.rf_threads_warm_up(2) == lib.RF_OK
print(threads() - before)
rnnfast.set_num_threads(3)
net, x = rnnfast.LSTM(64, 256, seed=0), numpy.ones((20, 48, 64), "float32")
y, _ = net(x)
print(threads() - before)
for _ in range(20):
    assert lib.rf_threads_shut_down() == lib.RF_OK
    assert (net(x)[0] == y).all()
for _ in range(100):
    lib.rf_threads_warm_up(8)
    lib.rf_threads_shut_down()
    print(threads() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
def test_the_pool_is_started_and_ended_when_asked() -> None:
    assert python(COUNTED, RNNFAST_BACKEND="c", RNNFAST_NUM_THREADS="3").split() == ["2", "2", *["0"] * 100]


SPUN = """
import os, time
from pathlib import Path
from rnnfast.backends.c.library import library

ffi, lib = library()
before = set(os.listdir("/proc/self/task"))
lib.rf_threads_set_spin({nanoseconds})
lib.rf_threads_warm_up(2)
(task,) = set(os.listdir("/proc/self/task")) - before
time.sleep(0.2)
for _ in range(20):
    print(Path("/proc/self/task", task, "stat").read_text().rpartition(")")[2].split()[0])
    time.sleep(0.01)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc whether a thread sleeps")
@pytest.mark.parametrize("nanoseconds, state", [(0, "S"), (10**12, "R"), (2**63 - 1, "R")])
def test_a_thread_spins_for_as_long_as_it_is_told(nanoseconds: int, state: str) -> None:
    assert set(python(SPUN.format(nanoseconds=nanoseconds)).split()) == {state}


@FORKS
@pytest.mark.parametrize("when", ["loaded", "not yet loaded"])
def test_a_child_does_not_ask_for_threads_of_its_parent(when: str) -> None:
    """Of another library: they are not there. Where the child loads ours, it finds out itself that it is one."""
    code = f"""
import ctypes, os
if {when == "loaded"}:
    from rnnfast.backends.c import backend as c
    c.get_num_threads()
child = os.fork()
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)
from dataclasses import replace
from support import make_problem, run
from threaded import NETS
from rnnfast.backends.c import backend as c
asked = []
Work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
@ctypes.CFUNCTYPE(None, Work, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
def lend(work, data, threads, flags):
    asked.append(threads)
    work(data)
team = ctypes.cast(lend, ctypes.c_void_p).value
run(c, replace(make_problem(NETS["rows"], "float32"), num_threads=2, team=team))
os._exit(len(asked))
"""
    assert python(code) == "0"
