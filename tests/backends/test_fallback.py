"""Where the C library was not built: the reference stands in with a warning, or an error says what is missing."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest
from choices import chosen, forget
from programs import python

import rnnfast
from rnnfast.backends import threads
from rnnfast.backends.c import backend as c
from rnnfast.backends.numba import backend as numba_cpu


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither was the C library built nor is Numba installed."""
    monkeypatch.setattr(numba_cpu, "reason", lambda variant=None, cell=None: "numba is not installed")
    monkeypatch.setattr(c, "reason", lambda variant=None, cell=None: "the C library was not built")
    monkeypatch.setattr(c, "variants", lambda: ())
    monkeypatch.delenv("RNNFAST_BACKEND", raising=False)
    forget()
    yield
    forget()


def test_falling_back_to_the_reference_warns_once(without_library: None) -> None:
    with pytest.warns(RuntimeWarning, match="slow .* the C library was not built. Install .* pip") as caught:
        assert chosen() == "reference"
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert chosen() == "reference"


def test_numba_comes_before_the_reference(without_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_cpu, "reason", lambda variant=None, cell=None: None)
    assert chosen() == "numba"  # warnings are errors in these tests


def test_asking_for_the_reference_does_not_warn(without_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFAST_BACKEND", "reference")
    assert chosen() == "reference"  # warnings are errors in these tests


def test_only_an_automatic_choice_falls_back(without_library: None) -> None:
    with pytest.raises(RuntimeError, match="asks for backend 'c', which cannot run: the C library was not built"):
        chosen("c")


@pytest.fixture
def undecided(without_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has set or asked for a number of threads yet."""
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.delenv("RNNFAST_NUM_THREADS", raising=False)


def test_threads_without_the_library(undecided: None) -> None:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert rnnfast.get_num_threads() == min(available or 1, 256)
    rnnfast.set_num_threads(3)
    assert rnnfast.get_num_threads() == 3
    rnnfast.set_num_threads(1_000_000)
    assert rnnfast.get_num_threads() == 256
    with pytest.raises(ValueError, match="^n "):
        rnnfast.set_num_threads(0)


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("5000", 256)])
def test_the_variable_without_the_library(
    undecided: None, monkeypatch: pytest.MonkeyPatch, value: str, expected: int
) -> None:
    monkeypatch.setenv("RNNFAST_NUM_THREADS", value)
    assert rnnfast.get_num_threads() == expected


@pytest.mark.parametrize("value", ["0", "-2", "two", "3 threads", "1.5"])
def test_a_wrong_variable_without_the_library(undecided: None, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RNNFAST_NUM_THREADS", value)
    with pytest.raises(ValueError, match="RNNFAST_NUM_THREADS"):
        rnnfast.get_num_threads()


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = sys.modules["numba_cuda"] = None
import rnnfast
try:
    rnnfast.LSTM(2, 3).to("cuda")
except RuntimeError as error:
    print(error)
"""


def test_without_numba_moving_to_a_device_says_what_to_install() -> None:
    assert "cannot move to a CUDA device: numba-cuda is not installed" in python(WITHOUT_NUMBA)
