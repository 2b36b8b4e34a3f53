"""Settings of the whole package: the number of threads, and a report of version, backends and why one was chosen."""

from __future__ import annotations

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
