"""Arrays on a CUDA device, in and out: kinds, places, views, streams.

In the emulator: there the device's memory is the host's, but nothing tells NumPy so.
"""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import dispatch
from rnnfast.backends import numba_cuda
from rnnfast.gradients import Gradients
from rnnfast.problem import Array

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import EmulatedArray, Emulator

Upload = Callable[[Array], Any]


@pytest.fixture
def upload(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upload]:
    """Makes an array on the device; strides stay as they are."""
    emulator = Emulator()
    for name in ("_explicit", "_automatic"):
        getattr(dispatch, name).cache_clear()
    monkeypatch.setattr(numba_cuda, "reason", lambda variant=None: None)
    monkeypatch.setattr(numba_cuda, "device", lambda: emulator)
    yield EmulatedArray
    for name in ("_explicit", "_automatic"):
        getattr(dispatch, name).cache_clear()


def host(array: Any) -> Array:
    """What a result on the device holds."""
    assert isinstance(array, EmulatedArray)
    return array.memory


def nets(**options: Any) -> tuple[rnnfast.LSTM, rnnfast.LSTM]:
    """The same net twice: in host memory, where the reference runs it, and on the device."""
    here = rnnfast.LSTM(3, 4, seed=1, backend="reference", **options)
    there = rnnfast.LSTM(3, 4, seed=1, **options).to("cuda")
    return here, there


def close(device: Any, right: Array) -> None:
    np.testing.assert_allclose(host(device), right, rtol=1e-5, atol=1e-6)


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


def test_parameters_move_there_and_back(upload: Upload) -> None:
    here, there = nets()
    assert (here.place, there.place) == ("cpu", "cuda")
    right = here.state_dict()
    assert all(np.array_equal(there.state_dict()[name], a) for name, a in right.items())
    for twin in (copy.deepcopy(there), pickle.loads(pickle.dumps(there))):
        assert twin.place == "cuda" and twin.parameters["weight_hh_l0"] is not there.parameters["weight_hh_l0"]
        assert np.array_equal(twin.state_dict()["weight_hh_l0"], right["weight_hh_l0"])
    there.parameters["bias_ih_l0"] = upload(np.full(16, 2, np.float32))
    there.parameters["bias_hh_l0"] = np.full(16, 3, np.float32)
    assert {there.state_dict()[name][0] for name in ("bias_ih_l0", "bias_hh_l0")} == {2, 3}
    there.load_state_dict({name: upload(a) for name, a in right.items()})
    assert there.to("cuda") is there
    back = there.to("cpu")
    assert back is there and all(np.array_equal(back.parameters[name], a) for name, a in right.items())
    with pytest.raises(ValueError, match="place is 'gpu', expected"):
        there.to("gpu")


def test_a_file_has_what_is_on_the_device(upload: Upload, tmp_path: Any) -> None:
    _, there = nets()
    there.save(tmp_path / "net.npz")
    fresh = rnnfast.LSTM(3, 4, seed=9)
    fresh.load(tmp_path / "net.npz")
    assert np.array_equal(fresh.parameters["weight_ih_l0"], there.state_dict()["weight_ih_l0"])


def test_different_places_are_refused(upload: Upload) -> None:
    here, there = nets()
    x = np.zeros((2, 1, 3), np.float32)
    with pytest.raises(
        TypeError, match=r"x, a EmulatedArray, is on a CUDA device, .* move the module .*\.to\(\"cuda\"\)"
    ):
        here(upload(x))
    with pytest.raises(
        TypeError, match="x, a ndarray, is in host memory, while this LSTM's parameters are on the CUDA"
    ):
        there(x)
    with pytest.raises(TypeError, match=r"state\[0\], a ndarray, is in host memory"):
        there(upload(x), (np.zeros((1, 1, 4), np.float32), None))
    with pytest.raises(TypeError, match="out, a ndarray, is in host memory"):
        there(upload(x), out=np.zeros((2, 1, 4), np.float32))
    with pytest.raises(TypeError, match="out, a EmulatedArray, is on a CUDA device"):
        here(x, out=upload(np.zeros((2, 1, 4), np.float32)))
    refused = pytest.raises(TypeError, match="use_backend asks for backend 'reference', which reads host memory")
    with rnnfast.use_backend("reference"), refused:
        there(upload(x))


def test_bad_device_arrays_are_refused(upload: Upload) -> None:
    _, there = nets()
    x = np.zeros((2, 1, 3), np.float32)
    with pytest.raises(TypeError, match="x has dtype float64, this LSTM computes in float32"):
        there(upload(x.astype(np.float64)))
    with pytest.raises(ValueError, match="x has 2 features, this LSTM was made for 3"):
        there(upload(x[:, :, :2]))
    with pytest.raises(ValueError, match=r"state\[1\] has shape \(1, 2, 4\), expected \(1, 1, 4\)"):
        there(upload(x), (None, upload(np.zeros((1, 2, 4), np.float32))))
    with pytest.raises(ValueError, match="lengths go from 3 to 3, expected 0 to 2"):
        there(upload(x), lengths=upload(np.array([3])))
    with pytest.raises(ValueError, match="out shares memory with the parameter weight_hh_l0"):
        there(upload(x), out=upload(host(there.parameters["weight_hh_l0"])[:2].reshape(2, 1, 4)))
    locked = np.zeros((2, 1, 4), np.float32)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        there(upload(x), out=upload(locked))


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


def noting(call: Callable[..., Any], name: str, position: int, streams: set[tuple[str, int]]) -> Callable[..., Any]:
    """The call, its name and the argument at this position noted first."""

    def noted(*arguments: Any) -> Any:
        streams.add((name, arguments[position]))
        return call(*arguments)

    return noted


def test_the_stream_of_the_caller_is_used(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    _, there = nets(recurrent_dropout=0.5)
    emulator, streams, waited = numba_cuda.device(), set[tuple[str, int]](), list[int]()
    monkeypatch.setattr(emulator, "wait", waited.append)
    for name, position in {"run": 3, "new": 2, "upload": 1, "download": 1, "clear": 1}.items():
        monkeypatch.setattr(emulator, name, noting(getattr(emulator, name), name, position, streams))
    x = EmulatedArray(np.zeros((2, 1, 3), np.float32), stream=7)
    _, _, tape = there.record(x)
    tape.backward(EmulatedArray(np.zeros((2, 1, 4), np.float32), stream=9))
    assert streams == {(name, 7) for name in ("run", "new", "upload", "clear")}
    assert set(waited) == {7, 9}  # what another stream makes ready is waited for


def test_backward_on_another_stream_waits_for_both(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    _, there = nets()
    emulator, waited, stream = numba_cuda.device(), list[int](), [5]
    monkeypatch.setattr("rnnfast.device.libraries.Plain.stream", lambda self: stream[0])
    _, _, tape = there.record(upload(np.zeros((2, 1, 3), np.float32)))
    monkeypatch.setattr(emulator, "wait", waited.append)
    stream[0] = 6
    tape.backward(upload(np.zeros((2, 1, 4), np.float32)))
    assert waited[0] == 5 and waited[-1] == 6


def test_a_spent_tape_holds_nothing_of_x(upload: Upload) -> None:
    _, there = nets()
    x = upload(np.zeros((2, 1, 3), np.float32))
    alive = weakref.ref(x)
    _, _, tape = there.record(x)
    tape.backward()
    del x
    assert alive() is None and tape is not None


def test_a_pickle_without_a_device_says_why(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(nets()[1])
    monkeypatch.setattr(numba_cuda, "reason", lambda variant=None: "there is none")
    with pytest.raises(RuntimeError, match="cannot move to a CUDA device: there is none"):
        pickle.loads(pickled)


def test_where_a_value_is_that_will_not_say() -> None:
    class Nowhere:
        def __dlpack_device__(self) -> tuple[int, int]:
            raise ValueError("unknown device type")

        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("no memory")

    with pytest.raises(TypeError, match="x, a Nowhere, cannot be viewed as a NumPy array"):
        rnnfast.LSTM(3, 4)(Nowhere())


def test_libraries_are_known_by_their_classes(upload: Upload) -> None:
    tensor = type("Tensor", (EmulatedArray,), {"__module__": "torch", "device": SimpleNamespace(index=3)})
    own = type("Own", (tensor,), {"__module__": "mine"})
    pytest.importorskip("torch", reason="torch is not installed")
    x = own(np.zeros((2, 1, 3), np.float32))
    with pytest.raises(ValueError, match="x is on CUDA device 3, this LSTM on device 0"):
        nets()[1](x)


def test_without_a_device_moving_says_why() -> None:
    if numba_cuda.reason() is None:
        pytest.skip("there is a device")
    with pytest.raises(RuntimeError, match=f"cannot move to a CUDA device: {numba_cuda.reason()}"):
        rnnfast.LSTM(3, 4).to("cuda")


def test_the_product_of_torch_serves(rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from rnnfast.cuda_kernels.product import Matrix, matrix
    from rnnfast.device.libraries import Torch

    a, b, c = (rng.normal(size=shape) for shape in ((5, 9), (4, 7), (5, 8)))
    right, library = c.copy(), Torch(torch.device("cpu"))
    right[:, 2:6] += a[:, 1:8] @ b.T
    assert library.add_product(matrix(a, 1), matrix(b).turned, matrix(c, 2), 5, 4, 7)
    np.testing.assert_allclose(c, right)
    ones = Matrix(np.ones(1), 0, 0, 0)
    sums = np.zeros((1, 9))
    assert library.add_product(ones, matrix(a), matrix(sums), 1, 9, 5)
    np.testing.assert_allclose(sums[0], a.sum(axis=0))
    assert library.empty((2, 3), np.dtype("float64")).dtype == torch.float64
