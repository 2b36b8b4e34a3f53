"""Compiling the bridge: where it is kept, who uses it, several at a time, and what is said where it cannot be."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from commands import python

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch import bridge, building  # noqa: E402

TELL = "import torch, rnnfast.integrations.torch as rft; print(rft.report(torch.nn.Linear(1, 1)))"
COPIER = """#!{python}
import pathlib, sys, time
out = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
data = pathlib.Path({made!r}).read_bytes()
with out.open("wb") as file:
    file.write(data[: len(data) // 2])
    file.flush()
    time.sleep(0.3)
    file.write(data[len(data) // 2 :])
print("called", file=open({calls!r}, "a"))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("RNNFAST_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(bridge.SWITCH, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled_bridge: Any) -> Path:
    """A compiler that takes its time to write what was compiled for all tests; the file has a line for each call."""
    compiler, calls = tmp_path / "compiler", tmp_path / "calls"
    names = {"python": sys.executable, "made": compiled_bridge.__file__, "calls": str(calls)}
    compiler.write_text(COPIER.format(**names), encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    return calls


def test_it_is_built_once_and_found_by_others(cache: Path, calls: Path, tmp_path: Path) -> None:
    assert not building.load() and bridge.loaded is None
    model = torch.nn.GRU(3, 4)
    assert "Python runs calls: rft.build() compiles" in str(rft.report(rft.accelerate(model)))
    path = rft.build()
    assert rft.build() == path and calls.read_text() == "called\n" and [*cache.rglob("*.*")] == [path]
    found = rft.report(model)
    assert found == {} and repr(found) == "{}" and str(found).startswith("{}, the compiled bridge runs calls: ")
    assert str(path) in found.route
    child = python(tmp_path, "-c", TELL)
    said, errors = child.communicate(timeout=120)
    assert str(path) in said, errors


def test_calls_that_were_made_before_are_the_bridges_from_then_on(cache: Path, calls: Path) -> None:
    module, x = rft.accelerate(torch.nn.GRU(3, 4)), torch.ones(5, 2, 3)
    for _ in range(2):
        assert hasattr(module(x)[0].grad_fn, "saved_tensors")
    rft.build()
    assert not hasattr(module(x)[0].grad_fn, "saved_tensors")
    bridge.use(None)
    assert hasattr(module(x)[0].grad_fn, "saved_tensors")


def test_two_processes_may_build_at_once(cache: Path, calls: Path, tmp_path: Path) -> None:
    program = f"import rnnfast.integrations.torch as rft; rft.build(); {TELL}"
    children = [python(tmp_path, "-c", program) for _ in range(2)]
    for child in children:
        said, errors = child.communicate(timeout=120)
        assert child.returncode == 0 and "the compiled bridge runs calls" in said, errors
    assert len([*cache.rglob("*.*")]) == 1


def test_its_source_includes_every_header_and_no_other() -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in building.FOLDER.iterdir()}
    included = {name: set(re.findall(r'^#include "(.*)"$', text, re.MULTILINE)) for name, text in texts.items()}
    reached, ahead = set(), {building.SOURCE}
    while ahead:
        reached |= ahead
        ahead = set().union(*(included[name] for name in ahead)) - reached
    assert reached == set(texts)


def sources_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the same C++ files, from which the bridge is made."""
    shutil.copytree(building.FOLDER, folder)
    monkeypatch.setattr(building, "FOLDER", folder)
    return folder


def test_every_file_of_its_source_counts(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = building._path()
    folder = sources_copied(tmp_path / "native", monkeypatch)
    paths = {building._path()}
    assert paths == {before}  # wherever they lie
    for file in sorted(folder.iterdir()):
        file.write_bytes(file.read_bytes() + b"\n")
        paths.add(building._path())
    file.rename(folder / "other.h")
    paths.add(building._path())
    assert len(paths) == 2 + len([*folder.iterdir()])


@pytest.mark.parametrize("what", ["a header", "FLAGS", "torch.__version__", "sys.version"])
def test_what_was_built_of_others_is_not_used(
    what: str, cache: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rft.build()
    bridge.use(None)
    if what == "a header":
        header = sources_copied(tmp_path / "native", monkeypatch) / "record.h"
        header.write_bytes(header.read_bytes() + b"\n")
    elif what == "FLAGS":
        monkeypatch.setattr(building, "FLAGS", (*building.FLAGS, "-g"))
    else:
        monkeypatch.setattr(what, "99.0")
    assert not building.load() and bridge.loaded is None
    rft.build()
    assert calls.read_text() == "called\n" * 2 and len([*cache.iterdir()]) == 2


def test_a_damaged_file_is_made_anew(cache: Path, calls: Path) -> None:
    path: Any = building._path()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    assert not building.load() and bridge.loaded is None
    assert rft.build() == path and bridge.loaded is not None and calls.read_text() == "called\n"


def test_it_can_be_turned_off(cache: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rft.build()
    monkeypatch.setenv(bridge.SWITCH, "0")
    said, errors = python(tmp_path, "-c", TELL).communicate(timeout=120)
    assert f"Python runs calls: {bridge.SWITCH} is 0 in the environment" in said, errors
    bridge.use(None)
    with pytest.raises(RuntimeError, match=rf"rft\.build\(\) cannot be of use: {bridge.SWITCH} is 0"):
        rft.build()


def test_an_instruction_set_that_does_not_exist_is_refused_by_calls_alone(
    cache: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rft.build()
    monkeypatch.setenv("RNNFAST_ISA", "none")
    child = python(tmp_path, "-c", "import rnnfast.integrations.torch as rft; print('here'); rft.build()")
    said, errors = child.communicate(timeout=120)
    assert said == "here\n" and "ValueError: RNNFAST_ISA='none' is no instruction set" in errors


def test_an_older_pytorch_is_left_to_python(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.__version__", "2.12.1+cpu")
    with pytest.raises(
        RuntimeError, match=r"cannot be of use: the bridge is for PyTorch 2\.13 and later, this is 2\.12\.1"
    ):
        rft.build()
    assert "Python runs calls: the bridge is for PyTorch 2.13" in str(rft.report(torch.nn.GRU(3, 4)))


def test_a_missing_compiler_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-compiler -m64")
    with pytest.raises(RuntimeError, match=r"needs a C\+\+ compiler and CXX names no-compiler, which is not there: "):
        rft.build()
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"found none of c\+\+, g\+\+, clang\+\+: install one \(Debian, Ubuntu: apt"):
        rft.build()
    assert not cache.exists()


def test_missing_headers_are_named(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", sys.executable)
    with monkeypatch.context() as patch:
        patch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
        with pytest.raises(RuntimeError, match=r"needs Python's headers, .*: install them .* python3-dev"):
            rft.build()
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "torch" / "__init__.py"))
    with pytest.raises(RuntimeError, match=r"needs PyTorch's headers, which .* lacks: install PyTorch's own wheel"):
        rft.build()


def test_what_the_compiler_says_is_passed_on(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", f"{compiler} -m64")
    with pytest.raises(RuntimeError, match=r"compiler -m64 .*bridge\.cpp .*failed:\nno such option"):
        rft.build()
    assert [*cache.rglob("*.*")] == [] and bridge.loaded is None


def test_a_folder_that_cannot_be_written_to_is_named(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("file").touch()
    monkeypatch.setenv("RNNFAST_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match=r"rft\.build\(\) cannot write to .*file.*: Not a directory"):
        rft.build()
