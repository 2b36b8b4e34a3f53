"""Processors that control groups pay for, in C and in Python, on made-up trees of /proc and /sys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from programs import run, tool

from rnnfast.backends.processors import available_processors, cgroup_processors

TESTS = Path(__file__).parents[1] / "helpers"
CSRC = TESTS.parents[1] / "csrc"
V2 = "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
OTHER = "25 20 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=cpu\n"

Tree = dict[str, str]


def v2(path: str, files: Tree, mounts: str = OTHER + V2) -> Tree:
    quotas = {f"sys/fs/cgroup{group}/cpu.max": text for group, text in files.items()}
    return {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": mounts, **quotas}


def v1(path: str, files: dict[str, tuple[int, int]], mount: str = "cpu,cpuacct", mounts: str = OTHER + V1) -> Tree:
    tree = {"proc/self/cgroup": f"9:memory:/m\n5:cpu,cpuacct:{path}\n4:cpuset:/s\n", "proc/self/mountinfo": mounts}
    for group, (quota, period) in files.items():
        tree[f"sys/fs/cgroup/{mount}{group}/cpu.cfs_quota_us"] = f"{quota}\n"
        tree[f"sys/fs/cgroup/{mount}{group}/cpu.cfs_period_us"] = f"{period}\n"
    return tree


TREES: dict[str, tuple[Tree, int | None]] = {
    "nothing": ({}, None),
    "no quota": (v2("/", {"": "max 100000\n"}), None),
    "v2": (v2("/a/b", {"/a/b": "300000 100000\n"}), 3),
    "v2, a part is no processor": (v2("/a", {"/a": "250000 100000\n"}), 2),
    "v2, less than one is one": (v2("/a", {"/a": "20000 100000\n"}), 1),
    "v2, another period": (v2("/a", {"/a": "40000 10000\n"}), 4),
    "v2, a group above is tighter": (v2("/a/b/c", {"/a": "200000 100000", "/a/b": "max 100000", "/a/b/c": "7 1"}), 2),
    "v2, a sibling does not count": (v2("/a/b", {"/a/c": "100000 100000", "/ab": "100000 100000"}), None),
    "v2, in a namespace of its own": (v2("/", {"": "200000 100000\n"}), 2),
    "v2, a path outside the namespace": (v2("/../other", {"": "200000 100000\n"}), 2),
    "v2, mounted from a group": (
        v2("/docker/id/job", {"/job": "500000 100000"}, V2.replace(" / /sys", " /docker/id /sys")),
        5,
    ),
    "v2, mounted from another group": (v2("/else", {"": "500000 100000"}, V2.replace(" / /sys", " /docker /sys")), 5),
    "v2, mounted elsewhere": (
        {
            "proc/self/cgroup": "0::/a\n",
            "proc/self/mountinfo": V2.replace("/sys/fs/cgroup", "/my/groups"),
            "my/groups/a/cpu.max": "600000 100000\n",
        },
        6,
    ),
    "v2, no mounts told": (v2("/a", {"/a": "300000 100000"}, ""), 3),
    "v2, not a number": (v2("/a", {"/a": "many 100000"}), None),
    "v1": (v1("/a/b", {"/a/b": (300000, 100000), "": (-1, 100000)}), 3),
    "v1, no quota": (v1("/a", {"/a": (-1, 100000)}), None),
    "v1, a group above is tighter": (v1("/a/b", {"/a": (150000, 100000), "/a/b": (800000, 100000)}), 1),
    "v1, no mounts told": (v1("/a", {"/a": (200000, 100000)}, "cpu", ""), 2),
    "v1, mounted from the group, as Docker does": (
        v1("/docker/id", {"": (400000, 100000)}, mounts=V1.replace(" / /sys", " /docker/id /sys")),
        4,
    ),
    "both, the tighter": (
        {
            **v1("/a", {"/a": (400000, 100000)}),
            **v2("/u", {"/u": "300000 100000"}),
            "proc/self/cgroup": "5:cpu,cpuacct:/a\n0::/u\n",
            "proc/self/mountinfo": OTHER + V1 + V2,
        },
        3,
    ),
}


def plant(root: Path, tree: Tree) -> Path:
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def by_the_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], int | None]:
    program = tmp_path_factory.mktemp("cgroups") / "quota"
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{CSRC}")
    run(tool("cc"), *flags, TESTS / "cgroup_quota.c", CSRC / "system" / "cgroup.c", "-o", program)
    return lambda root: int(run(program, root)) or None


@pytest.mark.parametrize("name", TREES)
def test_python_reads_the_quota(name: str, tmp_path: Path) -> None:
    tree, expected = TREES[name]
    assert cgroup_processors(str(plant(tmp_path, tree))) == expected


@pytest.mark.parametrize("name", TREES)
def test_the_library_reads_the_quota(name: str, tmp_path: Path, by_the_library: Callable[[Path], int | None]) -> None:
    tree, expected = TREES[name]
    assert by_the_library(plant(tmp_path, tree)) == expected


def test_there_is_a_processor_here() -> None:
    assert available_processors() >= 1
