"""The combinations of a test that every run makes: few, but every two values meet; the others are marked as slow."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from covering import covering, pytest_collection_modifyitems


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("sizes", [(4,), (3, 5), (1, 2, 2, 2), (5, 4, 2, 4), (2, 7, 15)], ids=str)
def test_values_meet_in_as_few_as_can_be(sizes: tuple[int, ...], together: int) -> None:
    every = [*itertools.product(*map(range, sizes))]
    found = covering(every, together)
    assert len(found) == math.prod(sorted(sizes)[-together:])
    for some in itertools.combinations(range(len(sizes)), min(together, len(sizes))):
        assert {tuple(c[i] for i in some) for c in found} == {tuple(c[i] for i in some) for c in every}


def test_every_value_comes_up_as_often_as_others() -> None:
    found = covering([*itertools.product(range(6), range(2), range(3))], 1)
    assert [sorted(Counter(values).values()) for values in zip(*found, strict=True)] == [[1] * 6, [3, 3], [2, 2, 2]]


def test_values_that_meet_in_no_combination_need_not() -> None:
    every = [(a, b, c) for a, b, c in itertools.product(range(3), repeat=3) if a != b]
    found = covering(every, 2)
    assert found <= {*every} and {c[:2] for c in found} == {c[:2] for c in every}


class Item:
    """As pytest has it: a test with its parameters."""

    def __init__(self, name: str, params: dict[str, Any], *marks: Any) -> None:
        self.name, self.nodeid = name, f"tests/test_a.py::{name}[{params}]"
        self.callspec, self.marks = SimpleNamespace(params=params), [*marks]

    def get_closest_marker(self, name: str) -> Any:
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, mark: Any) -> None:
        self.marks.append(mark)


@pytest.mark.parametrize(("reason", "emulated", "few"), [("no device", 4, 6), (None, 0, 0)])
def test_what_is_left_out_is_slow(reason: str | None, emulated: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("covering.numba_cuda.reason", lambda: reason)
    values = {"a": ["p", "q"], "b": [{}, {"option": 1}], "c": [3, 4]}
    grid = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
    items = [Item("cheap", row) for row in grid]
    items += [Item(f"dear_{n}", row, pytest.mark.covering(n).mark) for n in (1, 2) for row in grid]
    on_all = [{"target": t, **row} for t in ("c:avx2", "cuda") for row in grid]
    items += [Item("on_all", row) for row in on_all]
    items += [Item("knows_none", row, pytest.mark.covering(emulated=1).mark) for row in on_all]
    pytest_collection_modifyitems(items)
    slow = [item for item in items if item.get_closest_marker("slow")]
    left_out = {"dear_1": 6, "dear_2": 4, "on_all": emulated, "knows_none": few}
    assert Counter(item.name for item in slow) == {name: n for name, n in left_out.items() if n}
    assert {item.callspec.params.get("target") for item in slow} == ({None, "cuda"} if emulated else {None})
