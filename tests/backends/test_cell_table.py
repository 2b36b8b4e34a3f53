"""The table of cells in problem.py beside what CMake and the C library say of them."""

from __future__ import annotations

import re

import pytest
from sources import CLONE

from rnnfast.backends.reference.cells import FORMULAS
from rnnfast.problem import CELLS

CSRC = CLONE / "csrc"
ALL_CELLS = pytest.mark.parametrize("cell", CELLS)


def header(cell: str) -> str:
    """A cell's C source, with that of the cell that it includes."""
    text = (CSRC / "cell" / f"{cell}.h").read_text(encoding="utf-8")
    if (other := re.search(r'#include "(?:cell/)?(rnn|lstm)\.h"', text)) is not None:
        text += header(other[1])
    return text


def defined(text: str, name: str) -> int:
    """A number that a header defines."""
    found = re.search(rf"^#define {name} (\d+)$", text, re.MULTILINE)
    assert found is not None, f"no #define of {name}"
    return int(found[1])


def numbers(text: str, name: str) -> list[int]:
    """The values of a table of whole numbers."""
    found = re.search(rf"{name}\[CELL_SLOTS\] = \{{([^}}]*)\}};", text)
    assert found is not None, f"no table {name}"
    return [int(number) for number in found[1].split(",")]


def phases(text: str) -> tuple[tuple[int, ...], ...]:
    """The slots of each phase in order of their gates, counted as the table does: those of gates, then the others."""
    names = re.search(r"enum \{([^}]*)\};", text)
    slots = {name.strip(): n for n, name in enumerate(names[1].split(","))} if names else {"0": 0}
    of_x, of_h = numbers(text, "CELL_GATE_X"), numbers(text, "CELL_GATE_H")
    beside = [slot for slot, gate in enumerate(of_x) if gate < 0]
    place = {s: gate if gate >= 0 else defined(text, "CELL_GATES") + beside.index(s) for s, gate in enumerate(of_x)}
    found = []
    for first, count in re.findall(r"\.slot = (\w+), \.gates = (\w+)\}", text):
        taken = range(slots[first], slots[first] + defined(text, count))
        found.append(tuple(place[slot] for slot in sorted(taken, key=lambda slot: of_h[slot])))
    return tuple(found)


def test_the_same_cells_are_named_in_cmake_in_the_library_and_in_the_reference() -> None:
    found = re.search(r"^set\(cells ([^)]*)\)", (CSRC / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None and found[1].split() == list(CELLS)
    assert {path.stem for path in (CSRC / "cell").glob("*.h")} == {*CELLS, "cell", "rnn"}
    assert list(FORMULAS) == list(CELLS)


@ALL_CELLS
def test_the_library_has_a_cells_gates_slots_states_and_phases(cell: str) -> None:
    text, expected = header(cell), CELLS[cell]
    assert defined(text, "CELL_GATES") == len(expected.gates)
    assert defined(text, "CELL_SLOTS") == expected.slots
    assert defined(text, "CELL_STATES") == len(expected.states)
    assert defined(text, "CELL_PHASES") == len(expected.phases)
    assert phases(text) == expected.phases
    assert ("#define CELL_PROJECTS 1" in text) == expected.projects


@ALL_CELLS
def test_a_cell_keeps_its_gates_and_states_for_backward(cell: str) -> None:
    row = CELLS[cell]
    assert {*row.gates, *row.states} <= set(row.saved)
    assert sum(map(len, row.phases)) == len(row.gates)
