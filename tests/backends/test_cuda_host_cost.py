"""What a call costs the host: launches, memory and views counted over a driver that does nothing, times printed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnfast

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")
pytest.importorskip("torch", reason="torch is not installed")

from null_device import NullDevice, counted, tensors_on

from rnnfast.backends.cuda.device import limits_of
from rnnfast.backends.cuda.driver.current import Current
from rnnfast.backends.cuda.driver.linking import link, loaded
from rnnfast.backends.cuda.rows import pick_kernel

LIMITS = limits_of((8, 0), 132)
TIERS = {
    "A": LIMITS,
    "B": replace(LIMITS, threads=16, lanes=4, words=(200,)),
    "C": replace(LIMITS, words=(1,)),
    "D": limits_of((9, 0), 132),
}
STEPS = 3
EXPECTED = {
    "A": (3, 5, 0, 1),
    "B": (3, 5, 1, 1),
    "C": (4 + 2 * STEPS, 4 + 3 * STEPS, 0, 2),
    "D": (2, 5, 0, 0),
}
"""Launches forward, products included, and backward; memory made zero forward and backward."""


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullDevice]:
    """With tensors in host memory for its own, whose products take one thread: several wait for each other."""
    import torch

    device, threads = NullDevice(tmp_path_factory.mktemp("null")), torch.get_num_threads()
    torch.set_num_threads(1)
    with tensors_on(device):
        yield device
    torch.set_num_threads(threads)


def tensors(size: int) -> tuple[Any, Any]:
    """x (T, B, H) and dy."""
    import torch

    return torch.zeros(STEPS, 8, size), torch.ones(STEPS, 8, size)


def microseconds(call: Callable[[], Any], runs: int = 300) -> float:
    """The time that one in twenty runs goes below."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[runs // 20] * 1e6


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("tier", list(TIERS))
def test_what_forward_and_training_cost(tier: str, kind: str, device: NullDevice) -> None:
    device.limits = TIERS[tier]
    size = 40
    net, (x, dy) = getattr(rnnfast, kind)(size, size, seed=1).to("cuda"), tensors(size)
    for _ in range(2):
        tape = net.record(x)[2]
        net(x), tape.backward(dy)
    assert tape.ran_on.startswith(f"cuda: tier {tier}")
    prepared = len(device.prepared)
    with counted(device) as forward:
        net(x)
    with counted(device) as training:
        net.record(x)[2].backward(dy)
    assert len(device.prepared) == prepared and forward.views == training.views == 0
    own = 2 + len(net.net.states)  # y, each last state, workspace; then dx, other gradients, workspace
    assert (forward.arrays, training.arrays) == (own, own + 3)
    of_c = int(tier == "C" and kind == "LSTM")  # its last state and its gradient's first are written by themselves
    of_n = 0 if tier == "D" or kind != "GRU" else 1 + (STEPS if tier == "C" else 0)  # its gates take another product
    launches, backward_launches, clears, backward_clears = EXPECTED[tier]
    assert forward.launches == launches + of_c
    assert training.launches - forward.launches == backward_launches + of_n
    assert (forward.clears, training.clears - forward.clears) == (clears, backward_clears + of_c)
    both = microseconds(lambda: net(x)), microseconds(lambda: net.record(x)[2].backward(dy))
    print(f"tier {tier} {kind}: forward {both[0]:.0f} us, training {both[1]:.0f} us, products on the host included")


RAGGED = {"A": (6, 7, 1, 1), "B": (6, 7, 2, 1), "C": (6 + 3 * STEPS, 6 + 3 * STEPS, 1, 2), "D": (3, 5, 0, 1)}
"""The same where not all rows are live: forward the tables and, but for clusters, rows of x, and y made zero; of
clusters dx."""
ROWS: dict[str, tuple[str, ...]] = {name: (name,) for name in ("lengths", "mask", "resets")}
ROWS["all"] = tuple(ROWS)


def rows_of(names: Iterable[str], steps: int, batch: int, seed: int = 1) -> dict[str, Any]:
    """Lengths, a mask, resets; the first row is live at every step."""
    rng, numbers = np.random.default_rng(seed), np.arange(steps)[:, None]
    lengths = np.r_[steps, rng.integers(steps // 2 + 1, steps + 1, batch - 1)]
    mask, resets = (numbers != rng.integers(-steps, steps, batch) for _ in range(2))
    mask[:, 0] = True
    found = {"lengths": lengths, "mask": mask, "resets": ~resets}
    return {name: found[name] for name in names}


@pytest.mark.parametrize("rows", list(ROWS))
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("tier", list(RAGGED))
def test_what_ragged_calls_cost(tier: str, kind: str, rows: str, device: NullDevice) -> None:
    """With rows that are live at other steps in every call: nothing is made of them on the host."""
    device.limits = TIERS[tier]
    size, rng, base = 40, np.random.default_rng(1), rows_of(ROWS[rows], STEPS, 8)
    net, (x, dy) = getattr(rnnfast, kind)(size, size, seed=1).to("cuda"), tensors(size)

    def given() -> dict[str, Any]:
        order = rng.permutation(8)
        return {name: a.take(order, axis=-1) for name, a in base.items()}

    def train() -> None:
        net.record(x, **given())[2].backward(dy)

    for _ in range(3):
        net(x, **given()), train()
    prepared = len(device.prepared)
    with counted(device) as forward:
        net(x, **given())
    with counted(device) as training:
        train()
    assert len(device.prepared) == prepared and forward.views == training.views == 0
    own = 2 + len(net.net.states)
    assert (forward.arrays, training.arrays) == (own, own + 3)
    of_c = int(tier == "C" and kind == "LSTM")
    of_n = 0 if tier == "D" or kind != "GRU" else 1 + (STEPS if tier == "C" else 0)
    launches, backward_launches, clears, backward_clears = RAGGED[tier]
    assert forward.launches == launches + of_c
    assert training.launches - forward.launches == backward_launches + of_n
    assert (forward.clears, training.clears - forward.clears) == (clears, backward_clears + of_c)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "rows"), [*[("LSTM", rows) for rows in ROWS], ("GRU", "all")])
@pytest.mark.parametrize("tier", list(RAGGED))
def test_times_of_ragged_calls(tier: str, kind: str, rows: str, device: NullDevice) -> None:
    """The same rows in every call, and others in each, for short sequences and long ones."""
    import torch

    device.limits = TIERS[tier]
    net = getattr(rnnfast, kind)(40, 40, seed=1).to("cuda")
    for steps, batch in ((STEPS, 16), (64, 32), (512, 32)):
        x, dy = torch.zeros(steps, batch, 40), torch.ones(steps, batch, 40)
        given = [rows_of(ROWS[rows], steps, batch, seed) for seed in range(40)]
        for kept, these in (("seen lately", given[:1]), ("new", given)):
            each, found = itertools.cycle(these), []
            for call in (lambda: net(x, **next(each)), lambda: net.record(x, **next(each))[2].backward(dy)):  # noqa: B023
                for _ in range(12):  # of which some have other numbers of slices
                    call()
                with counted(device) as counts:
                    found.append(microseconds(call, 200 if tier != "C" else 20))
                assert counts.views == 0
            forward, training = found
            where = f"tier {tier} {kind} T {steps} B {batch}, {rows} {kept}"
            print(f"{where}: forward {forward:.0f} us, training {training:.0f} us")


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "one layer": ({}, {}, (2, 5)),
    "both directions": ({"bidirectional": True}, {}, (2, 9)),
    "two layers": ({"num_layers": 2}, {}, (4, 10)),
    "two layers, both directions": ({"num_layers": 2, "bidirectional": True}, {}, (4, 18)),
    "lengths": ({}, {"lengths": np.array([3, 2, 3, 1, 3, 3, 2, 3])}, (3, 5)),
    "mask and resets": ({}, {name: np.eye(STEPS, 8, dtype=bool) for name in ("mask", "resets")}, (3, 5)),
}
"""Options, inputs, launches forward and backward: forward a product and a loop a layer, and the tables of ragged rows;
backward a loop a layer and for each direction three products and a sum of slices."""


@pytest.mark.parametrize("form", list(FORMS))
def test_launches_of_every_form_by_clusters(form: str, device: NullDevice) -> None:
    import torch

    device.limits = TIERS["D"]
    options, inputs, (forward_launches, backward_launches) = FORMS[form]
    net, (x, _) = rnnfast.GRU(40, 40, seed=1, **options).to("cuda"), tensors(40)
    dy = torch.ones(STEPS, 8, net.net.output_size)
    for _ in range(4):  # whether a script runs them or not
        with counted(device) as forward:
            tape = net.record(x, **inputs)[2]
        with counted(device) as backward:
            tape.backward(dy)
        assert (forward.launches, backward.launches) == (forward_launches, backward_launches)
        assert (forward.arrays, backward.arrays) == (3, 3)
        assert (forward.clears, backward.clears) == (0, int(bool(inputs)))  # dx of steps that are not live
    both = microseconds(lambda: net(x, **inputs)), microseconds(lambda: net.record(x, **inputs)[2].backward(dy))
    print(f"tier D GRU, {form}: forward {both[0]:.0f} us, training {both[1]:.0f} us")


def test_a_form_that_is_known_lets_no_other_pass(device: NullDevice) -> None:
    """Of which shape, strides and dtype are looked at once: here strides alone tell nothing."""
    import torch

    device.limits = TIERS["A"]
    net, x = rnnfast.RNN(1, 40, seed=1).to("cuda"), torch.zeros(()).expand(STEPS, 8, 1)
    for _ in range(3):
        assert net(x)[0].shape == (STEPS, 8, 40)
    with pytest.raises(TypeError, match="x has dtype float64, this RNN computes in float32"):
        net(torch.zeros((), dtype=torch.float64).expand(STEPS, 8, 1))
    with pytest.raises(ValueError, match="x has 2 features"):
        net(torch.zeros(()).expand(STEPS, 8, 2))


def test_no_graph_reads_a_copy(device: NullDevice) -> None:
    """As calls do of what torch negates when it reads it."""
    import torch

    device.limits, net = TIERS["A"], rnnfast.RNN(1, 40, seed=1).to("cuda").freeze()
    negated = torch.ones(STEPS, 8, 1, dtype=torch.complex64).conj().imag
    assert negated.is_neg() and net(negated)[0].shape == (STEPS, 8, 40)
    with pytest.raises(ValueError, match=r"x is a tensor that torch negates .* pass x.resolve_neg\(\)"):
        net.graph(negated)


@pytest.mark.parametrize("inputs", [40, 3])
@pytest.mark.parametrize("tier", list(TIERS))
def test_a_replay_costs_one_call_of_the_driver(tier: str, inputs: int, device: NullDevice) -> None:
    """Also where calls take products of torch's."""
    device.limits = TIERS[tier]
    graph = rnnfast.LSTM(inputs, 40, seed=1).to("cuda").freeze().graph(tensors(inputs)[0])
    before = device.counts.null_graphs()
    with counted(device) as counts:
        graph()
    assert (counts.launches, counts.clears, counts.arrays, counts.views) == (0, 0, 0, 0)
    assert device.counts.null_graphs() == before + 1
    assert (graph.y.shape, [part.shape for part in graph.state]) == ((STEPS, 8, 40), [(1, 8, 40)] * 2)
    print(f"tier {tier}: a replay {microseconds(graph):.1f} us")


def test_every_function_of_the_driver_can_be_called_as_it_is_declared(device: NullDevice) -> None:
    driver = device.driver
    assert len([getattr(driver.library, name) for name in dir(driver.library)]) > 20
    code = link(driver, b"ptx", "some_kernel")
    kernel = device.kernel(pick_kernel, float, False)
    assert code == b"code" and loaded(driver, code, "some_kernel") and driver.version == 13000
    assert kernel.launch((2, 3), shared=200 << 10, cluster=16, cooperative=True).clusters_at_once() == 1
    with Current(driver), counted(device) as counts:
        driver.clear(64, 8, 7)
    assert counts.clears == 1
    driver.copy(64, 128, 8, 7)
    driver.download(np.zeros((2, 3), np.float32), 64, 7)
    driver.enter()
    driver.leave()
    driver.wait(7)
    driver.wait_for_all()
    assert "nothing" in str(driver.error("do it", 5))


def test_a_launch_costs_a_call_of_the_driver(device: NullDevice) -> None:
    launch = device.kernel(pick_kernel, float, False).launch(1)
    with counted(device) as counts:
        launch(7, *range(13))
    assert (counts.launches, counts.clears, counts.arrays, counts.views) == (1, 0, 0, 0)
    print(f"a launch with 13 parameters: {microseconds(lambda: launch(7, *range(13)), 3000):.2f} us")
