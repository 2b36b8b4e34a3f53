"""Sequences to numbers: a recurrent net with a linear head on its last step or on every step."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnfast import nn
from rnnfast.problem import Array


class Regressor:
    """Predicts (B, outputs), or with `every_step` (B, T, outputs), from x (B, T, I).

    recurrent: an RNN, LSTM or GRU with batch_first=True, whose dtype all arrays have.
    `parameters` maps names to live arrays.
    """

    def __init__(self, recurrent: Any, outputs: int = 1, *, every_step: bool = False, seed: int = 0) -> None:
        self.recurrent, self.every_step = recurrent, every_step
        features = recurrent.net.hidden_size * recurrent.net.num_directions
        self.head = nn.Linear(features, outputs, dtype=recurrent.net.dtype, seed=seed)
        self.parameters = nn.named(recurrent=recurrent.parameters, head=self.head.parameters)

    def __call__(self, x: Array) -> Array:
        """The predictions for x."""
        y, _ = self.recurrent(x)
        return self.head(y if self.every_step else y[:, -1])

    def step(self, batch: tuple[Array, Array]) -> tuple[float, dict[str, Array]]:
        """Mean squared error of a batch of x and targets, and the parameters' gradients: what `nn.fit` calls."""
        x, targets = batch
        y, _, recurrent_tape = self.recurrent.record(x)
        predictions, head_tape = self.head.record(y if self.every_step else y[:, -1])
        loss, d_predictions = nn.mse(predictions, targets)
        head = head_tape.backward(d_predictions)
        dy = head.x
        if not self.every_step:
            dy = np.zeros_like(y)
            dy[:, -1] = head.x
        recurrent = recurrent_tape.backward(dy, need_x=False)
        return loss, nn.named(recurrent=recurrent.params, head=head.params)
