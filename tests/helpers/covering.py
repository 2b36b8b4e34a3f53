"""Which of a test's many combinations every run makes: so few that every two values meet. The others are slow.

So it is where combinations are dear, and a fault that takes three values to show is left to `.ci/full`: of tests that
are marked `covering(2)`, and of those that run on every target where that is CUDA's emulator. On all that runs here
itself a test of every target makes each of its combinations. Of tests marked `covering(1)` every run has each value, of
those marked `covering(emulated=1)` on the emulator: what they test does not know of backends.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from rnnfast.backends.cuda import backend as numba_cuda

Combination = tuple[Hashable, ...]
"""A value for each parameter."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Mark as slow what every run leaves out, before pytest takes its pick by marks."""
    emulated, tests = numba_cuda.reason() is not None, dict[tuple[str, int], dict[Any, Combination]]()
    for item in items:
        values, mark = item.callspec.params if hasattr(item, "callspec") else {}, item.get_closest_marker("covering")
        on_emulator = emulated and str(values.get("target")) == "cuda"
        if together := _together(mark, on_emulator):
            test = item.nodeid.partition("[")[0], together
            tests.setdefault(test, {})[item] = tuple(map(id, values.values()))  # which need not be hashable themselves
    for (_, together), combinations in tests.items():
        kept = covering([*combinations.values()], together)
        for item, combination in combinations.items():
            if combination not in kept:
                item.add_marker(pytest.mark.slow)


def _together(mark: Any, on_emulator: bool) -> int | None:
    """Return how many values are to meet, None where all combinations are made."""
    if mark and mark.args:
        return int(mark.args[0])
    return int(mark.kwargs["emulated"]) if mark and on_emulator else 2 if on_emulator else None


def covering(combinations: Sequence[Combination], together: int) -> set[Combination]:
    """Return so many that the values of any so many parameters meet in one of them that do so in one of all.

    Each is the one in which the most do that did not yet: the greedy cover of Chvátal (1979). Of equals it is the
    first, for single values of those whose values are in the fewest so far; pairs would be covered by more then.
    """
    vary = [len({*values}) > 1 for values in zip(*combinations, strict=True)]
    values = {c: [*itertools.compress(enumerate(c), vary)] for c in combinations}
    missing = {c: {*itertools.combinations(of_one, min(together, sum(vary)))} for c, of_one in values.items()}
    found, used = set[Combination](), Counter[tuple[int, Hashable]]()
    while missing:
        chosen = max(missing, key=lambda c: (len(missing[c]), -sum(used[value] for value in values[c])))
        found.add(chosen)
        if together == 1:
            used.update(values[chosen])
        met = missing[chosen]
        missing = {c: left for c, others in missing.items() if (left := others - met)}
    return found
