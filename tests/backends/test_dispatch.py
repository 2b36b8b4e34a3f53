"""Which backend is chosen: argument, context, environment, then the first in the table that can run."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from choices import chosen, forget

import rnnfast
from rnnfast.backends import choose
from rnnfast.backends.reference import backend as reference
from rnnfast.backends.stepping import Stepping


def stand_in(reasons: dict[str | None, str | None]) -> Any:
    """A backend that computes as the reference does and runs where `reasons` has None, for itself and its variants."""
    module = types.ModuleType("stand_in")
    module.bind = reference.bind  # type: ignore[attr-defined]
    module.stream = lambda problem: Stepping(module.bind, problem)  # type: ignore[attr-defined]
    module.variants = lambda: tuple(name for name in reasons if name)  # type: ignore[attr-defined]
    module.reason = lambda variant=None, cell=None: reasons[variant]  # type: ignore[attr-defined]
    return module


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Three backends: "first" runs in one of its two variants, "second" runs, "third" does not."""
    modules = {
        "first": stand_in({None: None, "wide": "this processor is narrow", "plain": None}),
        "second": stand_in({None: None}),
        "third": stand_in({None: "there is no third"}),
    }
    monkeypatch.setattr(choose, "TABLE", {name: f"stand_in_{name}" for name in modules})
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"stand_in_{name}", module)
    monkeypatch.delenv("RNNFAST_BACKEND", raising=False)
    forget()
    yield modules
    forget()


def test_order_of_requests(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen() == "first"
    monkeypatch.setenv("RNNFAST_BACKEND", "second")
    assert chosen() == "second"
    with rnnfast.use_backend("first:plain"):
        assert chosen() == "first:plain"
        with rnnfast.use_backend("first"):
            assert chosen() == "first"
            assert chosen("second") == "second"
        assert chosen() == "first:plain"
    assert chosen() == "second"
    monkeypatch.setenv("RNNFAST_BACKEND", "")
    assert chosen() == "first"


def test_automatic_choice_takes_the_first_that_runs(table: dict[str, Any]) -> None:
    table["first"].reason = lambda variant=None, cell=None: "not today"
    assert chosen() == "second"


@pytest.mark.parametrize("name", ["fourth", "", "First", "first ", ":plain"])
def test_unknown_backend(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(
        ValueError, match=f"^backend= names no backend: '{name}', expected one of first, second, third$"
    ):
        rnnfast.LSTM(2, 3, backend=name)
    with pytest.raises(ValueError, match="^use_backend names no backend"):
        rnnfast.use_backend(name)
    monkeypatch.setenv("RNNFAST_BACKEND", name or " ")
    with pytest.raises(ValueError, match="^RNNFAST_BACKEND names no backend"):
        rnnfast.LSTM(2, 3)(np.zeros((1, 1, 2), np.float32))


def test_unknown_variant(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'first:tall', expected first:wide, first:plain$"):
        chosen("first:tall")
    with pytest.raises(ValueError, match="'second:tall', expected 'second' alone$"):
        chosen("second:tall")


@pytest.mark.parametrize("name, reason", [("third", "there is no third"), ("first:wide", "this processor is narrow")])
def test_a_request_that_cannot_run_raises(
    table: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    message = f"asks for backend '{name}', which cannot run: {reason}. Can run here: first, first:plain, second$"
    with pytest.raises(RuntimeError, match=f"^backend= {message}"):
        rnnfast.LSTM(2, 3, backend=name)
    with pytest.raises(RuntimeError, match=f"^use_backend {message}"), rnnfast.use_backend(name):
        pass
    monkeypatch.setenv("RNNFAST_BACKEND", name)
    with pytest.raises(RuntimeError, match=f"^RNNFAST_BACKEND {message}"):
        chosen()


def test_backends_lists_all_with_reasons(table: dict[str, Any]) -> None:
    assert rnnfast.backends() == {
        "first": None,
        "first:wide": "this processor is narrow",
        "first:plain": None,
        "second": None,
        "third": "there is no third",
    }


def test_calls_go_where_they_are_sent(table: dict[str, Any]) -> None:
    seen = []

    def watch(name: str) -> None:
        def bind(problem: Any, layout: Any) -> Any:
            bound = reference.bind(problem, layout)

            def run(*arguments: Any) -> Any:
                seen.append((name, problem.variant))
                return bound.run(*arguments)

            return SimpleNamespace(run=run)

        table[name].bind = bind

    watch("first")
    watch("second")
    x = np.zeros((2, 1, 2), np.float32)
    net, bound = rnnfast.GRU(2, 3), rnnfast.GRU(2, 3, backend="second")
    net(x)
    with rnnfast.use_backend("first:plain"):
        net.record(x)
        bound(x)
        fast = net.freeze()
        rnnfast.RNNCell(2, 3)(x[0])
    fast(x)  # keeps the backend it was packed for
    fast.stream().step(x[0])
    plain = ("first", "plain")
    assert seen == [("first", None), plain, ("second", None), plain, plain, plain]


def test_context_belongs_to_its_thread(table: dict[str, Any]) -> None:
    found = []
    with rnnfast.use_backend("second"):
        thread = threading.Thread(target=lambda: found.append(chosen()))
        thread.start()
        thread.join()
        assert chosen() == "second"
    assert found == ["first"]


def test_context_ends_with_an_error(table: dict[str, Any]) -> None:
    with pytest.raises(KeyError), rnnfast.use_backend("second"):
        raise KeyError
    assert chosen() == "first"


def test_the_table_is_the_contract() -> None:
    order = [name for name in ("c", "numba", "cuda", "reference") if name in choose.TABLE]
    assert list(choose.TABLE) == order
    assert rnnfast.backends()["reference"] is None
