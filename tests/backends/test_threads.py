"""Threads of the C backend: how many, the same bits with any number, many callers at once, forks at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from digests import TIMEOUT, digest, digest_in_child
from programs import run, tool
from support import Spec, make_problem
from targets import Target

from rnnfast.backends.c import backend as c
from rnnfast.backends.processors import available_processors
from rnnfast.problem import Problem

HELPERS = Path(__file__).parents[1] / "helpers"
CLONE = Path(__file__).parents[2]
RAGGED: dict[str, Any] = {"lengths": True, "mask": True, "resets": True}
NETS = {
    "rows": Spec(steps=20, batch=33, input_size=24, hidden_size=64, dropout=0.2, layers=2, **RAGGED),
    "directions": Spec("gru", steps=20, batch=2, input_size=40, hidden_size=72, directions=2, layers=2, **RAGGED),
    "one row": Spec(steps=20, batch=1, input_size=64, hidden_size=256),
    "subnormal weights": Spec("rnn_linear", steps=4, batch=65, input_size=128, hidden_size=128, scale=1e-38),
}


@pytest.fixture(autouse=True)
def c_backend_with_its_number_of_threads_restored() -> Iterator[None]:
    """Skip where the C backend cannot run; test_backends.py fails where it must."""
    Target("c").skip_unless_able()
    n = c.get_num_threads()
    yield
    c.set_num_threads(n)


def digest_on_one_thread(problem: Problem) -> str:
    c.set_num_threads(1)
    return digest(c, problem)


def python(code: str, **environment: str) -> str:
    """What a fresh Python prints, in the directory of the tests and with more environment variables."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(HELPERS), str(Path(__file__).parent), *sys.path])}
        | environment,
        cwd=HELPERS,
        timeout=TIMEOUT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process.stdout.strip()


@pytest.mark.parametrize("options", [(), ("-fsanitize=thread", "-g")], ids=["plain", "thread sanitizer"])
def test_the_pool_by_itself(options: tuple[str, ...], tmp_path: Path) -> None:
    names = ("barrier", "cgroup", "forks", "gate", "processors", "restraint", "spawn", "threads")
    sources = [CLONE / "csrc" / "system" / f"{name}.c" for name in names]
    flags = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{CLONE / 'csrc'}")
    run(tool("cc"), *flags, *options, HELPERS / "pool.c", *sources, "-o", tmp_path / "pool")
    # A program of one sanitizer takes no other one's library, which may be loaded into everything.
    settings = {"LD_PRELOAD": "", "TSAN_OPTIONS": "die_after_fork=0:atexit_sleep_ms=0"}
    assert run(tmp_path / "pool", **settings) == "all well\n"


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
from test_threads import NETS
from rnnfast.backends.c import backend as c
problem = make_problem(NETS["rows"], "float32")
c.set_num_threads(3)
before = len(os.listdir("/proc/self/task"))
run(c, problem)
print(len(os.listdir("/proc/self/task")) - before)
"""
    assert python(code) in ("1", "2")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_with_any_number_of_threads(net: str, dtype: str) -> None:
    problem = make_problem(NETS[net], dtype)
    expected = digest_on_one_thread(problem)
    for n in (2, 3, 7):
        c.set_num_threads(n)
        assert digest(c, problem) == expected, f"{n} threads"
        if hasattr(os, "fork"):  # which knows of no neighbour that has made this process use fewer
            assert digest_in_child(c, problem) == expected, f"{n} threads of a child"


@pytest.mark.parametrize("net", NETS)
def test_callers_at_once_get_the_same_bits(net: str) -> None:
    callers, calls = 4, 5
    problem = make_problem(NETS[net], "float32")
    expected = digest_on_one_thread(problem)
    c.set_num_threads(3)
    start = threading.Barrier(callers)

    def call(_: int) -> list[str]:
        start.wait(TIMEOUT)
        return [digest(c, problem) for _ in range(calls)]

    with ThreadPoolExecutor(callers) as executor:
        assert list(executor.map(call, range(callers))) == [[expected] * calls] * callers


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("net", NETS)
def test_a_forked_child_computes_the_same_bits(net: str) -> None:
    problem = make_problem(NETS[net], "float32")
    expected = digest_on_one_thread(problem)
    c.set_num_threads(3)
    assert digest(c, problem) == expected
    assert digest_in_child(c, problem) == expected
    assert digest(c, problem) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_in_the_midst_of_another_threads_call() -> None:
    problem = make_problem(NETS["rows"], "float32")
    expected = digest_on_one_thread(problem)
    c.set_num_threads(3)
    stop = threading.Event()

    def keep_calling() -> set[str]:
        found = set()
        while not stop.is_set():
            found.add(digest(c, problem))
        return found

    with ThreadPoolExecutor(1) as executor:
        busy = executor.submit(keep_calling)
        try:
            assert [digest_in_child(c, problem) for _ in range(5)] == [expected] * 5
        finally:
            stop.set()
        assert busy.result(TIMEOUT) <= {expected}


ON_ONE_PROCESSOR = """
import os, numpy, rnnfast
from digests import digest
from support import Spec, make_problem
from rnnfast.backends.c import backend as c
specs = [
    Spec(steps=150, batch=2, hidden_size=260, layers=2, directions=2, resets=True, recurrent_dropout=0.2),
    Spec("gru_before", steps=100, batch=7, input_size=33, hidden_size=200, masked_output="hold", mask=True),
    Spec("rnn_tanh", steps=300, batch=4, input_size=8, hidden_size=400),
]
def all_on_one():
    for task in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(task), {min(os.sched_getaffinity(0))})
for spec in specs:
    problem = make_problem(spec, "float32")
    c.set_num_threads(1)
    expected = digest(c, problem)
    for n in (2, 3, 5):
        c.set_num_threads(n)
        for _ in range(3):
            all_on_one()
            print(digest(c, problem) == expected)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no threads")
def test_workers_that_wait_for_each_other_too_long_part_with_the_same_bits() -> None:
    assert set(python(ON_ONE_PROCESSOR).split()) == {"True"}


def test_threadpoolctl_sees_and_limits_them() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.4", reason="threadpoolctl is not installed")
    c.set_num_threads(3)
    with threadpoolctl.threadpool_limits(2, user_api="rnnfast"):
        assert c.get_num_threads() == 2
    assert c.get_num_threads() == 3
    (info,) = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "rnnfast"]
    assert info["num_threads"] == 3
    assert info["version"]


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


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
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
from test_threads import NETS
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
