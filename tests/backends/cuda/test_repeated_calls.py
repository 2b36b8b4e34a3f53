"""Calls that come again, which scripts run: the bits of calls that run for the first time, whatever arrays they get."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_scripts import LIMITS, scripts
from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice

import rnnfast
from rnnfast.backends.cuda import access, choices, libraries, repeats
from rnnfast.backends.cuda.choices import Choices
from rnnfast.backends.cuda.cluster import launch as cluster_launch
from rnnfast.backends.cuda.counted import counted
from rnnfast.backends.cuda.gemm.multiply import multiplies
from rnnfast.backends.cuda.gemm.products import of_inputs, of_weights, slices_for, to_inputs
from rnnfast.backends.cuda.matrix import Matrix
from rnnfast.backends.cuda.script_counts import Counts
from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.calls.gradients import Gradients
from rnnfast.problem import Array

STEPS, BATCH, INPUTS, SIZE = 3, 2, 5, 6


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[PtxDevice]:
    """In place of the device; clusters take nets of any cell, however small."""
    monkeypatch.setattr(cluster_launch, "FEWEST", 1)
    device = PtxDevice()
    with in_place_of_the_device(device):
        yield device


def there(rng: np.random.Generator, *shape: int) -> EmulatedArray:
    """New numbers on the device."""
    return EmulatedArray(rng.normal(size=shape).astype(np.float32))


def parts(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def numbers(results: list[Any]) -> list[Array]:
    return [np.array(a.memory) for a in results]


def round_of(module: Any, seed: int, *, state: bool = False, **options: Any) -> list[Array]:
    """The results of a call and its backward with numbers that the seed decides."""
    rng, net = np.random.default_rng(seed), module.net
    shape = net.num_layers * net.num_directions, BATCH, SIZE
    given = tuple(there(rng, *shape) for _ in net.states)
    start = (given if len(given) > 1 else given[0]) if state else None
    x, dy = there(rng, STEPS, BATCH, INPUTS), there(rng, STEPS, BATCH, net.output_size)
    y, last, tape = module.record(x, start)
    grads = tape.backward(dy, start, **options)
    return numbers([y, *parts(last), *grads.arrays])


def made(kind: str = "LSTM", **options: Any) -> Any:
    return getattr(rnnfast, kind)(INPUTS, SIZE, seed=1, **options).to("cuda")


def assert_same(found: list[Array], right: list[Array]) -> None:
    assert len(found) == len(right)
    assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))


@pytest.mark.parametrize(
    ("tier", "kind", "options"),
    [
        pytest.param("A", "GRU", {"num_layers": 2}, marks=pytest.mark.slow),
        ("B", "GRU", {"reset_after": False}),
        pytest.param("C", "LSTM", {"bidirectional": True}, marks=pytest.mark.slow),
        ("C", "GRU", {}),
        pytest.param("D", "LSTM", {"bidirectional": True}, marks=pytest.mark.slow),
        ("D", "GRU", {"num_layers": 2}),
    ],
)
def test_a_script_writes_the_bits_of_a_first_call(
    tier: str, kind: str, options: dict[str, Any], device: PtxDevice
) -> None:
    device.limits = LIMITS[tier]
    net = made(kind, **options)
    for seed in range(4):
        device.launched.clear()
        found = round_of(net, seed, state=True)
        launched = [*device.launched]
        if seed > 1:  # forward is a script's, and from the next on backward, too
            device.launched.clear()
            assert_same(found, round_of(made(kind, **options), seed, state=True))
            assert launched == device.launched
    assert len(scripts(net)) == 2


def test_rows_that_differ_from_call_to_call(device: PtxDevice) -> None:
    """What is kept of calls with as many live steps serves others of them alone."""
    device.limits = LIMITS["D"]
    net = made("RNN")
    for seed, lengths in enumerate(([3, 1], [1, 3], [2, 3], [0, 1])):
        results = []
        for each in (net, made("RNN")):
            rng = np.random.default_rng(seed)
            x, dy = there(rng, STEPS, BATCH, INPUTS), there(rng, STEPS, BATCH, SIZE)
            y, last, tape = each.record(x, lengths=lengths)
            results.append(numbers([y, last, *tape.backward(dy).arrays]))
        assert_same(*results)


def lying(a: Array, *, wide: bool) -> EmulatedArray:
    """The same numbers on the device, with gaps between rows if `wide`."""
    room: Array = np.full((*a.shape[:-1], a.shape[-1] + 3 * wide), np.nan, a.dtype)
    room[..., : a.shape[-1]] = a
    return EmulatedArray(room[..., : a.shape[-1]])


def test_scripts_serve_just_the_calls_that_are_like_theirs(device: PtxDevice) -> None:
    """Of others are y, dy and dx with gaps between rows, and gradients that are added to what is there."""
    device.limits = LIMITS["A"]
    net, rng = made("RNN"), np.random.default_rng(1)
    for way in ("dx", "y", "dy", "added") * 4:
        x, dy, empty = (rng.normal(size=(STEPS, BATCH, n)).astype(np.float32) for n in (INPUTS, SIZE, SIZE))
        results = []
        for each in (net, made("RNN")):
            where = "" if each is not net else way
            y, last = each(EmulatedArray(x), out=lying(empty, wide=where == "y"))
            tape = each.record(EmulatedArray(x))[2]
            params = {name: EmulatedArray(np.ones(shape, np.float32)) for name, shape in each.net.shapes.items()}
            out = Gradients(lying(empty[..., :INPUTS], wide=where == "dx"), None, params)
            grads = tape.backward(lying(dy, wide=where == "dy"), out=out, accumulate=way == "added")
            results.append(numbers([y, last, *grads.arrays]))
        assert_same(*results)
    assert len(scripts(net)) == 3 + 4  # without a record, for two y, and with one; backward


def test_calls_of_one_form_take_the_same_kernels() -> None:
    """However many steps are live: for the gates of the inputs, dx, dW_ih and whether that is made in slices."""
    layer = mock.Mock(inputs=256, columns=40, width=256, size=64, batch=64, cell=CELLS["lstm"])
    forms, chosen = Choices([layer], 400, record=True), dict[Any, Any]()
    for count in range(16, 400 * 64, 16):
        form = forms.form(mock.Mock(numbers=(count,), has=()))
        slices = slices_for(256, 40, count)
        products = of_inputs(count, 256, 40), to_inputs(count, 40, 256), of_weights(256, 40, count, slices)
        kernels = [each.constants for each in products], slices > 1
        assert form and chosen.setdefault(form, kernels) == kernels
    assert len(chosen) > 5


def test_room_for_the_slices_of_all_calls_that_a_script_serves() -> None:
    """As many as there are where all steps are live."""
    numbers, most = (1000,), 4000
    call = mock.Mock(dtype=np.dtype("float32"), limits=LIMITS["D"])
    call.empty.return_value = mock.Mock(address=0)
    a, b, c = (Matrix(mock.Mock(address=0, dtype=call.dtype), 0, *steps) for steps in ((1, 64), (32, 1), (32, 1)))
    assert multiplies(call, a, b, c, 64, 32, counted(numbers, most=most), add=False)
    ((shape, _),) = [each.args for each in call.empty.call_args_list]
    assert shape[0] >= 64 * 32 * max(slices_for(64, 32, count) for count in range(1, most + 1))


def test_other_rows_of_as_many_live_steps(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script is set anew for them: launches of a step are of other rows, or of none."""
    device.limits = LIMITS["C"]
    monkeypatch.setattr(choices, "FEWEST", 1)
    net, x = made("RNN"), there(np.random.default_rng(1), STEPS, BATCH, INPUTS)
    for lengths in ([3, 2], [2, 1], [3, 0], [1, 2], [3, 0]):
        assert_same(numbers([*net(x, lengths=lengths)]), numbers([*made("RNN")(x, lengths=lengths)]))
    assert len(scripts(net)) == 1


def test_a_call_after_one_that_was_interrupted(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken for set that the interrupted one had still to set."""
    device.limits = LIMITS["C"]
    monkeypatch.setattr(choices, "FEWEST", 1)
    net, x = made("RNN"), there(np.random.default_rng(1), STEPS, BATCH, INPUTS)
    for lengths in ([3, 2], [2, 1], [1, 0]):
        net(x, lengths=lengths)
    assert len(scripts(net)) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Counts, "set", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            net(x, lengths=[3, 2])
    assert_same(numbers([*net(x, lengths=[3, 2])]), numbers([*made("RNN")(x, lengths=[3, 2])]))


def test_every_way_of_calling(device: PtxDevice) -> None:
    """Each is a form of its own, or a way round the scripts of others."""
    device.limits = LIMITS["A"]
    net = made()
    ways: list[dict[str, Any]] = [{}, {"need_x": False}, {"monitor": True}, {"state": True}]
    for seed in range(5):
        for options in ways:
            assert_same(round_of(net, seed, **options), round_of(made(), seed, **options))
    assert len(scripts(net)) == 2 + 3  # forward with a state and without; norms are read on the host


def test_gradients_that_are_added_and_activations(device: PtxDevice) -> None:
    device.limits = LIMITS["A"]
    net, rng = made(), np.random.default_rng(1)
    for _ in range(4):
        x, dy = there(rng, STEPS, BATCH, INPUTS), there(rng, STEPS, BATCH, SIZE)
        results = []
        for each in (net, made()):
            tape = each.record(x, keep=True)[2]
            gates = tape.gates()
            once = tape.backward(dy)
            first = numbers(once.arrays)
            twice = numbers(tape.backward(dy, out=once, accumulate=True).arrays)
            results.append([*gates.values(), tape.cell_states, *first, *twice])
        assert_same(*results)


def test_a_script_holds_none_of_the_arrays_that_it_ran_with(device: PtxDevice) -> None:
    device.limits = LIMITS["A"]
    net = made(num_layers=2)
    round_of(net, 0)
    gc.collect()
    before = len(EmulatedArray.alive)
    for seed in range(4):
        round_of(net, seed)
    gc.collect()
    assert len(scripts(net)) == 2 and len(EmulatedArray.alive) == before


def test_what_cannot_be_repeated(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout, rows that differ, products by a library, addresses that nobody knows to be an array's."""
    device.limits = LIMITS["A"]
    net, rng = made(recurrent_dropout=0.5), np.random.default_rng(1)
    x, dy = there(rng, STEPS, BATCH, INPUTS), there(rng, STEPS, BATCH, SIZE)
    for _ in range(4):
        net.record(x)[2].backward(dy)
        net(x, lengths=[3, 1])
    assert not scripts(net)
    monkeypatch.setattr(libraries.Plain, "product", lambda *_: True)
    net, x = made(dtype="float64"), EmulatedArray(np.zeros((STEPS, BATCH, INPUTS)))
    for _ in range(4):
        net(x)
    assert not scripts(net)
    monkeypatch.setattr(repeats, "numbered", lambda arrays, first: arrays)
    net = made()
    for seed in range(4):
        round_of(net, seed)
    assert not scripts(net)


def test_arrays_of_another_library_have_scripts_of_their_own(
    device: PtxDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its products may be others."""
    device.limits = LIMITS["A"]
    net, x = made(), EmulatedArray(np.zeros((STEPS, BATCH, INPUTS), np.float32))
    for kind, count in ((libraries.Plain, 1), (type("Other", (libraries.Plain,), {}), 2)):
        monkeypatch.setattr(access, "library_of", lambda device, x, kind=kind: kind(device, None))
        for _ in range(3):
            net(x)
        assert len(scripts(net)) == count


def test_scripts_are_few(device: PtxDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    device.limits = LIMITS["A"]
    monkeypatch.setattr(repeats, "SCRIPTS_KEPT", 2)
    net, wide = made(), np.zeros((STEPS, BATCH, 2 * INPUTS), np.float32)
    for step in (1, 2) * 4:
        x = EmulatedArray(wide[..., : INPUTS * step : step])
        net(x)
    assert len(scripts(net)) <= 2
