"""Sizes of caches as Linux describes them, on made-up trees of /sys: Arm's, of which the C library knows none."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import run, tool

HELPERS = Path(__file__).parents[1] / "helpers"
CSRC = HELPERS.parents[1] / "csrc"

Cache = tuple[int, str, str, str]
"""Level, type, size, and the processors that share it."""
L1: Cache = (1, "Data", "32K", "0")
TREES: dict[str, tuple[list[Cache], list[int]]] = {
    "nothing": ([], [0, 0, 0]),
    "private": ([(1, "Data", "64K", "0"), (1, "Instruction", "48K", "0"), (2, "Unified", "1024K", "0")], [64, 1024, 0]),
    "instructions first": ([(1, "Instruction", "48K", "0"), L1], [32, 0, 0]),
    "four cores share": ([L1, (2, "Unified", "1M", "0-3")], [32, 256, 0]),
    "shared with a list": ([L1, (2, "Unified", "512K", "0,4"), (3, "Unified", "6M", "0-1,4-7")], [32, 256, 1024]),
    "no size": ([(1, "Data", "", "0"), (2, "Unified", "1024K", "")], [0, 1024, 0]),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("caches") / "sizes"
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{CSRC}")
    run(tool("cc"), *flags, HELPERS / "cache_sizes.c", CSRC / "system" / "caches.c", "-o", path)
    return path


@pytest.mark.parametrize("name", TREES)
def test_the_library_reads_the_sizes(name: str, program: Path, tmp_path: Path) -> None:
    caches, expected = TREES[name]
    for n, cache in enumerate(caches):
        folder = tmp_path / "sys/devices/system/cpu/cpu0/cache" / f"index{n}"
        folder.mkdir(parents=True)
        for file, text in zip(("level", "type", "size", "shared_cpu_list"), cache, strict=True):
            (folder / file).write_text(f"{text}\n")
    assert [int(size) for size in run(program, tmp_path).split()] == [1024 * size for size in expected]
