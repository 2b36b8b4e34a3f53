"""Settings of the whole package: threads, a report of what was chosen and why, where its C library was installed."""

from __future__ import annotations

import shlex
from pathlib import Path

from rnnfast.backends import choose, threads
from rnnfast.backends.c import backend as c
from rnnfast.backends.cuda import devices
from rnnfast.checks.values import whole


def version() -> str:
    """Return the installed version; "0+source" in a source tree that was never installed."""
    import importlib.metadata  # here, because importing it takes longer than the rest of the package

    try:
        return importlib.metadata.version("rnnfast")
    except importlib.metadata.PackageNotFoundError:
        return "0+source"


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use, the caller's among them; it never uses more than 256.

    Raises ValueError outside 1 to 2**31 - 1, TypeError unless n is a whole number.

    >>> import rnnfast
    >>> rnnfast.set_num_threads(rnnfast.get_num_threads())
    """
    threads.set_num_threads(whole("n", n, highest=2**31 - 1))


def get_num_threads() -> int:
    """Return how many threads a call may use: what was set, else RNNFAST_NUM_THREADS, else the processors available.

    The reference always runs on one.

    >>> import rnnfast
    >>> rnnfast.get_num_threads() >= 1
    True
    """
    return threads.get_num_threads()


def show_config() -> str:
    """Return a text to print, or to put into a bug report: version, backends and which was chosen, threads, C library.

    Raises as a call would where RNNFAST_BACKEND or RNNFAST_ISA asks for what cannot run.

    >>> import rnnfast
    >>> rnnfast.show_config().splitlines()[0].split()[0]
    'rnnfast'
    """
    rows = {
        "rnnfast": version(),
        "backend": f"{choose.select().full_name} ({choose.request()[1]})",
        "threads": str(get_num_threads()),
        **{f"C {key}": value for key, value in c.describe().items()},
        **{f"CUDA {key}": value for key, value in devices.describe().items()},
        **{f"backend {other}": reason or "can run" for other, reason in choose.backends().items()},
    }
    width = max(map(len, rows))
    return "\n".join(f"{key:{width}}  {value}" for key, value in rows.items())


def get_include() -> str:
    """Return the folder of rnnfast.h. Raises RuntimeError, as the next two, where the C library was not built.

    >>> import os, rnnfast
    >>> os.listdir(rnnfast.get_include())
    ['rnnfast.h']
    """
    return _installed("include/rnnfast.h")


def get_library_dir() -> str:
    """Return the folder of the shared library, librnnfast.

    >>> import os, rnnfast
    >>> any(name.startswith("librnnfast.") for name in os.listdir(rnnfast.get_library_dir()))
    True
    """
    return _installed("librnnfast.*")


def get_cmake_dir() -> str:
    """Return the folder in which CMake's find_package(rnnfast) finds it, as rnnfast_DIR.

    >>> import os, rnnfast
    >>> "rnnfast-config.cmake" in os.listdir(rnnfast.get_cmake_dir())
    True
    """
    return _installed("cmake/rnnfast-config.cmake")


def _installed(pattern: str) -> str:
    """Return the folder, within the package, of a file that was built and installed with it."""
    found = sorted(Path(__file__).parent.glob(pattern))
    if not found:
        raise RuntimeError(f"{pattern} is not installed with rnnfast: {c.reason() or 'install it again, with pip'}")
    return str(found[0].parent)


def compiler_flags(*, cflags: bool, libs: bool) -> str:
    """Return what a C compiler is told to find the header, and the library now and when the program runs.

    Quoted as a shell takes it where a folder's name has spaces.
    """
    flags = [f"-I{get_include()}"] if cflags else []
    if libs:
        flags += [f"-L{get_library_dir()}", f"-Wl,-rpath,{get_library_dir()}", "-lrnnfast"]
    return shlex.join(flags)
