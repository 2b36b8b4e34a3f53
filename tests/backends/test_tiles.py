"""Products in AMX's tiles, emulated and, where the processor has them, its own: bits, and what an emulator refuses."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest
from programs import run, tool

HELPERS = Path(__file__).parents[1] / "helpers"
CSRC = HELPERS.parents[1] / "csrc"
FLAGS = ("-std=gnu11", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function")
AVX512 = ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma")
NAMES = ('RF_VEC_H="vec/avx512.h"', "RF_REAL_BITS=32", "RF_NARROW_NAME=a_product")
SUMMARY = r"(\d+) of (\d+) numbers differ, in (\d+) of (\d+) problems; bfloat16 is (\S+) away\n"
CPU = Path("/proc/cpuinfo")
pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPU.exists(), reason="rnnfast has AMX on x86-64 with Linux"
)


def program(folder: Path, *names: str) -> Path:
    """narrow_tiles.c; skips where this machine cannot run it."""
    found, sources = folder / "tiles", (CSRC / "system" / "cpu.c", CSRC / "system" / "caches.c")
    defined = [f"-D{name}" for name in (*NAMES, *names)]
    run(tool("cc"), *FLAGS, *AVX512, *defined, f"-I{CSRC}", HELPERS / "narrow_tiles.c", *sources, "-lm", "-o", found)
    if run(found, "able") != "1\n":
        pytest.skip("needs AVX512_BF16 and AVX512_VNNI" if names else "AMX was refused by the system")
    return found


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return program(tmp_path_factory.mktemp("emulated"), "RF_EMULATE_AMX")


def summary(printed: str) -> tuple[list[int], float]:
    found = re.fullmatch(SUMMARY, printed)
    assert found is not None, printed
    *counts, away = found.groups()
    return [int(count) for count in counts], float(away)


@pytest.mark.parametrize("problems", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_bits_are_those_of_the_manual_and_of_vnni(emulated: Path, problems: int) -> None:
    """Those of bfloat16 and of bytes; where AVX512_BF16 sums the same numbers, it differs by rounding alone."""
    (different, numbers, wrong, _), away = summary(run(emulated, problems))
    assert (different, wrong) == (0, 0)
    assert numbers > 10**4 * problems
    assert 0 < away < 1e-6


def test_a_single_number_is_seen_in_every_problem(emulated: Path) -> None:
    done = subprocess.run([emulated, "40", "fault"], capture_output=True, text=True, timeout=300, check=False)
    (different, _, wrong, problems), _ = summary(done.stdout)
    assert done.returncode == 1
    assert different >= wrong == problems == 40


@pytest.mark.parametrize("problems", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_tiles_of_this_processor(tmp_path: Path, problems: int) -> None:
    """The bits are the manual's, as those of the emulator are."""
    if re.search(r"\bamx_tile\b", CPU.read_text()) is None:  # whose assembler may know none
        pytest.skip("this processor has no AMX")
    (different, numbers, _, _), away = summary(run(program(tmp_path), problems))
    assert different == 0
    assert numbers > 10**4 * problems
    assert 0 < away < 1e-6


REFUSED = (
    "a palette that is not 1",
    "more than 16 rows",
    "rows of more than 64 bytes",
    "rows without bytes, or bytes without rows",
    "a tile beyond the eighth",
    "reserved bytes that are not zero",
    "tiles that start within",
    "sums of other rows than a has",
    "rows of b that are not a's columns",
    "sums of other columns than b has",
    "part of a number",
    *["a tile without a shape"] * 5,
    "rows of b that are not a's columns",
    "a product of a tile with itself",
)
"""What narrow_tiles.c does wrong, by number."""


def test_the_emulator_refuses_what_a_processor_does(emulated: Path) -> None:
    for number, what in enumerate(REFUSED):
        command = [emulated, "refuse", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (-6, f"a processor with AMX would refuse this: {what}\n")
