"""Arrays on a CUDA device, in and out: results and gradients as in host memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.backends.cuda import devices
from rnnfast.calls.gradients import Gradients

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import Emulator
from device_arrays import Upload, close, host, nets
from device_memory import in_place_of_the_device
from ptx_device import PtxDevice

from rnnfast.backends.cuda import plan


@pytest.fixture(params=[Emulator, PtxDevice], ids=["registers", "clusters"])
def emulated_device(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A device whose small nets run on one kind of tiers, then one on which they run on the other."""
    device = request.param()
    with in_place_of_the_device(device):
        yield device


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.5, "input_dropout": 0.3}]
)
def test_a_call_and_its_gradients_stay_on_the_device(
    options: dict[str, Any], upload: Upload, rng: np.random.Generator
) -> None:
    here, there = nets(**options)
    count = here.net.num_layers * here.net.num_directions
    x, dy = (rng.normal(size=(5, 2, n)).astype(np.float32) for n in (3, here.net.output_size))
    state, d_state = (tuple(rng.normal(size=(2, count, 2, 4)).astype(np.float32)) for _ in range(2))
    y, final, tape = here.record(x, state, dropout_seed=3)
    right = tape.backward(dy, d_state)
    y_there, final_there, tape = there.record(upload(x), tuple(map(upload, state)), dropout_seed=3)
    assert tape.nbytes > 4 * 4 * count * 5 * 2 * 4  # at least the gates: i f g o, 4 bytes, of every step, row and unit
    found = tape.backward(upload(dy), tuple(map(upload, d_state)))
    close(y_there, y)
    for a, b in zip((*final_there, found.x, *found.states), (*final, right.x, *right.states), strict=True):
        close(a, b)
    for name, gradient in right.params.items():
        close(found.params[name], gradient)


def test_any_strides_and_flags_from_either_place(upload: Upload, rng: np.random.Generator) -> None:
    here, there = nets(batch_first=True, masked_output="hold")
    x = np.broadcast_to(rng.normal(size=(2, 6, 3)).astype(np.float32)[:, ::-1], (2, 6, 3))
    mask, lengths = rng.random((2, 6)) < 0.7, np.array([6, 4])
    y, final = here(x, lengths=lengths, mask=mask)
    out = upload(np.full((2, 9, 4), np.nan, np.float32)[:, 2:8])
    y_there, final_there = there(upload(x), lengths=upload(lengths), mask=upload(mask.view(np.uint8)), out=out)
    assert y_there is out
    close(y_there, y)
    close(final_there[0], final[0])
    close(there(upload(x), lengths=lengths, mask=mask)[0], y)


def test_gradients_into_given_arrays_are_added(upload: Upload, rng: np.random.Generator) -> None:
    _, there = nets()
    x = upload(rng.normal(size=(4, 2, 3)).astype(np.float32))
    dy = upload(rng.normal(size=(4, 2, 4)).astype(np.float32))
    first = there.record(x)[2].backward(dy)
    once = {name: host(a).copy() for name, a in first.params.items()}
    _, _, tape = there.record(x, keep=True)
    again = tape.backward(dy, out=first, accumulate=True)
    assert all(again.params[name] is a for name, a in first.params.items())
    for name, a in once.items():
        close(first.params[name], 2 * a)
    assert host(tape.backward(dy).x).tobytes() == host(first.x).tobytes()


def test_inputs_that_results_overwrite_are_copied_first(upload: Upload, rng: np.random.Generator) -> None:
    here = rnnfast.RNN(4, 4, seed=1, backend="reference")
    there = rnnfast.RNN(4, 4, seed=1).to("cuda")
    x = rng.normal(size=(5, 2, 4)).astype(np.float32)
    right, memory = here(x)[0], x.copy()
    there(upload(memory), out=upload(memory))
    np.testing.assert_allclose(memory, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_may_overwrite_what_was_recorded(
    bidirectional: bool, upload: Upload, rng: np.random.Generator
) -> None:
    here = rnnfast.LSTM(4, 4, bidirectional=bidirectional, seed=1, backend="reference")
    there = rnnfast.LSTM(4, 4, bidirectional=bidirectional, seed=1).to("cuda")
    count = here.net.num_directions
    x, dy = (rng.normal(size=(5, 2, n)).astype(np.float32) for n in (4, 4 * count))
    states, d_final = (tuple(rng.normal(size=(2, count, 2, 4)).astype(np.float32)) for _ in range(2))
    right = here.record(x, states)[2].backward(dy, d_final)
    on_device, first, last = upload(x), tuple(map(upload, states)), tuple(map(upload, d_final))
    empty = {name: upload(np.empty_like(a)) for name, a in right.params.items()}
    out: Any = Gradients(on_device, (first[0], last[1]), empty)
    found = there.record(on_device, first)[2].backward(upload(dy), last, out=out)
    for a, b in zip(found.arrays, right.arrays, strict=True):
        close(a, b)


def test_gradients_may_overwrite_an_input_that_is_dense_time_first(upload: Upload, rng: np.random.Generator) -> None:
    """The copy that is read in its place is dense in the caller's order of axes, batch first."""
    here, there = nets(batch_first=True)
    x, dy = (rng.normal(size=(5, 2, n)).astype(np.float32) for n in (3, 4))
    right = here.record(x.swapaxes(0, 1))[2].backward(dy.swapaxes(0, 1))
    on_device = upload(x.swapaxes(0, 1))
    _, _, tape = there.record(on_device)
    empty = {name: upload(np.empty_like(a)) for name, a in right.params.items()}
    states: Any = tuple(upload(np.empty((1, 2, 4), np.float32)) for _ in range(2))
    found = tape.backward(upload(dy.swapaxes(0, 1)), out=Gradients(on_device, states, empty))
    for a, b in zip(found.arrays, right.arrays, strict=True):
        close(a, b)


def test_weights_of_a_frozen_net_travel_once(emulated_device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = rnnfast.LSTM(3, 4, num_layers=2, seed=1, backend="cuda").freeze()
    upload, sizes = emulated_device.upload, list[tuple[int, ...]]()
    monkeypatch.setattr(emulated_device, "upload", lambda a, stream: sizes.append(a.shape) or upload(a, stream))
    x = np.ones((2, 1, 3), np.float32)
    first, _ = frozen(x)
    assert len(sizes) > 8 and sizes.count((16, 4)) == 3
    sizes.clear()
    again, _ = frozen(x)
    assert sizes == [x.shape] and np.array_equal(first, again)


def test_step_cells_and_frozen_nets(upload: Upload, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3)).astype(np.float32)
    here, there = (rnnfast.GRUCell(3, 4, seed=2, backend=backend) for backend in ("reference", None))
    close(there.to("cuda")(upload(x)), here(x))
    net, on_device = nets()
    frozen, right = on_device.freeze(), net(x[None])[0]
    on_device.parameters["bias_ih_l0"] = np.ones(16, np.float32)
    close(frozen(upload(x[None]))[0], right)
    with pytest.raises(TypeError, match="a stream steps in host memory"):
        frozen.stream()
    with pytest.raises(ValueError, match="bias_ih_l0 is read-only"):
        frozen.parameters["bias_ih_l0"] = np.ones(16, np.float32)


def test_empty_batches(upload: Upload) -> None:
    _, there = nets()
    for shape in ((0, 2, 3), (3, 0, 3)):
        out = upload(np.zeros((*shape[:2], 4), np.float32))
        assert there(upload(np.zeros(shape, np.float32)), out=out)[0] is out
        y, (h, _), tape = there.record(upload(np.zeros(shape, np.float32)), keep=True)
        first = tape.backward(y)
        assert tape.backward(y, out=first) is not None
        assert y.shape == (*shape[:2], 4) and h.shape == (1, shape[1], 4)
        assert host(tape.backward(y).params["bias_ih_l0"]).tolist() == [0] * 16


def test_a_spent_tape_holds_nothing_of_x(upload: Upload) -> None:
    _, there = nets()
    x = upload(np.zeros((2, 1, 3), np.float32))
    alive = weakref.ref(x)
    _, _, tape = there.record(x)
    tape.backward()
    del x
    assert alive() is None and tape is not None


@pytest.mark.parametrize("emulated_device", [Emulator], indirect=True)
def test_plans_that_a_device_keeps_are_bounded(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "POSITIONS_KEPT", 10)
    _, there = nets()
    kept = []
    for steps in (2, 3, 4, 2):
        there(upload(np.zeros((steps, 2, 3), np.float32)))
        kept.append([key[0] for key in devices.device().plans])
    assert kept == [[2], [2, 3], [4], [2]]


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_last_axis_with_gaps_is_read_right(batch_first: bool, upload: Upload, rng: np.random.Generator) -> None:
    here, there = nets(batch_first=batch_first)
    x, dy = (rng.normal(size=(5, 2 * n, 3)).astype(np.float32).transpose(2, 0, 1)[..., ::2] for n in (3, 4))
    lengths = np.array([2, 3, 0]) if batch_first else np.array([3, 0, 2, 1, 3])
    y, _, tape = here.record(x, lengths=lengths)
    y_there, _, tape_there = there.record(upload(x), lengths=lengths)
    close(y_there, y)
    close(tape_there.backward(upload(dy)).x, tape.backward(dy).x)
    close(there(upload(x))[0], here(x)[0])
