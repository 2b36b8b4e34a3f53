"""The shape of the code: no room uses one above it, no imports go round in circles, files stand where they belong."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from sources import CLONE, CORE, PACKAGE, circles, module_of, packages, sources

ORDER = (
    "problem",
    "checks",
    "arrays",
    "net",
    "backends",
    "segments",
    "calls",
    "modules",
    "nn",
    "diagnostics",
    "integrations",
    "config",
    "__init__",
    "examples",
    "benchmark",
    "commands",
    "cli",
    "__main__",
)
"""Rooms and modules from the ground up. __init__ lists the public names of all below it."""
MODULES = {"__init__", "__main__", "cli", "config", "problem"}
ROOMS = set(ORDER) - MODULES
FILES = {
    "reference": {"backend", "bound", "net", "layer", "cells"},
    "c": {"backend", "bound"},
    "numba": {"backend", "bound", "net", "layer", "loops", "cells", "product"},
    "cuda": {"backend", "bound", "net", "layer", "loops", "cells", "product"},
}
"""What the folder of each backend holds, besides files of its own; of C the rest is in csrc."""
MAY_USE: dict[str, set[str]] = {
    "reference": {"contract", "stepping"},
    "c": {"contract", "stepping", "threads"},
    "numba": {"contract", "stepping", "threads", "common", "scalar"},
    "cuda": {"contract", "stepping", "threads", "common", "scalar"},
    "common": {"contract"},
    "scalar": set(),
}
"""Of backends/, what each folder may import beside itself. The reference and C share no schedule and no dropout with
the others: a bug in what all share would be on both sides of every comparison."""
CSRC = {"api", "net", "layer", "cell", "product"}

TEXTS = {"", ".c", ".cmake", ".h", ".ipynb", ".json", ".md", ".py", ".rst", ".sh", ".toml", ".txt"}


def room_of(module: str) -> str:
    """A module's room: its name in ORDER."""
    return module.split(".")[1] if "." in module else "__init__"


def test_no_room_imports_one_above_it() -> None:
    wrong = []
    for source in sources().values():
        own = ORDER.index(room_of(source.name))
        for found in source.imports:
            target = module_of(found.name)
            if target is not None and ORDER.index(room_of(target)) > own:
                wrong.append(f"{source}:{found.line}: {room_of(source.name)} may not import {found.name}")
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not in functions nor under TYPE_CHECKING either: what stands in a circle is one thing cut up."""
    graph = {
        name: {target for found in source.imports if (target := module_of(found.name)) and target != name}
        for name, source in sources().items()
    }
    found = circles(graph)
    assert not found, "\n".join(" - ".join(circle) for circle in found)


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert circles(graph) == [["d", "e"], ["a", "b", "c"]]


@pytest.mark.parametrize("folder", MAY_USE)
def test_backends_use_of_each_other_only_what_is_there_to_be_shared(folder: str) -> None:
    wrong = []
    for source in sources().values():
        if source.name.startswith(f"rnnfast.backends.{folder}."):
            for found in source.imports:
                _, room, *rest = (module_of(found.name) or ".").split(".")
                if room == "backends" and rest and rest[0] not in MAY_USE[folder] | {folder}:
                    wrong.append(f"{source}:{found.line}: {folder} may not import {found.name}")
    assert not wrong, "\n".join(wrong)


def test_modules_that_need_no_extras_import() -> None:
    plain = [s for s in sources().values() if packages(s.name) <= CORE and s.name != "rnnfast.__main__"]
    for source in plain:
        importlib.import_module(source.name)
    rooms = {room_of(source.name) for source in plain}
    assert rooms >= set(ORDER) - {"__main__"}


def test_every_file_begins_with_what_it_is() -> None:
    wrong = []
    for path in sorted([*PACKAGE.rglob("*.py"), *(CLONE / "tests").rglob("*.py"), *(CLONE / "bench").rglob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not ast.get_docstring(tree) or tree.body[0].lineno != 1:
            wrong.append(str(path.relative_to(CLONE)))
    assert not wrong, wrong


def test_the_top_of_the_package_holds_the_rooms_and_what_stands_above_them() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == MODULES
    assert (PACKAGE / "py.typed").is_file()
    assert {path.parent.name for path in PACKAGE.glob("*/*.py")} <= ROOMS


@pytest.mark.parametrize("backend", FILES)
def test_a_backends_folder_has_the_files_of_every_backend(backend: str) -> None:
    found = {path.stem for path in (PACKAGE / "backends" / backend).glob("*.py")}
    assert found >= FILES[backend]


def test_the_c_library_has_their_folders() -> None:
    assert {path.parent.name for path in (CLONE / "csrc").glob("*/*.[ch]")} >= CSRC


def test_no_path_of_this_machine_stands_in_the_project() -> None:
    places = [f"{place}/" for place in (CLONE.parent, Path.home()) if len(place.parts) > 1]
    files = [CLONE / name for name in ("README.md", "CONTRIBUTING.md", "CMakeLists.txt", "pyproject.toml")]
    for folder in ("rnnfast", "csrc", "tests", "bench", "docs", ".ci"):
        files += [path for path in (CLONE / folder).rglob("*") if path.is_file() and path.suffix in TEXTS]
    wrong = []
    for path in files:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        wrong += [f"{path}:{n}" for n, line in enumerate(lines, 1) if any(place in line for place in places)]
    assert not wrong, "\n".join(wrong)
