"""The C sources as a reader finds them: each folder uses those below it alone, each header includes what it uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from programs import run, tool

CSRC = Path(__file__).parents[2] / "csrc"
FOLDERS = ["include", "system", "vec", "product", "head", "cell", "layer", "kernel", "net", "file", "api", "python"]
"""From the ground up; kernel.c and kernel.h stand for themselves."""
MADE_BY_THE_BUILD = "kernels.inc"
SOURCES = sorted(path.relative_to(CSRC) for path in CSRC.rglob("*.[ch]") if path.parent.name != "examples")
ALONE = [path for path in SOURCES if path.suffix == ".h" and MADE_BY_THE_BUILD not in (CSRC / path).read_text()]
NOT_ALONE = {
    Path("vec/avx2.h"): "only for its instruction set",
    Path("vec/avx512.h"): "only for its instruction set",
    Path("vec/avx512_emulated.h"): "needs SIMDe",
    Path("vec/neon.h"): "only for its instruction set",
    Path("product/narrow_bytes.h"): "only for its instruction set",
    Path("product/narrow_digits.h"): "only for its instruction set",
    Path("product/narrow_pairs.h"): "only for its instruction set",
    Path("product/narrow_tiled_bytes.h"): "only for its instruction set",
    Path("product/narrow_tiled_pairs.h"): "only for its instruction set",
    Path("python/arrays.h"): "needs Python's headers",
    Path("cell/rnn.h"): "says what whoever includes it has defined",
}


def included(path: Path) -> list[str]:
    return re.findall(r'^ *# *include "(.+)"', (CSRC / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_folder_uses_those_below_it_alone(path: Path) -> None:
    height = FOLDERS.index(path.parts[0].partition(".")[0])
    for name in included(path):
        if name != MADE_BY_THE_BUILD:
            assert (CSRC / name).exists(), f"{name} is not named from csrc/"
            assert FOLDERS.index(name.split("/")[0].partition(".")[0]) <= height, f"{path} reaches up to {name}"


def test_no_header_includes_itself_in_the_end() -> None:
    graph = {str(path): [name for name in included(path) if name != MADE_BY_THE_BUILD] for path in SOURCES}

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above, name])
        for other in graph[name]:
            walk(other, (*above, name))

    for path in graph:
        walk(path, ())


@pytest.mark.parametrize("header", [path for path in ALONE if path not in NOT_ALONE], ids=str)
def test_a_header_includes_what_it_uses(header: Path, tmp_path: Path) -> None:
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{header}"\n#include "{header}"\n')
    names = ('RF_VEC_H="vec/scalar.h"', 'RF_CELL_H="cell/gru_before.h"', "RF_PRODUCT_NAME=a_product", "RF_REAL_BITS=32")
    flags = ("-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused")
    run(tool("cc"), *flags, f"-I{CSRC}", *(f"-D{name}" for name in names), source)
