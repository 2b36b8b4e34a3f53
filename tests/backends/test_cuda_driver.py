"""Kernels from source to launches of ours: parameters, attributes, errors, compiled code that is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import Emulator
from device_memory import EmulatedArray
from emulated_driver import EmulatedLibrary

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.driver import linking
from rnnfast.backends.cuda.driver.declarations import LAUNCH_CLUSTER, LAUNCH_COOPERATIVE, ffi
from rnnfast.backends.cuda.driver.errors import DriverError
from rnnfast.backends.cuda.driver.launch import Kernel
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.scalars import address, fields_of, float32, float64, int32, int64


def mixed_kernel(cuda: Any, real: Any) -> Any:
    """Parameters of every type, so that some must be aligned."""

    def kernel(few: int32, to: address, scale: float32, count: int64, shift: int32, offset: float64):
        i = cuda.grid(1)
        if i < count:
            array_at(to, (count,), real)[i] = few + scale * i + shift + offset

    return kernel


def recorded(**replies: Any) -> tuple[Driver, EmulatedLibrary, list[Any]]:
    """A driver, its library with these functions, and what launches came: configurations, copied."""
    library, launched = EmulatedLibrary(lambda *_: None), list[Any]()

    def launch(config: Any, function: Any, pointers: Any, extra: Any) -> int:
        attributes = [config.attributes[n] for n in range(config.count)]
        values = {a.id: (a.value.cooperative, a.value.cluster.x, a.value.cluster.y) for a in attributes}
        grid, block = (tuple([getattr(config, f"{what}_{axis}") for axis in "xyz"]) for what in ("grid", "block"))
        launched.append((grid, block, config.shared, int(ffi.cast("uintptr_t", config.stream)), values))
        return 0

    vars(library).update({"cuLaunchKernelEx": launch} | replies)
    return Driver(library), library, launched


def kernel_of(driver: Driver, threads: int = 128) -> Kernel:
    return Kernel(driver, ffi.cast("void *", 8), "some_kernel", fields_of(mixed_kernel(None, None)), threads)


def test_parameters_arrive_whatever_their_types() -> None:
    emulator, to = Emulator(), np.zeros(5, np.float32)
    launch = emulator.kernel(mixed_kernel, np.float32, threads=8).launch(1)
    launch(3, 7, to.ctypes.data, 0.5, 5, -2, 1e-3)
    np.testing.assert_allclose(to, 5.001 + 0.5 * np.arange(5))
    launch.parameters.shift = 10
    launch.start()
    np.testing.assert_allclose(to, 17.001 + 0.5 * np.arange(5))
    with pytest.raises(Exception, match="expected 6 items"):
        launch(3, 7)


def test_a_parameter_without_a_scalars_name_is_refused() -> None:
    def kernel(to: address, count): ...  # type: ignore[no-untyped-def]

    with pytest.raises(TypeError, match=r"parameter count of .*kernel is annotated with None, expected one of address"):
        fields_of(kernel)


def test_launches_have_the_attributes_that_were_asked_for() -> None:
    set_attributes = list[tuple[int, int]]()
    driver, _, launched = recorded(cuFuncSetAttribute=lambda f, name, value: set_attributes.append((name, value)) or 0)
    kernel = kernel_of(driver)
    kernel.launch(3).start()
    kernel.launch((4, 5), shared=1000, cooperative=True).start(9)
    kernel.launch(32, shared=100 << 10, cluster=16).start(9)
    kernel.launch(32, shared=90 << 10, cluster=8, cooperative=True).start()
    kernel.launch(3, cluster=1).start()
    block = (128, 1, 1)
    assert launched == [
        ((3, 1, 1), block, 0, 0, {}),
        ((4, 5, 1), block, 1000, 9, {LAUNCH_COOPERATIVE: (1, 1, 0)}),
        ((32, 1, 1), block, 100 << 10, 9, {LAUNCH_CLUSTER: (16, 16, 1)}),
        ((32, 1, 1), block, 90 << 10, 0, {LAUNCH_COOPERATIVE: (1, 1, 0), LAUNCH_CLUSTER: (8, 8, 1)}),
        ((3, 1, 1), block, 0, 0, {LAUNCH_CLUSTER: (1, 1, 1)}),
    ]
    assert set_attributes == [(8, 100 << 10), (14, 1)]  # the larger shared memory serves the smaller


def describing(code: int, name: bytes, text: bytes) -> dict[str, Callable[..., int]]:
    """The functions by which a driver describes one error."""
    words = ffi.new("char[]", name), ffi.new("char[]", text)

    def describe(which: int) -> Callable[[int, Any], int]:
        def function(error: int, to: Any) -> int:
            to[0] = words[which] if error == code else ffi.NULL
            return int(error != code)

        return function

    return {"cuGetErrorName": describe(0), "cuGetErrorString": describe(1)}


def test_errors_have_the_drivers_words() -> None:
    words = describing(720, b"CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE", b"too many blocks in cooperative launch")
    driver, _, _ = recorded(**words, cuLaunchKernelEx=lambda *_: 720, cuMemsetD8Async=lambda *_: 1234)
    with pytest.raises(DriverError) as found:
        kernel_of(driver).launch((700, 2), shared=512, cooperative=True).start()
    assert str(found.value) == (
        "CUDA could not start some_kernel: CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE (720), too many blocks in "
        "cooperative launch (grid (700, 2, 1), block (128, 1, 1), 512 bytes of dynamic shared memory)"
    )
    with pytest.raises(DriverError, match=r"could not clear 64 bytes: an error unknown to it \(1234\)"):
        driver.clear(4096, 64, 0)


def test_a_driver_that_is_too_old_is_told() -> None:
    class Old:
        cuInit = staticmethod(lambda flags: 0)

        @staticmethod
        def cuDriverGetVersion(to: Any) -> int:
            to[0] = 11070
            return 0

    with pytest.raises(RuntimeError, match=r"the CUDA driver, for CUDA 11\.7, has no cuLaunchKernelEx, .* a newer"):
        Driver(Old())


def test_a_forked_child_is_told_to_be_spawned() -> None:
    words = describing(3, b"CUDA_ERROR_NOT_INITIALIZED", b"initialization error")
    for driver_function in ("cuInit", "cuCtxGetCurrent"):
        with pytest.raises(DriverError, match=r"NOT_INITIALIZED \(3\), initialization error\. A child .* with spawn"):
            recorded(**words, **{driver_function: lambda *_: 3})[0].is_current()


def test_what_the_linker_says_is_in_the_error() -> None:
    def create(count: int, options: Any, values: Any, state: Any) -> int:
        logs.append(ffi.cast("char *", values[0]))
        return 0

    def add(*_: Any) -> int:
        ffi.memmove(logs[0], b"ptxas: unsupported .version 9.9", 31)
        return 222

    logs, ended = list[Any](), list[Any]()
    words = describing(
        222, b"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", b"the provided PTX was compiled with another toolchain"
    )
    link = {"cuLinkCreate_v2": create, "cuLinkAddData_v2": add, "cuLinkDestroy": lambda state: ended.append(state) or 0}
    driver, _, _ = recorded(**words, **link)
    with pytest.raises(
        DriverError, match=r"could not link k: .* \(222\), .*toolchain: ptxas: unsupported .version 9.9"
    ):
        linking.link(driver, b"...", "k")
    assert len(ended) == 1


def test_another_context_is_left_as_it_was() -> None:
    current, log = [ffi.cast("void *", 5)], list[str]()

    def get(to: Any) -> int:
        to[0] = current[0]
        return 0

    def retain(to: Any, device: int) -> int:
        to[0] = ffi.cast("void *", 9)
        return 0

    switches = {
        "cuCtxPushCurrent_v2": lambda context: log.append("push") or 0,
        "cuCtxPopCurrent_v2": lambda context: log.append("pop") or 0,
    }
    driver, _, _ = recorded(cuCtxGetCurrent=get, cuDevicePrimaryCtxRetain=retain, **switches)
    from rnnfast.backends.cuda.driver.current import Current

    with Current(driver):
        log.append("within")
    current[0] = ffi.cast("void *", 9)
    with Current(driver):
        log.append("again")
    assert log == ["push", "within", "pop", "again"]


def test_views_of_arrays_know_what_numpy_knows() -> None:
    memory = np.arange(24.0).reshape(2, 3, 4)
    for a in (
        memory,
        memory[:, :, 1:3],
        memory[::-1],
        memory[:, :0],
        memory[:1].swapaxes(0, 1),
        memory.transpose(2, 0, 1),
    ):
        seen = DeviceArray.of(EmulatedArray(a))
        assert (seen.is_dense, seen.size, seen.nbytes, seen.ndim) == (a.flags.c_contiguous, a.size, a.nbytes, a.ndim)
        turned = seen.swapaxes(0, 1)
        assert turned.shape == a.swapaxes(0, 1).shape
        if a.size:
            np.testing.assert_array_equal(turned.frame, a.swapaxes(0, 1))
