"""How much faster the demo's training runs than the same net in PyTorch: both in one run, in alternating slices."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

import rnnfast
from rnnfast.examples.blas import one_blas_thread
from rnnfast.examples.char_model import CharModel
from rnnfast.examples.text_source import text_batches
from rnnfast.examples.torch_model import TorchTrainer
from rnnfast.examples.training import BATCH, STEPS, Trainer
from rnnfast.problem import Array

SLICES = 6
SLICE_SECONDS = 1.0
Step = Callable[[Array, Array], float]


@dataclass(frozen=True)
class TorchComparison:
    """Characters learned from per second, medians over the slices, on so many threads each."""

    ours: float
    torch: float
    threads: int

    @property
    def ratio(self) -> float:
        """Return how many times faster ours is."""
        return self.ours / self.torch


def compare_training(model: CharModel, codes: Array, seconds: float = SLICE_SECONDS) -> TorchComparison:
    """Train this model, which changes it, and its copy in PyTorch in turn, for so many seconds at a time.

    The same weights to begin with, the same batches, Adam, clipping and number of threads.
    """
    threads = rnnfast.get_num_threads()
    torch.set_num_threads(threads)
    theirs, ours = TorchTrainer.of(model), Trainer(model)
    our_batches, their_batches = (text_batches(codes, BATCH, STEPS) for _ in range(2))
    speeds: list[tuple[float, float]] = []
    for _ in range(SLICES):
        with one_blas_thread():  # as the demo trains
            our_speed = _speed(ours.step, our_batches, seconds)
        speeds.append((our_speed, _speed(theirs.step, their_batches, seconds)))
    our_speeds, their_speeds = zip(*speeds, strict=True)
    return TorchComparison(statistics.median(our_speeds), statistics.median(their_speeds), threads)


def _speed(step: Step, batches: Iterator[tuple[Array, Array]], seconds: float) -> float:
    """Characters per second over one slice, after a step that wakes threads and fills caches."""
    step(*next(batches))
    start, characters = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds or not characters:
        inputs, targets = next(batches)
        step(inputs, targets)
        characters += inputs.size
    return characters / elapsed
