"""The stream and the library of the arrays that a net on a CUDA device is called with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda import devices

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from device_arrays import Upload, nets
from device_memory import EmulatedArray

from rnnfast.backends.cuda import libraries
from rnnfast.backends.cuda.matrix import matrix


def noting(call: Callable[..., Any], name: str, position: int, streams: set[tuple[str, int]]) -> Callable[..., Any]:
    """The call, its name and the argument at this position noted first."""

    def noted(*arguments: Any) -> Any:
        streams.add((name, arguments[position]))
        return call(*arguments)

    return noted


def test_the_stream_of_the_caller_is_used(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    _, there = nets(recurrent_dropout=0.5)
    emulator, streams, waited = devices.device(), set[tuple[str, int]](), list[int]()
    monkeypatch.setattr(emulator, "wait", waited.append)
    for name, position in {"run": 3, "new": 2, "upload": 1, "download": 1}.items():
        monkeypatch.setattr(emulator, name, noting(getattr(emulator, name), name, position, streams))
    monkeypatch.setattr(emulator.driver, "clear", noting(emulator.driver.clear, "clear", 2, streams))
    x = EmulatedArray(np.zeros((2, 1, 3), np.float32), stream=7)
    _, _, tape = there.record(x)
    tape.backward(EmulatedArray(np.zeros((2, 1, 4), np.float32), stream=9))
    assert streams == {(name, 7) for name in ("run", "new", "upload", "clear")}
    assert set(waited) == {7, 9}  # what another stream makes ready is waited for


@pytest.mark.parametrize("keep", [False, True])
def test_backward_on_another_stream_waits_for_both(keep: bool, upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    _, there = nets()
    emulator, waited, stream = devices.device(), list[int](), [5]
    monkeypatch.setattr(libraries.Plain, "stream", lambda self: stream[0])
    _, _, tape = there.record(upload(np.zeros((2, 1, 3), np.float32)), keep=keep)
    monkeypatch.setattr(emulator, "wait", waited.append)
    stream[0] = 6
    tape.backward(upload(np.zeros((2, 1, 4), np.float32)))
    assert waited[0] == 5 and waited[-1] == 6


def test_libraries_are_known_by_their_classes(upload: Upload) -> None:
    tensor = type("Tensor", (EmulatedArray,), {"__module__": "torch", "device": type("Device", (), {"index": 3})()})
    own = type("Own", (tensor,), {"__module__": "mine"})
    pytest.importorskip("torch", reason="torch is not installed")
    x = own(np.zeros((2, 1, 3), np.float32))
    with pytest.raises(ValueError, match="x is on CUDA device 3, this LSTM on device 0"):
        nets()[1](x)


class CurrentDevice(nullcontext[None]):
    """A device like CuPy's: within it arrays are made there."""

    id, entered = 0, 0

    def __enter__(self) -> None:
        self.entered += 1


def cupy_over_numpy() -> Any:
    """Return what is used of CuPy, over NumPy."""
    stream = SimpleNamespace(ptr=7)
    current = SimpleNamespace(get_current_stream=lambda: stream)
    return SimpleNamespace(asarray=lambda a: a.frame, matmul=np.matmul, lib=np.lib, cuda=current)


def torch_on_the_host() -> libraries.Torch:
    """torch's class with its tensors in host memory."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return libraries.Torch(torch.device("cpu"))


@pytest.mark.parametrize("name", ["torch", "cupy"])
def test_products_of_libraries(name: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy_over_numpy())
    library = torch_on_the_host() if name == "torch" else libraries.CuPy(CurrentDevice())
    a, b, c = (rng.normal(size=shape) for shape in ((5, 9), (4, 7), (5, 8)))
    right = a[:, 1:8] @ b.T
    seen = [
        library.seen(torch_of(each)) if name == "torch" else DeviceArray.of(EmulatedArray(each)) for each in (a, b, c)
    ]
    left, turned, to = matrix(seen[0]).beside(1), matrix(seen[1]).turned, matrix(seen[2]).beside(2)
    assert library.product(left, turned, to, 5, 4, 7, False)
    np.testing.assert_allclose(c[:, 2:6], right)
    assert library.product(left, turned, to, 5, 4, 7, True)
    np.testing.assert_allclose(c[:, 2:6], 2 * right)
    assert library.product(left.below(1), turned, to.below(2), 3, 4, 0, False)
    assert not c[2:, 2:6].any() and c[0, 2:6].all() and c[:, [0, 1, 6, 7]].all()


def torch_of(a: np.ndarray[Any, Any]) -> Any:
    """Return a tensor in the same memory, where it is not the beginning of what torch knows of."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return torch.from_numpy(a.reshape(-1)).as_strided(a.shape, (a.shape[1], 1))


def test_results_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    over_numpy = cupy_over_numpy()
    over_numpy.empty = lambda shape, dtype: EmulatedArray(np.empty(shape, dtype))
    monkeypatch.setitem(sys.modules, "cupy", over_numpy)
    device, torch = CurrentDevice(), torch_on_the_host()
    cupy, real = libraries.CuPy(device), np.dtype("float64")
    for library, kind in ((cupy, EmulatedArray), (torch, torch.torch.Tensor)):
        made = library.new((2, 3), real)
        assert (made.shape, made.dtype, type(made.owner)) == ((2, 3), real, kind)
        pieces = library.pieces(((2, 3), (5,), (0, 4), (1, 7)), real)
        assert [(each.shape, each.is_dense, type(each.owner)) for each in pieces] == [
            (shape, True, kind) for shape in ((2, 3), (5,), (0, 4), (1, 7))
        ]
        for n, each in enumerate(pieces):
            each.frame[...] = n
        assert [np.unique(each.frame).tolist() for each in pieces] == [[0], [1], [], [3]]
    assert (device.entered, cupy.stream()) == (5, 7)
    assert all(each.owner.data_ptr() == each.address for each in pieces if each.size)
    assert torch.new((2,), np.dtype("bool")).owner.dtype is torch.torch.bool
    assert torch.seen(torch.torch.zeros(2, dtype=torch.torch.int32)) is None and torch.seen(np.zeros(2)) is None
    assert not torch.seen(torch.torch.zeros(2, requires_grad=True)).owner.requires_grad
