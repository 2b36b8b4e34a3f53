"""The examples in docstrings: each runs, and prints what it says."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
from sources import Source, sources

import rnnfast
from rnnfast.backends.c import backend as c

PARSER = doctest.DocTestParser()
NEED_THE_LIBRARY = (
    "rnnfast.backends.c.",
    "rnnfast.integrations.jax",
    "rnnfast.integrations.numba",
    "rnnfast.integrations.thinc",
    "rnnfast.integrations.torch",
)
"""Beginnings of names of modules that have no other backend than C."""


def written(source: Source) -> int:
    """The examples in a module's strings that stand by themselves: its docstrings, and what says what a name is."""
    texts = [node.value for node in ast.walk(source.tree) if isinstance(node, ast.Expr)]
    constants = [node.value for node in texts if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return sum(len(PARSER.get_examples(text)) for text in constants)


WITH_EXAMPLES = [source for source in sources().values() if written(source)]


@pytest.mark.parametrize("source", WITH_EXAMPLES, ids=lambda source: source.name)
def test_examples_print_what_they_say(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if source.missing:
        pytest.skip(f"needs {', '.join(sorted(source.missing))}")
    if source.name.startswith(NEED_THE_LIBRARY) and (against := c.reason()) is not None:
        pytest.skip(against)
    module = importlib.import_module(source.name)
    monkeypatch.chdir(tmp_path)  # some write files
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    for found in doctest.DocTestFinder().find(module, extraglobs={"np": np, "rnnfast": rnnfast}):
        runner.run(found, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries == written(source), "examples that doctest does not find, e.g. of a wrapped function"
