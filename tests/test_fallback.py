"""Where the C library was not built: the reference stands in with a warning, or an error says what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from choices import chosen, forget

import rnnfast
from rnnfast.backends import c, numba_cpu


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Neither was the C library built nor is Numba installed."""
    monkeypatch.setattr(numba_cpu, "reason", lambda variant=None: "numba is not installed")
    monkeypatch.setattr(c, "reason", lambda variant=None: "the C library was not built")
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
    monkeypatch.setattr(numba_cpu, "reason", lambda variant=None: None)
    assert chosen() == "numba"  # warnings are errors in these tests


def test_asking_for_the_reference_does_not_warn(without_library: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFAST_BACKEND", "reference")
    assert chosen() == "reference"  # warnings are errors in these tests


def test_only_an_automatic_choice_falls_back(without_library: None) -> None:
    with pytest.raises(RuntimeError, match="asks for backend 'c', which cannot run: the C library was not built"):
        chosen("c")


def test_threads_without_the_library(without_library: None) -> None:
    assert rnnfast.get_num_threads() == 1
    with pytest.raises(RuntimeError, match="the C library was not built"):
        rnnfast.set_num_threads(2)
