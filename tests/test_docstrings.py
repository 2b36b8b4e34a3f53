"""The examples in docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast

ROOMS = ("rnnfast.checks", "rnnfast.net", "rnnfast.modules")
MODULES = ["rnnfast.config"] + [
    info.name for room in ROOMS for info in pkgutil.iter_modules(importlib.import_module(room).__path__, f"{room}.")
]


def examples(name: str) -> list[doctest.DocTest]:
    """The docstrings of a module that have examples, with what a user would have imported."""
    module: Any = importlib.import_module(name)
    given = {"np": np, "rnnfast": rnnfast, **vars(module)}
    return [test for test in doctest.DocTestFinder().find(module, globs=given) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in examples(name):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_examples_are_found() -> None:
    assert sum(len(examples(name)) for name in MODULES) >= 15
