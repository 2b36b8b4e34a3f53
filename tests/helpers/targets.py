"""The backends and their variants as tests see them: which there are, which must run here, and how one runs."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from typing import cast

import pytest
from support import Results, run

from rnnfast.backends.choose import TABLE
from rnnfast.backends.contract import Backend
from rnnfast.backends.cuda import devices
from rnnfast.problem import Problem


@dataclass(frozen=True)
class Target:
    """A backend and one of its variants, None where it has none."""

    name: str
    variant: str | None = None

    def __str__(self) -> str:
        """As in `rnnfast.use_backend`."""
        return f"{self.name}:{self.variant}" if self.variant else self.name

    @property
    def backend(self) -> Backend:
        """The module."""
        return cast(Backend, importlib.import_module(TABLE[self.name]))

    @property
    def reason(self) -> str | None:
        """None if it can run here, else why not."""
        return self.backend.reason(self.variant)

    def run(self, problem: Problem) -> Results:
        """Every result of a problem on this target, or the test is skipped with the reason why it cannot run."""
        self.skip_unless_able(problem.cell)
        if not self.can_take(problem):
            pytest.skip("the emulator would take too long: RNNFAST_TEST_EMULATED_WORK, in multiplications, lets it")
        return run(self.backend, replace(problem, variant=self.variant))

    def can_take(self, problem: Problem) -> bool:
        """Whether it has the time: there is only a little for what is emulated."""
        return not self.emulated or work(problem) <= int(os.environ.get("RNNFAST_TEST_EMULATED_WORK", "20_000"))

    @property
    def emulated(self) -> bool:
        """No device, but the emulator (conftest.py)."""
        return self.name == "cuda" and self.reason is None and not devices.found()

    def skip_unless_able(self, cell: str | None = None) -> None:
        """Skip the test if this target cannot run; test_backends.py fails where one that must run cannot."""
        if reason := self.backend.reason(self.variant, cell):
            pytest.skip(f"{self} cannot run: {reason}")


TARGETS = [Target(name, form) for name in TABLE for form in (Target(name).backend.variants() or (None,))]
ON_EVERY_TARGET = pytest.mark.parametrize("target", TARGETS, ids=str)


def work(problem: Problem) -> int:
    """Multiplications of a forward, more or less."""
    rows = problem.steps * problem.batch * problem.num_layers * problem.num_directions
    return rows * problem.gates * problem.hidden_size * (problem.input_size + problem.hidden_size)


def _names(variable: str) -> set[str]:
    return set(filter(None, os.environ.get(variable, "").split(",")))


REQUIRED = sorted(({"c", "reference"} | _names("RNNFAST_TEST_REQUIRE")) - _names("RNNFAST_TEST_ALLOW_MISSING"))
"""Names such as c or c:avx2 of what must run here. The two variables are lists with commas between."""
