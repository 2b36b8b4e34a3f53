"""Files are replaced whole or not at all, whoever saves to them at the same time; links and permissions stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnfast.net import files

SAVE = """
import sys, numpy as np
from rnnfast.net import files
arrays = {"a": np.full(60000, float(sys.argv[2])), "b": np.full(60000, float(sys.argv[2]))}
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    files.save(sys.argv[1], arrays)
"""
POSIX = pytest.mark.skipif(os.name != "posix", reason="permission bits and symbolic links are those of POSIX")
ONE = {"a": np.ones(3)}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_processes_that_save_to_one_path(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"best{suffix}"
    files.save(path, {"a": np.zeros(60000), "b": np.zeros(60000)})
    command = [sys.executable, "-c", SAVE, str(path)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    team = [subprocess.Popen([*command, str(k)], cwd=tmp_path, **pipes) for k in (1, 2, 3)]
    for child in team:
        assert child.stdout and child.stdout.readline() == "ready\n"
    for child in team:
        assert child.stdin
        print(file=child.stdin, flush=True)
    while any(child.poll() is None for child in team):
        found = files.load(path)
        assert len({float(number) for array in found.values() for number in (array.min(), array.max())}) == 1
    for child in team:
        errors = child.communicate(timeout=60)[1]
        assert child.returncode == 0, errors
    assert list(tmp_path.iterdir()) == [path]


def test_two_that_write_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    with files.replacement(str(path)) as first:
        first.write(b"first ")
        with files.replacement(str(path)) as second:
            second.write(b"second, and longer")
        assert path.read_bytes() == b"second, and longer"
        first.write(b"of two")
    assert path.read_bytes() == b"first of two" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("no")])
def test_an_error_leaves_what_was_there_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(b"old")
    with pytest.raises(type(error)) as raised, files.replacement(str(path)) as file:
        file.write(b"new")
        raise error
    if isinstance(raised.value, OSError):
        assert raised.value.errno == 28 and raised.value.filename == str(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_disk_has_the_file_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, (fsync, replace) = [], (os.fsync, os.replace)

    def synced(handle: int) -> None:
        events.append("folder" if os.fstat(handle).st_ino == tmp_path.stat().st_ino else "file")
        fsync(handle)

    def replaced(source: str, target: str) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    files.save(tmp_path / "net.npz", ONE)
    assert events == (["file", "rename", "folder"] if os.name == "posix" else ["file", "rename"])


@POSIX
def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    before = os.umask(0o027)
    try:
        files.save(path, ONE)
        assert path.stat().st_mode & 0o777 == 0o640
        for mode in (0o600, 0o666, 0o444):
            path.chmod(mode)
            files.save(path, ONE)
            assert path.stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)


@POSIX
def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "epochs"
    folder.mkdir()
    link, target = tmp_path / "latest.npz", folder / "3.npz"
    link.symlink_to(target)
    for numbers in ({"a": np.zeros(2)}, ONE):  # first where there is no file yet
        files.save(link, numbers)
        assert link.is_symlink() and np.array_equal(files.load(target)["a"], numbers["a"])
    assert list(folder.iterdir()) == [target]


@POSIX
def test_links_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.npz"
    loop.symlink_to(loop)
    with pytest.raises(OSError) as raised:
        files.save(loop, ONE)
    assert raised.value.filename == str(loop) and loop.is_symlink() and list(tmp_path.iterdir()) == [loop]


def test_names_as_long_as_the_system_takes_them(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".npz")
    files.save(path, ONE)
    assert list(tmp_path.iterdir()) == [path]
