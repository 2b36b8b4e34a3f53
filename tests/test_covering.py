"""The combinations of a test that every run makes: few, but every two values meet; the others are marked as slow."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from covering import covering, pytest_collection_modifyitems


@pytest.mark.parametrize("sizes", [(4,), (3, 5), (5, 4, 2, 4), (2, 7, 15)], ids=str)
def test_every_two_values_meet_in_as_few_as_can_be(sizes: tuple[int, ...]) -> None:
    every = [*itertools.product(*map(range, sizes))]
    found = covering(every)
    assert len(found) == len({c[:2] for c in every}) if len(sizes) < 3 else len(found) < len(every) / 1.9
    for some in itertools.combinations(range(len(sizes)), min(2, len(sizes))):
        assert {tuple(c[i] for i in some) for c in found} == {tuple(c[i] for i in some) for c in every}


def test_values_that_meet_in_no_combination_need_not() -> None:
    every = [(a, b, c) for a, b, c in itertools.product(range(3), repeat=3) if a != b]
    assert covering(every) <= {*every} and {c[:2] for c in covering(every)} == {c[:2] for c in every}


class Item:
    """As pytest has it: a test with its parameters."""

    def __init__(self, name: str, params: dict[str, Any], *marks: str) -> None:
        self.name, self.nodeid = name, f"tests/test_a.py::{name}[{params}]"
        self.callspec, self.marks = SimpleNamespace(params=params), [*marks]

    def get_closest_marker(self, name: str) -> Any:
        return name if name in self.marks else None

    def add_marker(self, mark: Any) -> None:
        self.marks.append(mark.name)


@pytest.mark.parametrize(("reason", "emulated"), [("no device", 4), (None, 0)])
def test_what_is_left_out_is_slow(reason: str | None, emulated: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("covering.numba_cuda.reason", lambda: reason)
    values = {"a": ["p", "q"], "b": [{}, {"option": 1}], "c": [3, 4]}
    grid = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
    items = [Item("dear", row, "pairwise") for row in grid] + [Item("cheap", row) for row in grid]
    items += [Item("on_all", {"target": t, **row}) for t in ("c:avx2", "cuda") for row in grid]
    pytest_collection_modifyitems(items)
    slow = [item for item in items if "slow" in item.marks]
    assert [item.name for item in slow] == ["dear"] * 4 + ["on_all"] * emulated
    assert {item.callspec.params.get("target") for item in slow} == ({None, "cuda"} if emulated else {None})
