"""The same bits of the C backend with any number of threads, many callers, forks at any moment, few processors."""

from __future__ import annotations

import os

import pytest
from digests import digest, digest_in_child
from support import make_problem
from threaded import (
    C_AND_ITS_THREADS,
    EVERY_NET,
    FORKS,
    NEEDS_FORK,
    NETS,
    assert_callers_at_once_agree,
    assert_children_amid_calls_agree,
    digest_on_one_thread,
    python,
)

from rnnfast.backends.c import backend as c

pytestmark = C_AND_ITS_THREADS


@FORKS
@EVERY_NET
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_with_any_number_of_threads(net: str, dtype: str) -> None:
    problem = make_problem(NETS[net], dtype)
    expected = digest_on_one_thread(problem)
    for n in (2, 3, 7):
        c.set_num_threads(n)
        assert digest(c, problem) == expected, f"{n} threads"
        if hasattr(os, "fork"):  # which knows of no neighbour that has made this process use fewer
            assert digest_in_child(c, problem) == expected, f"{n} threads of a child"


@EVERY_NET
def test_callers_at_once_get_the_same_bits(net: str) -> None:
    problem = make_problem(NETS[net], "float32")
    expected = digest_on_one_thread(problem)
    c.set_num_threads(3)
    assert_callers_at_once_agree(c, problem, expected)


@NEEDS_FORK
@FORKS
@EVERY_NET
def test_a_forked_child_computes_the_same_bits(net: str) -> None:
    problem = make_problem(NETS[net], "float32")
    expected = digest_on_one_thread(problem)
    c.set_num_threads(3)
    assert digest(c, problem) == expected
    assert digest_in_child(c, problem) == expected
    assert digest(c, problem) == expected


@NEEDS_FORK
@FORKS
def test_a_fork_in_the_midst_of_another_threads_call() -> None:
    problem = make_problem(NETS["rows"], "float32")
    expected = digest_on_one_thread(problem)
    c.set_num_threads(3)
    assert_children_amid_calls_agree(c, problem, expected)


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
