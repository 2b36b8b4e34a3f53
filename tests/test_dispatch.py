"""Which backend is chosen: argument, context, environment, then the first in the table that can run; and its report."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import dispatch
from rnnfast.backends import c, reference


def stand_in(reasons: dict[str | None, str | None]) -> Any:
    """A backend that computes as the reference does and runs where `reasons` has None, for itself and its variants."""
    module = types.ModuleType("stand_in")
    for name in ("pack", "bind", "forward", "backward", "activations"):
        setattr(module, name, getattr(reference, name))
    module.variants = lambda: tuple(name for name in reasons if name)  # type: ignore[attr-defined]
    module.reason = lambda variant=None: reasons[variant]  # type: ignore[attr-defined]
    return module


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Three backends: "first" runs in one of its two variants, "second" runs, "third" does not."""
    modules = {
        "first": stand_in({None: None, "wide": "this processor is narrow", "plain": None}),
        "second": stand_in({None: None}),
        "third": stand_in({None: "there is no third"}),
    }
    monkeypatch.setattr(dispatch, "TABLE", {name: f"stand_in_{name}" for name in modules})
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"stand_in_{name}", module)
    monkeypatch.delenv("RNNFAST_BACKEND", raising=False)
    forget()
    yield modules
    forget()


def forget() -> None:
    """Let the next call choose anew."""
    dispatch._explicit.cache_clear()
    dispatch._automatic.cache_clear()


def chosen(argument: str | None = None) -> str:
    """The name of the chosen backend and variant."""
    choice = dispatch.select(argument)
    return f"{choice.name}:{choice.variant}" if choice.variant else choice.name


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
    table["first"].reason = lambda variant=None: "not today"
    assert chosen() == "second"


@pytest.mark.parametrize("name", ["fourth", "", "First", "first ", ":plain"])
def test_unknown_backend(table: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(
        ValueError, match=f"^backend= names no backend: '{name}', expected one of first, second, third$"
    ):
        rnnfast.LSTM(2, 3, backend=name)
    with pytest.raises(ValueError, match="^use_backend names no backend"), rnnfast.use_backend(name):
        pass
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
        def forward(problem: Any) -> None:
            seen.append((name, problem.variant))
            reference.forward(problem)

        table[name].forward = forward

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


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The C library was not built."""
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


@pytest.mark.parametrize(
    "n, error", [(0, ValueError), (-3, ValueError), (2**31, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_threads_that_cannot_be(n: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="^n "):
        rnnfast.set_num_threads(n)


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_threads_of_the_library() -> None:
    before = rnnfast.get_num_threads()
    try:
        rnnfast.set_num_threads(3)
        assert rnnfast.get_num_threads() == 3
    finally:
        rnnfast.set_num_threads(before)


def test_config_says_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFAST_BACKEND", "reference")
    rows = dict(line.split("  ", 1) for line in rnnfast.show_config().splitlines())
    rows = {name.strip(): value.strip() for name, value in rows.items()}
    assert rows["rnnfast"] == rnnfast.__version__
    assert rows["backend"] == "reference (RNNFAST_BACKEND)"
    assert rows["threads"] == str(rnnfast.get_num_threads())
    for name, value in c.describe().items():
        assert rows[f"C {name}"] == value.strip()
    for name, reason in rnnfast.backends().items():
        assert rows[f"backend {name}"] == (reason or "can run")


def test_the_table_is_the_contract() -> None:
    order = [name for name in ("c", "numba", "cuda", "reference") if name in dispatch.TABLE]
    assert list(dispatch.TABLE) == order
    assert rnnfast.backends()["reference"] is None


def test_import_brings_nothing_that_is_slow() -> None:
    code = """
import sys, rnnfast
slow = {"matplotlib", "rich", "safetensors", "numba", "torch", "cffi", "hypothesis", "importlib.metadata"}
print(*sorted(slow & set(sys.modules)), rnnfast.__version__)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [rnnfast.__version__] and not found.stderr


def test_names() -> None:
    assert set(rnnfast.__all__) <= set(dir(rnnfast)) | {"__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'lstm'"):
        rnnfast.lstm  # noqa: B018
