"""Checks the CUDA kernels on a device, then times whole calls beside cuDNN: one table, in under eight minutes.

    python bench/gpu.py [--output FILE] [--seconds N] [--jobs N]

In a clone, with rnnfast[cuda] and, to compare with, a torch that has CUDA. Every result is checked against the
reference, twice, in memory that held NaN: the second time must give the same bits. So must calls that come again and
calls on two streams at once, and numbers of any size stay within their limits. The checks run in processes of their
own, many at a time, so that kernels are compiled and kept before timing starts. Where there is no device they run on
small nets in the tests' emulator, and nothing is timed. The exit status is 1 where a check failed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

from gpu_checks import CELLS, DTYPES, SIZES, check  # noqa: E402
from gpu_ragged import ragged  # noqa: E402
from gpu_repeated import NETS, check_extremes, check_repeated  # noqa: E402
from gpu_table import CASES, table  # noqa: E402
from gpu_times import pieces  # noqa: E402

from rnnfast.backends.cuda import backend, devices  # noqa: E402


def checks(jobs: int, tensors: bool) -> Iterator[tuple[bool, str]]:
    """Run all checks in processes, so many at a time; yield whether one passed, and what it says."""
    asked = [(cell, dtype, str(size)) for size, cell, dtype in itertools.product(SIZES, CELLS, DTYPES)]
    asked[:0] = [("extremes",), ("repeated",)]
    if tensors:
        kernels = dict.fromkeys(("kernels", cell, str(size)) for cell, size, _, _ in CASES)
        asked[:0] = [*sorted(kernels, key=lambda words: -int(words[2])), ("tensors",)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    def one(words: tuple[str, ...]) -> tuple[bool, str]:
        command = [sys.executable, str(HERE / "gpu_checks.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode == 0:
            return True, done.stdout.strip()
        last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
        return False, f"FAILED {' '.join(words)}: {' / '.join(last)}"

    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(one, words) for words in asked]):
            yield future.result()


def cuda_torch() -> Any:
    """Return torch, if it is installed and sees the device."""
    try:
        import torch
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def on_the_emulator() -> None:
    """Check small nets of every cell."""
    from device_memory import EmulatedArray, in_place_of_the_device
    from ptx_device import PtxDevice

    print(f"{backend.reason()}: small nets in the emulator")
    emulator = PtxDevice()
    with in_place_of_the_device(emulator):
        for cell, dtype in itertools.product(CELLS, DTYPES):
            for line in check(emulator, cell, dtype, 3, (2,), 3):
                print(line, flush=True)
        repeated = check_repeated(EmulatedArray, lambda a: a.memory.copy(), (6,), NETS[1:3], rounds=4)
        for line in itertools.chain(repeated, check_extremes((6,), steps=2)):
            print(line, flush=True)


def main() -> None:
    """Check, measure, and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=HERE / "results" / "gpu.txt", help="where the table goes")
    add("--seconds", type=float, default=450, help="after which no further case is timed (default: 450)")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="checks at a time (default: as many as processors)")
    options = parser.parse_args()
    if backend.reason() is not None:
        on_the_emulator()
        return
    start, torch, failed = time.monotonic(), cuda_torch(), 0
    peer = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}" if torch else "no torch with CUDA here"
    with options.output.open("w", encoding="utf-8") as file:

        def show(line: str) -> None:  # at once: what was found stays, whatever happens next
            print(line, flush=True)
            print(line, file=file, flush=True)

        show(f"{devices.device().name}; {peer}")
        for passed, line in checks(options.jobs, torch is not None):
            failed += not passed
            show(line)
        show(f"{failed} checks failed; {time.monotonic() - start:.0f} s")
        if torch:
            for line in (*pieces(torch), ""):
                show(line)
            for line in itertools.chain(table(torch, start + options.seconds), [""], ragged(torch)):
                show(line)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
