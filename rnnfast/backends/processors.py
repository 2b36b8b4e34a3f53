"""How many processors this process may use: its affinity mask and, on Linux, the quotas of its control groups.

As in the C library (csrc/system/cgroup.c), for where that was not built.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class _Version(NamedTuple):
    """A version of control groups; the controller of its line in /proc/self/cgroup is "" for version 2."""

    controller: str
    filesystem: str
    usual_mount: str


_VERSIONS = _Version("", "cgroup2", "/sys/fs/cgroup"), _Version("cpu", "cgroup", "/sys/fs/cgroup/cpu")


def available_processors() -> int:
    """Return as many as the affinity mask of the calling thread holds, or fewer where a quota pays for fewer."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, cgroup_processors() or allowed)


def cgroup_processors(root: str = "") -> int | None:
    """Whole processors that the tightest quota of this process's groups and those above pays for, at least 1.

    None where there is no quota. Files are looked for below `root`.
    """
    quotas = [quota for version in _VERSIONS for quota in _quotas(root, version)]
    return max(1, int(min(quotas))) if quotas else None


def _quotas(root: str, version: _Version) -> list[float]:
    path = _group(root, version)
    if path is None:
        return []
    top, mount = _mount(root, version)
    inside = PurePosixPath(path)
    below = inside.relative_to(top) if inside.is_relative_to(top) and ".." not in inside.parts else PurePosixPath()
    group = PurePosixPath(mount) / below
    found = (_quota(Path(root + str(each)), version) for each in (group, *group.parents) if each.is_relative_to(mount))
    return [quota for quota in found if quota is not None]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _group(root: str, version: _Version) -> str | None:
    """This process's group, from a line `number:controllers:path`."""
    for line in _lines(root + "/proc/self/cgroup"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if path and version.controller in controllers.split(","):
            return path
    return None


def _mount(root: str, version: _Version) -> tuple[str, str]:
    """Return the group at the top of where groups are mounted, and where that is."""
    for line in _lines(root + "/proc/self/mountinfo"):
        fields, _, rest = line.partition(" - ")
        filesystem, _, options = (*rest.split(" ", 2), "", "", "")[:3]
        if filesystem == version.filesystem and (not version.controller or version.controller in options.split(",")):
            _, _, _, top, mount, *_ = fields.split(" ")
            return top, mount
    return "/", version.usual_mount


def _quota(group: Path, version: _Version) -> float | None:
    """Processors that one group's quota pays for; version 1 says -1 for none and version 2 "max"."""
    files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if version.controller else ("cpu.max",)
    try:
        quota, period = (float(word) for name in files for word in (group / name).read_text().split())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None
