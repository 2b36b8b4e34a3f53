"""Checks the CUDA kernels on a device, then times them beside cuDNN: one table, in under eight minutes.

    python bench/gpu.py [--output FILE]

In a clone, with rnnfast[cuda] and, to compare with, a torch that has CUDA. Every result is checked against the
reference, twice, in memory that held NaN: the second time must give the same bits. Where there is no device the checks
run on small nets in the tests' emulator, and nothing is timed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "helpers"))

from agreement import assert_agrees  # noqa: E402
from gpu_table import table  # noqa: E402
from support import Spec, make_problem, run  # noqa: E402

import rnnfast  # noqa: E402
from rnnfast.backends.cuda import backend as numba_cuda  # noqa: E402
from rnnfast.backends.cuda import devices  # noqa: E402
from rnnfast.backends.cuda.device import Device  # noqa: E402
from rnnfast.backends.cuda.shapes import CELLS as KERNELS  # noqa: E402
from rnnfast.backends.cuda.tiers import choose  # noqa: E402

CELLS = ("rnn_tanh", "rnn_relu", "rnn_linear", "lstm", "gru", "gru_before")
RAGGED = {"lengths": True, "mask": True, "resets": True, "recurrent_dropout": 0.3, "directions": 2}
BUDGET = 450.0
"""Seconds from the beginning after which no further case is timed."""


class Checked(Device):
    """A device whose new memory holds NaN while it is checked: what a kernel should have written is seen."""

    poisons = True

    def new(self, shape: tuple[int, ...], dtype: Any, stream: int) -> Any:
        """Return a new array that holds NaN."""
        if not self.poisons:
            return super().new(shape, dtype, stream)
        return self.upload(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -7, dtype), stream)


def check(device: Any, sizes: tuple[int, ...], batches: tuple[int, ...], steps: int) -> Iterator[str]:
    """Check every cell, type and size, dense and ragged, against the reference and itself on every tier; say so."""
    limits = device.limits
    for cell, dtype, size in itertools.product(CELLS, ("float32", "float64"), sizes):
        nets = list(itertools.product([size], batches, ({}, RAGGED)))
        without = replace(limits, capability=min(limits.capability, (8, 9)))  # clusters
        said = set[str]()
        for device.limits in (limits, without, replace(without, words=(1,)))[: 3 if size == sizes[0] else 2]:
            tier = choose(device.limits, KERNELS[cell], size, np.dtype(dtype).itemsize, max(batches)).name
            if tier not in said:
                yield f"tier {tier}: {cell} {dtype} H {size}: {agree(cell, dtype, nets, steps)} nets agree, twice"
            said.add(tier)
        device.limits = limits


def agree(cell: str, dtype: str, nets: Sequence[tuple[int, int, dict[str, Any]]], steps: int) -> int:
    """Return how many of these nets agree with the reference, and to the bit with themselves: all.

    Raises AssertionError where one does not.
    """
    for size, batch, options in nets:
        spec = Spec(cell, steps, batch, 24, size, **options)
        first, second = (run(numba_cuda, make_problem(spec, dtype)) for _ in range(2))
        assert_agrees(first, spec, dtype)
        different = [name for name, a in first.items() if not np.array_equal(a, second[name], equal_nan=True)]
        if different:
            raise AssertionError(f"{spec} {dtype}: a second run gave other bits in {', '.join(different)}")
    return len(nets)


def check_tensors(torch: Any) -> str:
    """Check tensors in and out, forward on one stream and backward on another, against NumPy's arrays; say so."""
    rng, streams = np.random.default_rng(1), [torch.cuda.Stream() for _ in range(2)]
    net = rnnfast.LSTM(24, 96, 2, bidirectional=True, batch_first=True, masked_output="hold", dropout=0.3, seed=1)
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
    return "tensors of torch: strided, on two streams, agree with NumPy's arrays, three times"


def cuda_torch() -> Any:
    """Return torch, if it is installed and sees the device."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def main() -> None:
    """Check, measure, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "gpu.txt", help="where the table goes")
    output = parser.parse_args().output
    if (reason := numba_cuda.reason()) is not None:
        from ptx_device import PtxDevice

        print(f"{reason}: small nets in the emulator")
        emulator = PtxDevice()
        devices.device = lambda: emulator  # type: ignore[assignment,return-value]
        for line in check(emulator, (3, 9), (2,), 3):
            print(line)
        return
    start, device, torch = time.monotonic(), Checked(), cuda_torch()
    devices.device = lambda: device  # type: ignore[assignment]
    peer = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if torch else "no torch with CUDA here"
    with output.open("w", encoding="utf-8") as file:  # line by line: what was found stays, whatever happens next
        for line in (device.name, peer):
            show(line, file)
        for line in check(device, (17, 200), (1, 5), 12):
            show(f"{time.monotonic() - start:5.0f} s  {line}", file)
        if torch:
            show(check_tensors(torch), file)
        device.poisons = False
        for line in table(torch, start + BUDGET):
            show(line, file)


def show(line: str, file: TextIO) -> None:
    """Write a line to the terminal and to the file, at once."""
    for to in (sys.stdout, file):
        print(line, file=to, flush=True)


if __name__ == "__main__":
    main()
