"""Checks of the CUDA kernels: every cell, type and size on every tier against the reference, in memory that held NaN.

    python bench/gpu_checks.py CELL DTYPE SIZE, or one of tensors, repeated, extremes, or kernels CELL SIZE

The last compiles what the table of a cell and a size needs. `bench/gpu.py` starts many of these at a time, since most
of their time goes to compiling.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "helpers"))

from agreement import assert_agrees
from gpu_repeated import check_extremes, check_repeated, check_streams
from support import Spec, make_problem, run

import rnnfast
from rnnfast.backends.cuda import backend, devices
from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.shapes import CELLS as KERNELS
from rnnfast.backends.cuda.tiers import choose

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu", "rnn_linear", "gru_before")
DTYPES = ("float32", "float64")
SIZES = (256, 130, 17, 16, 1)
"""Of clusters of 16, 9, 2 blocks and of one."""
RAGGED = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.3, "directions": 2}
DENSE = {"layers": 2, "dropout": 0.4, "input_dropout": 0.2}


class Checked(Device):
    """A device whose new memory holds NaN: what a kernel should have written is seen."""

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> Any:
        """Return a new array that holds NaN."""
        return self.upload(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -7, dtype), stream)


def check(device: Any, cell: str, dtype: str, size: int, batches: tuple[int, ...], steps: int) -> Iterator[str]:
    """Check nets of a cell, type and size on every tier that has them; yield a line for each. Raises AssertionError."""
    limits = device.limits
    nets = [(batch, options) for batch, options in itertools.product(batches, ({}, DENSE, RAGGED))]
    without = replace(limits, capability=min(limits.capability, (8, 9)))  # clusters
    said = set[str]()
    for device.limits in (limits, without, replace(without, words=(1,))):
        tier = choose(device.limits, KERNELS[cell], size, np.dtype(dtype).itemsize, max(batches)).name
        if tier not in said:
            yield f"tier {tier}: {cell} {dtype} H {size}: {agree(cell, dtype, size, nets, steps)} nets agree, twice"
        said.add(tier)
    device.limits = limits


def agree(cell: str, dtype: str, size: int, nets: Sequence[tuple[int, dict[str, Any]]], steps: int) -> int:
    """Return how many of these nets agree with the reference, and to the bit with themselves: all.

    Raises AssertionError where one does not.
    """
    for batch, options in nets:
        spec = Spec(cell, steps, batch, 24, size, **options)
        first, second = (run(backend, make_problem(spec, dtype)) for _ in range(2))
        assert_agrees(first, spec, dtype)
        different = [name for name, a in first.items() if not np.array_equal(a, second[name], equal_nan=True)]
        if different:
            raise AssertionError(f"{spec} {dtype}: a second run gave other bits in {', '.join(different)}")
    return len(nets)


def check_tensors() -> str:
    """Check tensors in and out, forward on one stream and backward on another, against NumPy's arrays; say so."""
    import torch

    for masked_output in ("hold", "zero"):  # clusters hold no outputs
        _check_tensors(torch, masked_output)
    return "tensors of torch: strided, on two streams, agree with NumPy's arrays, three times"


def _check_tensors(torch: Any, masked_output: str) -> None:
    rng, streams = np.random.default_rng(1), [torch.cuda.Stream() for _ in range(2)]
    options: dict[str, Any] = {"bidirectional": True, "batch_first": True, "dropout": 0.3}
    net = rnnfast.LSTM(24, 96, 2, masked_output=masked_output, seed=1, **options)
    x, dy = (rng.normal(size=(9, 40, n)).astype(np.float32) for n in (24, 192))
    lengths = rng.integers(0, 41, 9)
    with rnnfast.use_backend("cuda"):
        y, _, tape = net.record(x, lengths=lengths, dropout_seed=5)
        right = tape.backward(dy)
    net.to("cuda")
    for _ in range(3):
        with torch.cuda.stream(streams[0]):
            there, d_there = (torch.as_tensor(a, device="cuda").mT.contiguous().mT for a in (x, dy))
            found, _, tape = net.record(there, lengths=lengths, dropout_seed=5)
        with torch.cuda.stream(streams[1]):
            streams[1].wait_stream(streams[0])
            grads = tape.backward(d_there)
        torch.cuda.synchronize()
        pairs = [(found, y), (grads.x, right.x), *((grads.params[name], a) for name, a in right.params.items())]
        for tensor, array in pairs:
            assert isinstance(tensor, torch.Tensor)
            np.testing.assert_allclose(tensor.cpu().numpy(), array, rtol=1e-4, atol=1e-5)
    if masked_output == "zero" and torch.cuda.get_device_capability() >= (9, 0):
        assert tape.ran_on.startswith("cuda: tier D"), tape.ran_on


def of_tensors() -> Iterator[str]:
    """Check tensors of torch."""
    import torch

    yield check_tensors()
    yield check_streams(torch)
    yield from check_repeated(lambda a: torch.as_tensor(a, device="cuda"), lambda a: a.cpu().numpy(), (40, 256, 600))


def of_numbas_arrays() -> Iterator[str]:
    """Check arrays of Numba's that come again."""
    from numba import cuda

    yield from check_repeated(cuda.to_device, lambda a: a.copy_to_host(), (40, 256))


def of_extremes() -> Iterator[str]:
    """Check numbers of any size."""
    yield from check_extremes((24, 256))


def of_kernels(cell: str, size: str) -> Iterator[str]:
    """Run every case of the table once, so that its kernels are compiled and kept."""
    import torch
    from gpu_table import CASES, ours, set_tf32

    set_tf32(torch, False)
    cases = [case for case in CASES if case[:2] == (cell, int(size))]
    for case in cases:
        _, worst, (forward, _) = ours(torch, case)
        forward()
        assert worst < 1e-4, f"{case}: {worst:.1e} off torch's"
    yield f"kernels: {cell} H {size}: {len(cases)} cases of the table run"


OTHERS = {"tensors": of_tensors, "repeated": of_numbas_arrays, "extremes": of_extremes, "kernels": of_kernels}
"""Checks that are not of a cell, a type and a size."""


def main() -> None:
    """Run one check and print its lines."""
    device = Checked()
    devices.device = lambda: device  # type: ignore[assignment]
    if (other := OTHERS.get(sys.argv[1])) is not None:
        for line in other(*sys.argv[2:]):
            print(line)
        return
    cell, dtype, size = sys.argv[1:]
    for line in check(device, cell, dtype, int(size), (1, 5), 12):
        print(line)


if __name__ == "__main__":
    main()
