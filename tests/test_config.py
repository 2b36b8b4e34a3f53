"""Settings of the whole package: the number of threads, and the report of what runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

import rnnfast
from rnnfast import config
from rnnfast.backends.c import backend as c


@pytest.mark.parametrize(
    "n, error", [(0, ValueError), (-3, ValueError), (2**31, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_threads_that_cannot_be(n: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="^n "):
        rnnfast.set_num_threads(n)


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_threads_of_the_library() -> None:
    before = rnnfast.get_num_threads()
    try:
        rnnfast.set_num_threads(3)
        assert rnnfast.get_num_threads() == 3
    finally:
        rnnfast.set_num_threads(before)


def test_config_says_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFAST_BACKEND", "reference")
    rows = dict(line.split("  ", 1) for line in rnnfast.show_config().splitlines())
    rows = {name.strip(): value.strip() for name, value in rows.items()}
    assert rows["rnnfast"] == rnnfast.__version__
    assert rows["backend"] == "reference (RNNFAST_BACKEND)"
    assert rows["threads"] == str(rnnfast.get_num_threads())
    for name, value in c.describe().items():
        assert rows[f"C {name}"] == value.strip()
    for name, reason in rnnfast.backends().items():
        assert rows[f"backend {name}"] == (reason or "can run")


def test_flags_of_a_folder_with_spaces_are_single_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my library"
    (folder / "include").mkdir(parents=True)
    for name in ("include/rnnfast.h", "librnnfast.so"):
        (folder / name).touch()
    monkeypatch.setattr(config, "__file__", str(folder / "config.py"))
    words = shlex.split(config.compiler_flags(cflags=True, libs=True))
    assert words == [f"-I{folder}/include", f"-L{folder}", f"-Wl,-rpath,{folder}", "-lrnnfast"]
