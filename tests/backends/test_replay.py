"""Results in a file, compared bit by bit by a C program, which `.ci/full arm` runs for another processor."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import recorded
from bits import FUSED
from programs import built

from rnnfast.backends.c import backend as c

pytestmark = [
    pytest.mark.skipif(c.reason() is not None, reason=str(c.reason())),
    pytest.mark.skipif(not FUSED, reason="no instruction set with fused multiply-add can run here"),
]
TYPES = ("bfloat16",)
"""Of weights: some instruction sets have sums of int8 that are exact, others round them."""
UNROUNDED = 3
"""Rows that no instruction set rounds to the type of their weights."""
SUMMARY = (
    r"\w+: (\d+) numbers of (\d+) problems, (\d+) at the smallest normal number, "
    r"(\d+) of them differ, in (\d+) problems"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("replay.c", tmp_path_factory.mktemp("replay"), "cc", "-std=c11")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "problems"
    recorded.write(path, FUSED[-1], recorded.SMALL, cells=("lstm", "gru_before"), types=TYPES, most=UNROUNDED)
    return path


def replay(program: Path, *words: str | Path) -> tuple[int, list[int], list[str]]:
    """Its exit status, the numbers of its last line, and the lines before that."""
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False)
    *lines, last = (done.stdout or done.stderr).splitlines()
    found = re.fullmatch(SUMMARY, last)
    assert found is not None, done.stdout + done.stderr
    return done.returncode, [int(number) for number in found.groups()], lines


@pytest.mark.parametrize("isa", FUSED)
def test_instruction_sets_that_fuse_have_the_same_bits(isa: str, program: Path, file: Path) -> None:
    status, (numbers, problems, edges, wrong, seen), lines = replay(program, file, isa)
    assert (status, edges, wrong, seen, lines) == (0, 0, 0, 0, [])
    narrow = len(TYPES) * len(set(recorded.SMALL) & set(recorded.NARROW))
    assert problems == 2 * (len(recorded.FUNCTIONS) + 2 * (len(recorded.SMALL) + 1) + narrow)
    assert numbers > 10**5 * problems / 4


def test_a_single_bit_is_seen_in_every_problem(program: Path, file: Path) -> None:
    status, (_, problems, _, wrong, seen), lines = replay(program, file, FUSED[-1], "fault")
    assert (status, seen) == (1, problems)
    assert len(lines) == wrong and all("; 1 of" in line for line in lines)


@pytest.mark.skipif("neon" in FUSED, reason="here single numbers are multiplied and added at once, too")
def test_rounding_twice_is_seen(program: Path, file: Path) -> None:
    status, (_, problems, _, _, seen), _ = replay(program, file, "scalar")
    assert status == 1 and seen > 0.9 * problems


def test_a_file_that_is_cut_short_is_refused(program: Path, file: Path, tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(file.read_bytes()[: 1 << 20])
    done = subprocess.run([program, tmp_path / "half", FUSED[-1]], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "cut short" in done.stderr
