"""C and C++ programs that step a net: what they may not do, counted, and that the counting works."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import built, run

import rnnfast
from rnnfast import nn
from rnnfast.backends.c import backend as c

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

CLONE = Path(__file__).parents[2]
HEADER = CLONE / "csrc" / "include" / "rnnfast.h"
RECURRENT, DTYPES = (rnnfast.RNN, rnnfast.LSTM, rnnfast.GRU), ("float32", "float64")


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("net_steps.c", tmp_path_factory.mktemp("steps"), "cc", "-std=c11")


ALONE = pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer allocates and calls itself")


@ALONE
def test_steps_allocate_nothing(steps: Path) -> None:
    assert run(steps, "allocations") == "0\n"
    assert int(run(steps, "allocations", "fault")) >= 2


@ALONE
def test_steps_make_no_system_call(steps: Path) -> None:
    assert run(steps, "calls") == "0\n"
    killed = subprocess.run([steps, "calls", "fault"], capture_output=True, timeout=60, check=False)
    assert killed.returncode == -9


@ALONE
def test_threads_share_a_net(steps: Path) -> None:
    assert run(steps, "threads") == "1\n"


def narrow() -> dict[str, Any]:
    """Nets whose weights are padded most, and those of many small parts."""
    return {
        "Linear": nn.Sequential(layer=nn.Linear(200_000, 1)),
        "many": nn.Sequential(**{f"n{n}": nn.Linear(1, 1) for n in range(1000)}),
        "activations": nn.Sequential(layer=nn.Linear(1, 1), **{f"n{n}": "relu" for n in range(1000)}),
        "nets": nn.Sequential(**{f"n{n}": rnnfast.RNN(1, 1) for n in range(1000)}),
        "layers": rnnfast.GRU(1, 1, 500, reset_after=False),
        **{f"{net.__name__}, {dtype}": net(50_000, 1, dtype=dtype) for net in RECURRENT for dtype in DTYPES},
        "odd": rnnfast.LSTM(33, 33, 2, bidirectional=True),
        "Embedding": nn.Sequential(words=nn.Embedding(100_000, 1), layer=nn.Linear(1, 1)),
    }


@ALONE
def test_loading_costs_no_more_memory_than_the_header_promises(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    nets = narrow()
    paths = [tmp_path / f"{name}.safetensors" for name in nets]
    for net, path in zip(nets.values(), paths, strict=True):
        net.save(path)
    said = re.search(r"at most (\d+) times the bytes of a file[\s*]+and (\d+) KiB", HEADER.read_text(encoding="utf-8"))
    assert said is not None
    program = built("load_cost.c", tmp_path, "cc", "-std=gnu11")
    hostile = sorted((CLONE / "tests" / "corpus").iterdir())
    printed = run(program, *paths, *hostile).splitlines()
    for name, line in zip([*nets, *hostile], printed, strict=True):
        status, size, cost = map(int, line.split())
        assert status == 0 or name in hostile
        assert 0 < cost <= int(said[1]) * size + int(said[2]) * 1024, (name, cost / size)


def test_cxx_streams_a_net_that_python_saved(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    program, net = built("net_stream.cpp", tmp_path, "c++", "-std=c++17"), rnnfast.LSTM(3, 5)
    net.save(tmp_path / "net.safetensors")
    printed = run(program, tmp_path / "net.safetensors", "20").split()
    stream = net.stream()
    for _ in range(20):
        y = stream.step(np.full(3, 0.5, "float32"))
    np.testing.assert_array_equal(np.array(printed, "float32"), y)
    refused = subprocess.run([program, tmp_path, "1"], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1 and "file" in refused.stderr
