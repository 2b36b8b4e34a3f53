"""The two ways of an accelerated layer's calls, Python and the compiled bridge, which is built once for all tests."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("torch"):
    from rnnfast.integrations.torch import bridge, building

LONGEST = 300
"""Seconds that another worker may take to compile."""


@pytest.fixture(scope="session")
def compiled_bridge(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The bridge, compiled by one of the processes that run tests; skips where nothing here can compile it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "bridge"
    before = os.environ.get("RNNFAST_CACHE_DIR")
    os.environ["RNNFAST_CACHE_DIR"] = str(folder)
    try:
        return _compiled(folder)
    finally:
        bridge.use(None)
        if before is None:
            del os.environ["RNNFAST_CACHE_DIR"]
        else:
            os.environ["RNNFAST_CACHE_DIR"] = before


def _compiled(folder: Path) -> Any:
    try:
        folder.mkdir()
    except FileExistsError:
        until = time.monotonic() + LONGEST
        while not (folder / "done").exists() and time.monotonic() < until:
            time.sleep(0.2)
    try:
        building.build()
    except RuntimeError as error:
        if not str(error).startswith("rft.build() needs"):  # a compiler's own words are no reason to skip
            raise
        pytest.skip(str(error))
    finally:
        (folder / "done").touch()
    return bridge.loaded


@pytest.fixture(autouse=True)
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What runs calls, "python" unless a test asks for "bridge", whatever the user's cache holds; in children, too."""
    if not importlib.util.find_spec("torch"):
        yield "python"
        return
    which, before, module = getattr(request, "param", "python"), bridge.loaded, None
    if which == "bridge":
        module = request.getfixturevalue("compiled_bridge")
        monkeypatch.setenv("RNNFAST_CACHE_DIR", str(Path(module.__file__).parents[1]))
    else:
        monkeypatch.setenv(bridge.SWITCH, "0")
    bridge.use(module)
    yield which
    bridge.use(before)
