"""The scripts of .ci: a step is a function of the shell, and hides the program that has its name; skips that fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[1] / ".ci"


@pytest.mark.parametrize("script", ["run", "full"])
def test_steps_are_not_called_for_the_programs_of_their_names(script: str) -> None:
    lines = (CI / script).read_text(encoding="utf-8").splitlines()
    steps = {match[1] for line in lines if (match := re.match(r"(\w+)\(\) \{", line))}
    compilers = steps & {"gcc", "clang"}
    assert compilers
    called = re.compile(rf"\s*(?:\w+=\S+ )*({'|'.join(compilers)}) -")  # with options, so that the program is meant
    assert [line for line in lines if called.match(line)] == []


SKIPPED = {
    "test_a_file": 'import pytest\npytest.importorskip("no_such_library", reason="its library is missing")\n',
    "test_marked": 'import pytest\n@pytest.mark.skip(reason="it is marked")\ndef test_it(): pass\n',
    "test_begun": 'import pytest\ndef test_it(): pytest.skip("it had begun")\n',
    "test_expected": "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n",
}
"""Files of tests, by name."""


@pytest.mark.parametrize(("no_skips", "status"), [("1", 1), ("", 0)])
def test_what_is_skipped_fails_where_it_must_not_be(no_skips: str, status: int, tmp_path: Path) -> None:
    for name, text in SKIPPED.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    options = "-q", "-rs", "-p", "skips", "-c", os.devnull, "--continue-on-collection-errors"
    helpers = str(Path(__file__).parent / "helpers")
    variables = {"PYTHONPATH": helpers, "RNNFAST_TEST_NO_SKIPS": no_skips, "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert ("1 failed, 1 xfailed, 2 errors" if no_skips else "3 skipped, 1 xfailed") in done.stdout
    for reason in ("its library is missing", "it is marked", "it had begun"):
        assert (f"this was skipped: Skipped: {reason}" in done.stdout) == bool(no_skips) and reason in done.stdout
