"""The stream and the library of the arrays that a net on a CUDA device is called with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
from emulated_driver import EmulatedLibrary

from rnnfast.backends.cuda import libraries
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.driver.declarations import DEVICE_ORDINAL, ffi
from rnnfast.backends.cuda.driver.library import Driver
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
    with pytest.raises(
        ValueError, match=r'x is on CUDA device 3, this LSTM on device 0.*: copy x there.*\.to\("cuda:0"\)'
    ):
        nets()[1](x)


def refused(array: EmulatedArray) -> tuple[int, int]:
    raise BufferError("not for DLPack")


def of_library(module: str, memory: Any, number: int) -> EmulatedArray:
    """Return an array that says, in the words of its library, on which device it is."""
    words: dict[str, dict[str, Any]] = {
        "torch": {"device": SimpleNamespace(index=number)},
        "cupy": {"device": SimpleNamespace(id=number)},
        "other": {"__dlpack_device__": lambda self: (2, number)},
        "managed": {"__dlpack_device__": lambda self: (13, number)},
        "unknown": {"__dlpack_device__": refused},
    }
    kind: Any = type("Tensor", (EmulatedArray,), {"__module__": module, **words[module]})
    found: EmulatedArray = kind(memory)
    return found


@pytest.mark.parametrize("module", ["torch", "cupy", "other"])
def test_arrays_on_another_device_are_refused_by_name(module: str, upload: Upload) -> None:
    _, there = nets()
    x, y, h = (np.zeros((*shape,), np.float32) for shape in ((2, 1, 3), (2, 1, 4), (1, 1, 4)))
    right, here = upload(x), (upload(h), upload(h))
    away, h_away = of_library(module, y, 1), of_library(module, h, 1)
    _, _, tape = there.record(right, keep=True)
    out = {name: upload(np.zeros(shape, np.float32)) for name, shape in there.net.shapes.items()}
    out["weight_hh_l0"] = of_library(module, np.zeros((16, 4), np.float32), 1)
    lengths = of_library(module, np.array([2]), 1)
    calls: dict[str, Callable[[], Any]] = {
        r"state\[1\]": lambda: there(right, (here[0], h_away)),
        "out": lambda: there(right, out=away),
        "lengths": lambda: there(right, lengths=lengths),
        "dy": lambda: tape.backward(away),
        r"d_state\[0\]": lambda: tape.backward(None, (h_away, here[1])),
        r"out\['weight_hh_l0'\]": lambda: tape.backward(out=out),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"{name} is on CUDA device 1, this LSTM on device 0.*: copy {name} there"):
            call()
    near = of_library(module, h, 0)
    assert np.array_equal(there(right, (near, here[1]))[0].memory, there(right, here)[0].memory)


@pytest.mark.parametrize("managed", [False, True])
def test_the_driver_knows_where_arrays_are_that_do_not_say(
    managed: bool, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Numba's: those on another device are refused, but for memory that every device reaches."""
    _, there = nets()
    x, h = (np.zeros(shape, np.float32) for shape in ((2, 1, 3), (1, 1, 4)))
    away = [EmulatedArray(x.copy()), EmulatedArray(h.copy())]
    places = [array.memory.ctypes.data for array in away]

    def tell(found: Any, attribute: int, address: int) -> int:
        found[0] = int(address in places) if attribute == DEVICE_ORDINAL else int(managed and address in places)
        return 0

    monkeypatch.setitem(vars(devices.device().library), "cuPointerGetAttribute", tell)
    calls: dict[str, Callable[[], Any]] = {
        "x": lambda: there(away[0]),
        r"state\[0\]": lambda: there(upload(x), (away[1], upload(h))),
    }
    there(upload(x))
    for name, call in calls.items():
        refuses = pytest.raises(
            ValueError, match=f"{name} is on CUDA device 1, this LSTM on device 0.*: copy {name} there"
        )
        with nullcontext() if managed else refuses:
            call()


def test_new_arrays_are_made_within_the_devices_context() -> None:
    """Another device may be the thread's current one."""
    library, made = EmulatedLibrary(lambda *_: None), list[str]()
    here, there = ffi.cast("void *", 16), [ffi.cast("void *", 32)]
    vars(library).update(
        cuDevicePrimaryCtxRetain=lambda to, _: to.__setitem__(0, here) or 0,
        cuCtxGetCurrent=lambda to: to.__setitem__(0, there[-1]) or 0,
        cuCtxPushCurrent_v2=lambda context: there.append(context) or 0,
        cuCtxPopCurrent_v2=lambda _: there.pop() is None,
    )

    def make(what: Any, *_: Any, **__: Any) -> EmulatedArray:
        made.append("here" if there[-1] == here else "there")
        return EmulatedArray(np.zeros(3))

    device = Device.__new__(Device)
    device.driver, device.cuda = Driver(library), SimpleNamespace(device_array=make, to_device=make)
    device.new((3,), np.float64, 0)
    device.upload(np.zeros(3), 0)
    assert made == ["here", "here"] and len(there) == 1


@pytest.mark.parametrize("module", ["managed", "unknown"])
def test_arrays_that_are_known_to_be_on_no_other_device_are_taken(module: str, upload: Upload) -> None:
    _, there = nets()
    x, h = upload(np.zeros((2, 1, 3), np.float32)), np.ones((1, 1, 4), np.float32)
    found = [there(x, (made(h), upload(h)))[0].memory for made in (lambda a: of_library(module, a, 7), upload)]
    assert np.array_equal(*found)


def test_another_stream_is_waited_for_within_the_devices_context(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def current() -> Iterator[None]:
        depth[0] += 1
        yield
        depth[0] -= 1

    _, there = nets()
    depth, waited = [0], list[tuple[int, int]]()
    monkeypatch.setattr(devices.device(), "current", current)
    monkeypatch.setattr(devices.device(), "wait", lambda stream: waited.append((stream, depth[0])))
    x, out = np.zeros((2, 1, 3), np.float32), np.zeros((2, 1, 4), np.float32)
    there(EmulatedArray(x, stream=5), out=EmulatedArray(out, stream=9))
    assert set(waited) == {(5, 1), (9, 1)}


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
