"""Graphs: replays give the bits of calls, on whatever lies in their arrays, and tell of kernels that have given up."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_scripts import LIMITS
from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice

import rnnfast
from rnnfast.backends.cuda import bound, script
from rnnfast.backends.cuda.cluster import launch as cluster_launch
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.problem import Array

STEPS, BATCH, INPUTS, SIZE = 2, 2, 3, 4


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PtxDevice]:
    """In place of the device; clusters take nets of any cell, however small."""
    monkeypatch.setattr(cluster_launch, "FEWEST", 1)
    device = PtxDevice()
    with in_place_of_the_device(device):
        yield device


def frozen(kind: str = "LSTM", **options: Any) -> Any:
    return getattr(rnnfast, kind)(INPUTS, SIZE, seed=1, **options).to("cuda").freeze()


def there(rng: np.random.Generator, *shape: int, stream: int | None = None) -> EmulatedArray:
    """New numbers on the device."""
    return EmulatedArray(rng.normal(size=shape).astype(np.float32), stream)


def parts(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def memories(y: Any, state: Any) -> list[Array]:
    return [a.memory.copy() for a in (y, *parts(state))]


def assert_same(found: list[Array], right: list[Array]) -> None:
    assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))


@pytest.mark.parametrize(
    ("tier", "kind", "options"),
    [
        pytest.param("A", "GRU", {}, marks=pytest.mark.slow),
        ("B", "LSTM", {"batch_first": True}),
        ("C", "LSTM", {}),
        pytest.param("D", "RNN", {"num_layers": 2, "bidirectional": True}, marks=pytest.mark.slow),
        ("D", "LSTM", {}),
    ],
)
def test_replays_give_the_bits_of_calls(tier: str, kind: str, options: dict[str, Any], device: PtxDevice) -> None:
    """Of two graphs in turn, of which each reads what was written to its arrays last."""
    device.limits = LIMITS[tier]
    net, rng = frozen(kind, **options), np.random.default_rng(1)
    axes = (BATCH, STEPS) if net.net.batch_first else (STEPS, BATCH)
    count = net.net.num_layers * net.net.num_directions
    graphs = []
    for _ in range(2):
        x, given = there(rng, *axes, INPUTS), tuple(there(rng, count, BATCH, SIZE) for _ in net.net.states)
        graphs.append(net.graph(x, given if len(given) > 1 else given[0]))
    assert_same(memories(graphs[0].y, graphs[0].state), memories(*net(graphs[0].x, graphs[0].start)))
    for graph in (*graphs, graphs[0]):
        for each in (graph.x, *parts(graph.start)):
            each.memory[...] = rng.normal(size=each.shape)
        before, launched = memories(*net(graph.x, graph.start)), len(device.launched)
        y, state = graph()
        assert y is graph.y and all(a is b for a, b in zip(parts(state), parts(graph.state), strict=True))
        assert_same(memories(y, state), before)
        assert len(device.launched) > launched


def test_replays_run_on_the_stream_of_x_and_tell_of_waits_in_vain(
    device: PtxDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.limits = LIMITS["D"]
    graph = frozen().graph(there(np.random.default_rng(1), STEPS, BATCH, INPUTS, stream=7))
    streams, gives_up = list[int](), True

    def run(kernel: Any, blocks: Any, threads: int, stream: int, *values: Any) -> None:
        named = dict(zip(kernel.__code__.co_varnames, values, strict=False))
        streams.append(stream)
        if gives_up and "error" in named:
            ffi.cast("uint32_t *", named["error"])[0] = 1

    monkeypatch.setattr(device, "run", run)
    graph()
    assert set(streams) == {7}
    gives_up = False
    with pytest.raises(TimeoutError, match="waited in vain.*results of an earlier replay are wrong"):
        graph()
    graph()


def test_memory_lives_as_long_as_the_graph(device: PtxDevice) -> None:
    """Its workspace, what it was given, its word; then all of that is given back."""
    device.limits = LIMITS["D"]
    net, x = frozen(), there(np.random.default_rng(1), STEPS, BATCH, INPUTS)
    net(x), net(x), net(x)
    gc.collect()
    before = len(EmulatedArray.alive)
    graph = net.graph(x)
    free, given = len(device.driver.words), weakref.ref(x)
    del x
    gc.collect()
    assert given() is not None and len(EmulatedArray.alive) == before + 4  # y, h, c, workspace
    y = graph.y
    del graph
    gc.collect()
    assert given() is None and len(EmulatedArray.alive) == before and y.memory.shape == (STEPS, BATCH, SIZE)
    assert len(device.driver.words) == free + 1
    assert device.library.calls[-1] == "cuGraphExecDestroy"


def test_a_capture_that_fails_leaves_nothing_behind(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    device.limits = LIMITS["D"]
    net, x = frozen(), there(np.random.default_rng(1), STEPS, BATCH, INPUTS)
    monkeypatch.setattr(device.library, "cuStreamEndCapture", lambda stream, found: 900, raising=False)
    device.driver.words.give(device.driver.words.take())
    words = len(device.driver.words)
    with pytest.raises(DriverError, match="end a graph"):
        net.graph(x)
    assert len(device.driver.words) == words
    assert device.library.calls.count("cuStreamDestroy_v2") == device.library.calls.count("cuStreamCreate") == 1


def test_what_no_graph_is_made_of(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    net, x = frozen(), there(rng, STEPS, BATCH, INPUTS)
    with pytest.raises(TypeError, match=r'LSTM.s parameters are in host memory.*\.to\("cuda"\) before \.freeze\(\)'):
        rnnfast.LSTM(INPUTS, SIZE).freeze().graph(np.zeros((STEPS, BATCH, INPUTS), np.float32))
    with pytest.raises(TypeError, match="x, a ndarray, is in host memory"):
        net.graph(x.memory)
    every_second = EmulatedArray(rng.normal(size=(STEPS, BATCH, 2 * INPUTS)).astype(np.float32)[..., ::2])
    with pytest.raises(ValueError, match=r"x has strides .*, which calls copy"):
        net.graph(every_second)
    h, c = (there(rng, 1, BATCH, 2 * SIZE) for _ in range(2))
    with pytest.raises(ValueError, match=r"state\[0\] has strides .*, which calls copy"):
        net.graph(x, (EmulatedArray(h.memory[..., :SIZE]), c))
    with pytest.raises(ValueError, match=r"state\[1\] has shape"):
        net.graph(x, (None, c))
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="more than 1 launches: call the net"):
        patch.setattr(script, "LAUNCHES_MOST", 1)
        patch.setattr(bound, "LAUNCHES_MOST", 1)
        net.graph(x)
    with pytest.raises(TypeError, match="a graph can be neither copied nor pickled"):
        pickle.dumps(frozen().graph(x))
