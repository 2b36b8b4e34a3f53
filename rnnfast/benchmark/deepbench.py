"""The recurrent shapes of DeepBench (code/kernels/rnn_problems.h, revision da81ba7): one layer, I = H.

DeepBench leaves the input product out of its times; here it is part of the work, as it is for users, and of the flops.
Its plain RNN has relu; its GRU, said to end in relu but run with tanh, has tanh here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from rnnfast.benchmark.cases import Case, Cell, Work

Shapes = tuple[Cell, tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""A cell and its H, B and T: every combination of them."""

TRAINING: tuple[Shapes, ...] = (
    ("rnn_relu", (1760, 2048, 2560), (16, 32, 64, 128), (50,)),
    ("lstm", (512, 1024, 2048, 4096), (16, 32, 64, 128), (25,)),
    ("lstm", (1536,), (8, 16, 32), (50,)),
    ("lstm", (256,), (16, 32, 64), (150,)),
    ("gru", (2816, 2048, 1536, 2560), (32,), (1500, 750, 375, 187)),
    ("gru", (512,), (32,), (1,)),
    ("gru", (1024,), (32, 64), (1500,)),
)
SERVER: tuple[Shapes, ...] = (
    ("lstm", (512, 1024, 2048), (1, 2, 4), (25,)),
    ("lstm", (1536,), (1, 2, 4), (50,)),
    ("lstm", (256,), (1, 2, 4), (150,)),
    ("gru", (2816, 2048, 1536, 2560), (1, 2, 4), (1500, 750, 375, 187)),
    ("gru", (512,), (1, 2, 4), (1,)),
    ("gru", (1024,), (1, 2, 4), (1500,)),
)
DEVICE: tuple[Shapes, ...] = (
    ("rnn_relu", (32,), (1,), (672,)),
    ("rnn_relu", (64,), (1,), (96,)),
)
"""Without the LSTM of H 256, B 1, T 150, which is in `SERVER` too."""


def deepbench() -> Iterator[Case]:
    """The training shapes as training, those of the inference sets as forward."""
    yield from _cases(TRAINING, "training")
    yield from _cases(SERVER + DEVICE, "forward")


def _cases(table: Sequence[Shapes], work: Work) -> Iterator[Case]:
    for cell, hiddens, batches, steps in table:
        for hidden, batch, t in product(hiddens, batches, steps):
            yield Case(cell, t, batch, hidden, work)
