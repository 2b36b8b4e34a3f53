"""Machine code kept on disk, a file for every kernel, for any number of processes at a time."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

MARK = b"rnnfast cubin 1\n"
UNFINISHED = ".part"
"""How names of files end that are being written."""
LONG_AGO = 24 * 3600
"""Seconds after which nobody writes any more to an unfinished file."""


def cache_folder() -> Path | None:
    """Return where machine code is kept: RNNFAST_CACHE_DIR, else a folder in the user's cache.

    None, which is said, where a user has neither that nor a home.
    """
    if own := os.environ.get("RNNFAST_CACHE_DIR"):
        return Path(own)
    windows = sys.platform == "win32"
    if users := os.environ.get("LOCALAPPDATA" if windows else "XDG_CACHE_HOME"):
        cache = Path(users)
    else:
        try:
            cache = Path.home() / ("AppData/Local" if windows else ".cache")
        except RuntimeError as error:
            _say(f"compiled kernels are not kept ({error})")
            return None
    return cache / "rnnfast" / "cache" if windows else cache / "rnnfast"


def _remove_unfinished(folder: Path) -> None:
    """Remove what processes left that ended while they wrote."""
    for file in folder.glob(f"*{UNFINISHED}"):
        with suppress(OSError):  # where another process has removed it, or its owner alone may
            if time.time() - file.stat().st_mtime > LONG_AGO:
                file.unlink()


def _say(what: str) -> None:
    print(f"rnnfast: {what}: set RNNFAST_CACHE_DIR to a folder that keeps them", file=sys.stderr, flush=True)


class Kept:
    """The files of a folder, which is made when the first is written. None: nothing is kept.

    A file has a mark, the digest of its content, and the content: what is not whole is not read. It is written under a
    name of its own and then renamed, so that no process sees part of it.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = Kept(Path(folder))
    ...     kept.write("a", b"code")
    ...     kept.read("a"), kept.read("b")
    (b'code', None)
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder, self._said = folder, False

    def read(self, key: str) -> bytes | None:
        """Return what was written; None where there is nothing, or not all of it."""
        if self.folder is None:
            return None
        try:
            data = self._path(self.folder, key).read_bytes()
        except OSError:
            return None
        mark, digest, content = data[: len(MARK)], data[len(MARK) :][:32], data[len(MARK) + 32 :]
        return content if mark == MARK and digest == hashlib.sha256(content).digest() else None

    def write(self, key: str, content: bytes) -> None:
        """Keep content; where the folder cannot be written to, say so once and go without."""
        if self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _remove_unfinished(self.folder)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=UNFINISHED)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(MARK + hashlib.sha256(content).digest() + content)
                os.replace(name, self._path(self.folder, key))
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            if not self._said:
                self._said = True
                _say(f"compiled kernels cannot be kept in {self.folder} ({error.strerror})")

    def how_often(self) -> str:
        """Return in words when a kernel is compiled."""
        return "once for this machine" if self.folder is not None else "which every process does anew"

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / f"{key}.cubin"
