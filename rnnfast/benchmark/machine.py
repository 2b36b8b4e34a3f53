"""The setting of a run: processor, caches, threads, versions; and what was chosen in rnnfast and why."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnfast import config
from rnnfast.backends.c import library as c
from rnnfast.benchmark import peers


def describe(peer_names: list[str], threads: tuple[int, ...]) -> dict[str, str]:
    """Return all of it as text by name, in the order to print."""
    library = c.describe()
    isa = f"{library['instruction set']} ({library['chosen because']})" if c.reason() is None else "no C library"
    rows = {
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "processor": processor(),
        "caches": caches() or "unknown",
        "processors to use": str(usable_processors()),
        "threads": ", ".join(map(str, threads)) + _threads_note(),
        "load": _load(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_version()}, numpy {np.__version__}",
        "rnnfast": config.version(),
        "instruction set": isa,
        "compiler": library.get("compiler", ""),
    }
    rows |= {name: peers.reason(name) or peers.version(name) for name in peer_names}
    return {name: text for name, text in rows.items() if text}


def processor() -> str:
    """Return the name and, where known, family and model: a virtual machine may call different ones the same."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")
    except OSError:
        first = ""
    fields = {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in first.splitlines())}
    name = fields.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{what} {fields[key]}" for what, key in (("family", "cpu family"), ("model", "model")) if key in fields]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def label(setting: Mapping[str, str], backend: str) -> str:
    """Return the name of the processor of what `describe` returned, and the instruction set that a backend ran.

    >>> label({"processor": "A64", "instruction set": "avx512 (the best that this processor runs)"}, "c:avx2")
    'A64, avx2'
    """
    used = backend.partition(":")[2] or setting["instruction set"].partition(" (")[0]
    return f"{setting['processor']}, {used}"


def caches() -> str:
    """Return the sizes of the first processor's data caches by level, e.g. "L1 32K, L2 1M"; "" where unknown."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return ", ".join(f"{name} {size}" for name, size in found.items())


def cache_sizes(text: str) -> dict[str, int]:
    """Return the bytes of each level of what `describe` says of caches; {} where that is "unknown".

    >>> cache_sizes("L1 32K, L2 1M")
    {'L1': 32768, 'L2': 1048576}
    """
    found = {}
    for level in text.split(", "):
        name, _, size = level.partition(" ")
        if size:
            found[name] = int(size[:-1]) << {"K": 10, "M": 20, "G": 30}[size[-1]]
    return found


def memory_bytes() -> int:
    """Return the bytes of the machine's memory; 16 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 16 << 30


def _load() -> str:
    """Say how many processes wanted to run in the last minute: others than ours take turns with it."""
    return f"{os.getloadavg()[0]:.1f} processes in the last minute" if hasattr(os, "getloadavg") else ""


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads_note() -> str:
    if hasattr(os, "sched_setaffinity"):
        return " (each process confined to as many processors)"
    return " (processes cannot be confined to processors here: JAX uses as many threads as it likes)"
