"""One call on a CUDA device: its stream, its arrays and its launches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.cuda.counted import Counted, following
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.driver.given_up import Waiting
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.libraries import Library
from rnnfast.backends.cuda.matrix import Matrix
from rnnfast.problem import Array

WORD = np.dtype("uint32")
Launches = dict[tuple[Any, ...], Launch]
"""Prepared launches by what they were made of."""


class Described(Protocol):
    """A launch as cluster/ and gemm/ describe theirs."""

    @property
    def constants(self) -> tuple[Any, ...]:
        """Return what, with the operations, makes the kernel."""

    @property
    def grid(self) -> int:
        """Return the number of blocks."""

    @property
    def threads(self) -> int:
        """Return the threads of a block."""

    @property
    def shared(self) -> int:
        """Return the bytes of dynamic shared memory of a block."""


class DeviceCall:
    """One call's way to the device: on the caller's stream, in memory from the library that its arrays come from."""

    is_noted = False
    """Whether what it starts serves other calls that are like it."""

    def __init__(
        self,
        device: Device,
        library: Library | None,
        dtype: np.dtype[Any] | None = None,
        launches: Launches | None = None,
    ) -> None:
        """`library` None: of NumPy's arrays, on the default stream.

        `dtype` is that of a net's numbers. `launches` are those that earlier calls, of which none runs now, prepared.
        """
        self.device, self.library, self.limits, self.dtype = device, library, device.limits, dtype
        self.stream = 0 if library is None else library.stream()
        self._launches: Launches = {} if launches is None else launches
        self._waiting: Waiting | None = None
        self._word: DeviceArray | None = None

    def again(self) -> DeviceCall:
        """Return the same on the caller's stream of now, once what was started on this one, if another, is done."""
        call = DeviceCall(self.device, self.library, self.dtype, self._launches)
        if call.stream != self.stream:
            self.wait()
        return call

    @property
    def real(self) -> Any:
        """The type of a net's numbers as kernels name it."""
        assert self.dtype is not None
        return self.dtype.type

    def wait(self) -> None:
        """Wait until all that was started is done."""
        self.device.wait(self.stream)

    def prepared(self, make: Callable[..., Any], constants: tuple[Any, ...], threads: int = 0) -> Launch:
        """Return the launch, on one block, of the kernel that `make` describes; `threads` 0: the usual number."""
        key = make, constants
        launch = self._launches.get(key)
        if launch is None:
            kernel = self.device.kernel(make, *constants, threads=threads or self.limits.threads)
            launch = self._launches[key] = kernel.launch(1)
        return launch

    def launch_over(self, count: int, make: Callable[..., Any], constants: tuple[Any, ...], *values: Any) -> None:
        """Start the kernel that `make` describes with one thread for each of `count` numbers."""
        grid = following(_blocks, count, self.limits.threads)
        if grid > 0 or type(grid) is Counted:
            self.run_on(self.prepared(make, constants), (grid, 1), *values)

    def run_on(self, launch: Launch, grid: tuple[int, int], *values: Any) -> None:
        """Start a launch on so many blocks, if there are any; how many may be counted."""
        if grid[0] > 0:
            launch.resize(*grid)
            self.run(launch, *values)

    def run(self, launch: Launch, *values: Any) -> None:
        """Start a launch with these parameters, all that it has."""
        launch(self.stream, *values)

    def start(self, make: Callable[..., Any], described: Described, values: tuple[Any, ...], cluster: int = 0) -> None:
        """Start a kernel for tensor cores, as its launch describes itself, with these values."""
        grid = described.grid
        if grid == 0 and type(grid) is not Counted:
            return
        key = make, described.constants, described.threads, cluster
        launch = self._launches.get(key)
        if launch is None:
            kernel = self.device.kernel(make, *described.constants, threads=described.threads, tensor_cores=True)
            launch = self._launches[key] = kernel.launch(1, shared=described.shared, cluster=cluster)
        self.run_on(launch, (grid, 1), *values)

    def product(self, a: Matrix, b: Matrix, c: Matrix, m: int, n: int, depth: int, *, add: bool) -> bool:
        """Let the library make C (m, n) the product of A (m, depth) and B, or add that; return False if it cannot."""
        return self.library is not None and self.library.product(a, b, c, m, n, depth, add)

    def word(self) -> DeviceArray:
        """Return the word that kernels of this call set where they have waited in vain, in memory of the host's."""
        if self._word is None:
            self._waiting = self.device.driver.given_up.begin(self.stream)
            self._word = DeviceArray(self._waiting.address, (), (), WORD, None)
        return self._word

    def check(self) -> None:
        """Raise TimeoutError where a kernel of this call's, which is done, has waited in vain."""
        if self._waiting is not None:
            self.device.driver.given_up.check_call(self._waiting)

    def array(self, a: Array | DeviceArray) -> DeviceArray:
        """Return a C-contiguous copy of NumPy's on the device, or what is there as it is."""
        return a if isinstance(a, DeviceArray) else self.device.upload(a, self.stream)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return a new array with anything in it."""
        if self.library is None:
            return self.device.new(shape, dtype, self.stream)
        return self.library.new(shape, np.dtype(dtype))

    def bring(self, address: int, source: bytes) -> None:
        """Copy bytes to an address."""
        self.device.driver.upload(address, source, self.stream)

    def clear(self, address: int, count: int) -> None:
        """Make so many bytes zero."""
        if count:
            self.device.driver.clear(address, count, self.stream)

    def host(self, a: DeviceArray) -> Array:
        """Return a copy for NumPy of a C-contiguous array, once the stream has come so far.

        Raises TimeoutError where a kernel of this call's has waited in vain.
        """
        found = self.device.download(a, self.stream)
        self.check()
        return found


def _blocks(count: int, threads: int) -> int:
    return -(-count // threads)
