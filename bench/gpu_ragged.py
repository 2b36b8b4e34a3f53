"""Rows that end at different steps, beside rows that do not: what of the time is saved of what need not be done."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from gpu_times import until_it_is_done

import rnnfast


def ragged(torch: Any, size: int = 256) -> Iterator[str]:
    """Yield lines: microseconds until calls are done, forward and training, lengths drawn from 1 to T."""
    rng, wait = np.random.default_rng(0), torch.cuda.synchronize
    yield f"H {size}, lengths from 1 to T at random: fill, the part of steps that are live; times dense, ragged, and"
    yield "ragged over fill x dense | the same for training"
    for cell, steps, batch in itertools.product(("LSTM", "GRU"), (64, 512), (32, 128, 256)):
        net = getattr(rnnfast, cell)(size, size, seed=1).to("cuda")
        x, dy = (torch.randn(steps, batch, size, device="cuda") for _ in range(2))
        lengths = rng.integers(1, steps + 1, batch)
        fill = lengths.mean() / steps
        line = f"{cell:5} T{steps:4} B{batch:4}  fill {fill:.2f}"
        for work in (lambda given: net(x, **given), lambda given: net.record(x, **given)[2].backward(dy)):  # noqa: B023
            times = []
            for given in ({}, {"lengths": lengths}):
                for _ in range(4):
                    work(given)
                times.append(until_it_is_done(lambda: work(given), wait, 20))  # noqa: B023
            line += f" |{times[0]:7.0f}{times[1]:7.0f}{times[1] / times[0] / fill:6.2f}"
        yield line
