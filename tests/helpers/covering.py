"""Which of a test's many combinations every run makes: those in which every two values meet. The others are slow.

So it is where combinations are dear, and a fault that takes three values to show is left to `.ci/full`: of tests that
are marked `pairwise`, and of those that run on every target where that is CUDA's emulator. On all that runs here
itself a test of every target makes each of its combinations.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from rnnfast.backends.cuda import backend as numba_cuda

Combination = tuple[Hashable, ...]
"""A value for each parameter."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Mark as slow what every run leaves out, before pytest takes its pick by marks."""
    emulated, tests = numba_cuda.reason() is not None, dict[str, dict[Any, Combination]]()
    for item in items:
        values = item.callspec.params if hasattr(item, "callspec") else {}
        if item.get_closest_marker("pairwise") or (emulated and str(values.get("target")) == "cuda"):
            # by identity, as values need not be hashable
            tests.setdefault(item.nodeid.partition("[")[0], {})[item] = tuple(map(id, values.values()))
    for combinations in tests.values():
        kept = covering([*combinations.values()])
        for item, combination in combinations.items():
            if combination not in kept:
                item.add_marker(pytest.mark.slow)


def covering(combinations: Sequence[Combination]) -> set[Combination]:
    """Return so many that any two parameters' values meet in one of them that do so in one of all.

    Each is the one that adds the most such pairs, the first of equals: the greedy cover of Chvátal (1979).
    """
    vary = [len({*values}) > 1 for values in zip(*combinations, strict=True)]
    together = min(2, sum(vary))
    missing = {c: {*itertools.combinations(itertools.compress(enumerate(c), vary), together)} for c in combinations}
    found: set[Combination] = set()
    while missing:
        chosen = max(missing, key=lambda c: len(missing[c]))
        found.add(chosen)
        pairs = missing[chosen]
        missing = {c: left for c, others in missing.items() if (left := others - pairs)}
    return found
