"""A hash of all that a problem gives, here or in a forked child."""

from __future__ import annotations

import hashlib
import os
import select
import signal

from support import copy_of, run

from rnnfast.backends.contract import Backend
from rnnfast.problem import Problem

TIMEOUT = 120
"""Seconds after which a process hangs."""


def digest(backend: Backend, problem: Problem) -> str:
    """A hash of every bit that forward and backward compute."""
    results = run(backend, copy_of(problem))
    named = b"".join(name.encode() + a.tobytes() for name, a in sorted(results.items()))
    return hashlib.sha256(named).hexdigest()


def digest_in_child(backend: Backend, problem: Problem) -> str:
    """The same, computed in a forked child; fails where the child hangs or dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, digest(backend, problem).encode())
        finally:
            os._exit(0)
    os.close(writer)
    if not select.select([reader], [], [], TIMEOUT)[0]:
        os.kill(child, signal.SIGKILL)
    with open(reader, "rb") as pipe:
        found = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0, "the child hung or was killed"
    return found
