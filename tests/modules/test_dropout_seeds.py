"""Seeds of dropout: one after another, whichever thread or copy draws them."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest
from nets import KINDS
from programs import python

X = np.ones((2, 1, 3), np.float32)


@pytest.fixture
def threads_by_turns() -> Any:
    """Threads that give way to one another after every few operations."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_draw_different_seeds(threads_by_turns: None) -> None:
    net: Any = KINDS["gru"](3, 4, recurrent_dropout=0.5, seed=1)
    first, found = net.record(X)[2].dropout_seed, []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        found.extend([net.record(X)[2].dropout_seed for _ in range(300)])

    team = [threading.Thread(target=work) for _ in range(8)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert sorted((seed - first) % 2**64 for seed in found) == list(range(1, 2401))


def test_seeds_go_on_from_zero_behind_the_last() -> None:
    net: Any = KINDS["gru"](3, 4, recurrent_dropout=0.5)
    net._dropout_seed = 2**64 - 1
    assert [net.record(X)[2].dropout_seed for _ in range(2)] == [2**64 - 1, 0]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_go_on_by_themselves(copied: Any) -> None:
    net: Any = KINDS["gru"](3, 4, recurrent_dropout=0.5)
    first = net.record(X)[2].dropout_seed
    twin = copied(net)
    for drawing in (net, twin, twin, net):
        drawing.record(X)
    assert twin.record(X)[2].dropout_seed == net.record(X)[2].dropout_seed == (first + 3) % 2**64


FORKS = """
import os, signal, threading, time, warnings
import rnnfast
from rnnfast.modules import base
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which are the point
net, held = rnnfast.GRU(3, 4), threading.Event()

def draw_slowly():
    with base._drawing:
        held.set()
        time.sleep(0.3)

thread = threading.Thread(target=draw_slowly)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(5)  # ends a child that waits for a thread which it does not have
    net._next_seed()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_made_while_a_thread_draws_can_draw() -> None:
    python(FORKS)
