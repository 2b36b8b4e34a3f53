"""Another git revision of the clone, built into a temporary folder and timed in turn with the present one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rnnfast.benchmark import worker
from rnnfast.benchmark.limits import loses
from rnnfast.benchmark.results import Measurement
from rnnfast.benchmark.session import Plan, started
from rnnfast.examples.errors import UserError

SLICES = 5
"""How many times the two processes take turns on each case."""
PACKAGE = Path(__file__).parents[1]
SHARED = ("benchmark", "examples/errors.py")
"""Files that the base runs in the present form, since it may not have them: the benchmark itself."""


def run_against(plan: Plan, base: Path, label: str) -> Iterator[Measurement]:
    """Measure all cases with the first of the backends, here and as `label` in the revision that `built` made.

    Each is in a process of its own; they take turns, so that both meet the same clock frequency and neighbours.
    """
    ours = plan.backends[0]
    for threads in plan.threads:
        with started(threads) as present, started(threads, base) as past:
            if base not in (home := Path(past(worker.home))).parents:
                raise UserError(f"the process of {label} imports rnnfast from {home}: install rnnfast without -e")
            for case in plan.cases:
                case = replace(case, threads=threads)
                seconds = plan.seconds / (2 * SLICES)
                found = present(worker.measure, case, [ours], ours, seconds)
                for turn in range(SLICES):
                    _add(found, past(worker.measure, case, [ours], ours, seconds, probe=False), label)
                    if turn + 1 < SLICES:
                        _add(found, present(worker.measure, case, [ours], ours, seconds, probe=False), ours)
                yield present(worker.add_limits, found) if loses(found, plan.backends) else found


def _add(found: Measurement, more: Measurement, name: str) -> None:
    for ours, samples in more.samples.items():
        assert ours == found.ours
        found.samples.setdefault(name, []).extend(samples)
        found.plain.setdefault(name, []).extend(more.plain.get(ours, []))
    found.wrong |= dict.fromkeys([name], more.wrong[found.ours]) if more.wrong else {}
    found.skipped |= dict.fromkeys([name], more.skipped[found.ours]) if more.skipped else {}


def commit_of(revision: str) -> str:
    """Return its short name. Raises UserError outside a clone, or for a revision that does not exist."""
    clone = _clone()
    commit = _git(clone, "rev-parse", "--verify", "--quiet", "--short", f"{revision}^{{commit}}")
    if commit is None:
        raise UserError(f"--base {revision!r} is no revision of {clone}: name a commit, branch or tag")
    return commit


@contextmanager
def built(commit: str) -> Iterator[tuple[Path, str]]:
    """Give a folder from which that commit can be imported, and what to call it; the folder goes afterwards.

    Raises UserError where it cannot be built.
    """
    with tempfile.TemporaryDirectory(prefix="rnnfast-base-") as folder:
        source, target = Path(folder, "source"), Path(folder, "installed")
        archive = Path(folder, "source.zip")
        _git(_clone(), "archive", f"--output={archive}", commit)
        with zipfile.ZipFile(archive) as files:
            files.extractall(source)
        install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(source)]
        done = subprocess.run(install, capture_output=True, text=True, cwd=folder)
        if done.returncode != 0:
            raise UserError(f"{commit} could not be built: {_last_line(done.stderr)}")
        _share(target / "rnnfast")
        yield target, f"base {commit}"


def _clone() -> Path:
    found = _git(Path.cwd(), "rev-parse", "--show-toplevel")
    headers = ("csrc/include/rnnfast.h", "csrc/rnnfast.h")
    if found is None or not any(Path(found, header).exists() for header in headers):
        raise UserError(f"--base builds a revision of a clone of rnnfast, and {Path.cwd()} is in none: run it in one")
    return Path(found)


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("--base needs git, which is not installed") from None
    return done.stdout.strip() if done.returncode == 0 else None


def _share(package: Path) -> None:
    for name in SHARED:
        source, target = PACKAGE / name, package / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.strip().splitlines()) if line.strip()), "pip gave no reason")
