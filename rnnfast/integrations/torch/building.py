"""The bridge compiled on the user's machine against the PyTorch that is installed, kept in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import torch
from torch.torch_version import TorchVersion

from rnnfast.backends.c import backend as c
from rnnfast.backends.c.library import library
from rnnfast.backends.cuda.driver.kept import UNFINISHED, cache_folder
from rnnfast.integrations.torch import bridge

FOLDER = Path(__file__).with_name("native")
SOURCE = "bridge.cpp"
"""The file of that folder that is compiled; all others are headers, which it includes."""
OLDEST = "2.13"
"""Version of PyTorch: what its nodes are was another thing before."""
COMPILERS = "c++", "g++", "clang++"
NAME = "_bridge"
FLAGS = "-std=c++20", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-w"


def build() -> Path:
    """Compile the bridge, unless that was done before, and have it run the calls of now on; where it is.

    The bridge is a small C++ file of this package that runs a layer's calls, and their backwards, without Python in
    between, with the same bits: it takes a good half off what PyTorch and Python cost around a call, and a quarter of
    a minute to compile. It is kept in the user's cache, RNNFAST_CACHE_DIR where that is set, and used from then on by
    every process with these versions of Python, PyTorch and rnnfast; `report` says whether it is.
    RNNFAST_TORCH_BRIDGE=0 in the environment turns it off; calls under saved-tensor hooks, of packed sequences, with
    lengths, masks or resets, and cut ones stay Python's.

    Raises RuntimeError where a compiler or headers are missing, or do not do.
    """
    if (reason := _against()) is not None:
        raise RuntimeError(f"rft.build() cannot be of use: {reason}")
    path = _path()
    if path is None:
        raise RuntimeError("rft.build() has no folder to keep the bridge in: set RNNFAST_CACHE_DIR to one")
    if not load():
        _compile(path)
        bridge.use(_module(path))
    return path


def load() -> bool:
    """Have a bridge that was built before run the calls of now on; whether there is one."""
    # A damaged file is made anew by `build`; an RNNFAST_ISA that means nothing is refused by the calls that heed it.
    with suppress(ImportError, ValueError):
        path = _path() if _against() is None else None
        if path is not None and path.exists():
            if bridge.loaded is None or bridge.loaded.__file__ != str(path):
                bridge.use(_module(path))
            return True
    return False


def route() -> str:
    """Return in a sentence what runs the calls of accelerated layers.

    >>> "bridge" in route()
    True
    """
    if bridge.loaded is not None:
        return f"the compiled bridge runs calls: {bridge.loaded.__file__}, made by {bridge.loaded.COMPILER}"
    reason = _against()
    return "Python runs calls: " + (reason or "rft.build() compiles a bridge that makes small ones faster")


def _against() -> str | None:
    """Return why there can be no bridge, None where there can."""
    if os.environ.get(bridge.SWITCH) == "0":
        return f"{bridge.SWITCH} is 0 in the environment, which turns the compiled bridge off"
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return "the bridge is for CPython on Linux and macOS"
    if TorchVersion(torch.__version__) < OLDEST:
        return f"the bridge is for PyTorch {OLDEST} and later, this is {torch.__version__}"
    return c.reason()


def _path() -> Path | None:
    """Return where the bridge of this Python, PyTorch and rnnfast is kept, None where nothing can be.

    Which compiler made it does not count: a file for each would not be found by a process without compiler.
    """
    folder, suffix = cache_folder(), sysconfig.get_config_var("EXT_SUFFIX")
    ffi, lib = library()
    files = [(file.name, file.read_bytes()) for file in sorted(FOLDER.iterdir()) if file.suffix in (".cpp", ".h")]
    made_of = files, ffi.string(lib.rf_version()), torch.__version__, torch.version.git_version
    digest = hashlib.sha256(repr((*made_of, torch.__file__, sys.version, FLAGS)).encode()).hexdigest()[:16]
    return None if folder is None else folder / f"torch-{digest}" / f"{NAME}{suffix}"


def _module(path: Path) -> Any:
    """Return what a file holds. Raises ImportError."""
    name = f"rnnfast_torch_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}.{NAME}"  # each file is loaded once
    loader = ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _compile(path: Path) -> None:
    """Write the bridge under a name of its own and then rename it, so that no process sees part of it.

    Raises RuntimeError where a compiler or headers are missing, or the folder cannot be written to.
    """
    compiler, headers = _compiler(), Path(sysconfig.get_paths()["include"])
    torchs = Path(torch.__file__).parent
    if not (headers / "Python.h").exists():
        advice = "install them (Debian, Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel)"
        raise RuntimeError(f"rft.build() needs Python's headers, and there is no Python.h in {headers}: {advice}")
    if not (torchs / "include" / "torch" / "csrc" / "autograd" / "python_variable.h").exists():
        raise RuntimeError(f"rft.build() needs PyTorch's headers, which {torchs} lacks: install PyTorch's own wheel")
    abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"
    includes = [f"-isystem{folder}" for folder in (torchs / "include", headers)]
    libraries = [f"-L{torchs / 'lib'}", "-ltorch_python", "-ltorch_cpu", "-lc10"]
    libraries += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=UNFINISHED)
    except OSError as error:
        raise RuntimeError(f"rft.build() cannot write to {path.parent}: {error.strerror}") from error
    os.close(handle)
    unfinished = Path(name)
    try:
        command = [*compiler, *FLAGS, abi, *includes, str(FOLDER / SOURCE), "-o", name, *libraries]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode:
            raise RuntimeError(f"{shlex.join(command)} failed:\n{found.stderr[-3000:]}")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _compiler() -> list[str]:
    """Return the words that call a C++ compiler: CXX, or one that is installed. Raises RuntimeError for none."""
    own = shlex.split(os.environ.get("CXX", ""))
    for word in own[:1] or COMPILERS:
        if shutil.which(word) is not None:
            return own or [word]
    install = "apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install"
    named = f"CXX names {own[0]}, which is not there" if own else f"found none of {', '.join(COMPILERS)}"
    raise RuntimeError(f"rft.build() needs a C++ compiler and {named}: install one (Debian, Ubuntu: {install})")
