"""The scripts of .ci: a step is a function of the shell, and hides the program that has its name."""

from __future__ import annotations

import re
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
