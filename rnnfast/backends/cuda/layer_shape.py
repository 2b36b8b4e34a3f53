"""The shape of one layer and direction: its sizes, the tier that it runs on, its launches."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast.backends.cuda.device import Device
from rnnfast.backends.cuda.driver.launch import Launch
from rnnfast.backends.cuda.dropout import has_input_dropout
from rnnfast.backends.cuda.shapes import CELLS
from rnnfast.backends.cuda.tiers import without_clusters
from rnnfast.problem import Problem


class LayerShape:
    """Layer-direction k of a net, B, H and what follows from these."""

    def __init__(self, device: Device, problem: Problem, k: int) -> None:
        self.k, self.cell = k, CELLS[problem.cell]
        self.batch, self.size, self.dtype = problem.batch, problem.hidden_size, problem.dtype
        self.columns = problem.weight_ih[k].shape[1]
        self.width, self.inputs = self.cell.slots * self.size, self.cell.inputs * self.size
        self.tier = without_clusters(device.limits, self.cell, self.size, self.dtype.itemsize, self.batch)
        self.gate_of = device.constant(self.cell.gate_of, np.dtype("int64"))
        self.launches: dict[Any, Launch] = {}
        """Of the kernels of whole time loops, by what makes them."""
        self.has_input_dropout, self.has_mask = has_input_dropout(problem, k), problem.recurrent_dropout > 0

    @property
    def sizes(self) -> tuple[int, int]:
        """B and H."""
        return self.batch, self.size

    @property
    def counters(self) -> int:
        """The numbers that hold the counters of a group each."""
        return -(-4 * self.tier.groups // self.dtype.itemsize)
