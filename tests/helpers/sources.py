"""The clone's own source of rnnfast, read and not run: modules, what they import and where, and circles among them."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).parents[2]
PACKAGE = CLONE / "rnnfast"
CORE = {"numpy", "cffi"}
"""Packages that are always installed beside rnnfast."""


@dataclass(frozen=True)
class Import:
    """One import: a whole dotted name, and the line that it stands in."""

    name: str
    line: int


@dataclass(frozen=True, eq=False)
class Source:
    """One module of rnnfast."""

    name: str
    path: Path
    tree: ast.Module

    def __str__(self) -> str:
        """Its path in the clone."""
        return str(self.path.relative_to(CLONE))

    @functools.cached_property
    def imports(self) -> list[Import]:
        """Every import wherever it stands, in functions and under TYPE_CHECKING too."""
        return list(_imports(self.tree))

    @property
    def missing(self) -> set[str]:
        """The packages, not installed, that importing it needs, or that it imports itself wherever that stands."""
        own = {found.name.partition(".")[0] for found in self.imports if module_of(found.name) is None}
        return {name for name in own | packages(self.name) if importlib.util.find_spec(name) is None}


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, "imports within rnnfast are absolute"
            yield from (Import(f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


@functools.cache
def sources() -> Mapping[str, Source]:
    """Every module by name; a package has its own, and so has what its __init__.py says."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(CLONE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Source(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def module_of(name: str) -> str | None:
    """The module of rnnfast that a dotted name is, or is in; None for other packages' names."""
    while name not in sources():
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


@functools.cache
def packages(name: str) -> frozenset[str]:
    """Packages beside Python's own that importing a module of rnnfast imports, itself and through other modules."""
    seen, found, waiting = set[str](), set[str](), [name]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if (above := module.rpartition(".")[0]) in sources():  # a package is imported before what is in it
            waiting.append(above)
        for imported in _at_import(sources()[module].tree.body):
            inside = module_of(imported.name)
            if inside is None:
                found.add(imported.name.partition(".")[0])
            else:
                waiting.append(inside)
    return frozenset(found - sys.stdlib_module_names)


def _at_import(body: list[ast.stmt]) -> Iterator[Import]:
    """Imports at the top of a module; what stands in functions or conditions is for later, or for a type checker."""
    top = ast.Module([node for node in body if isinstance(node, ast.Import | ast.ImportFrom)], type_ignores=[])
    return _imports(top)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, by Tarjan's algorithm (1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            start = stack.index(node)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found
