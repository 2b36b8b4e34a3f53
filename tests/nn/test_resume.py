"""Training that was saved and goes on in another process: the same bits as training that never stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import BACKEND

import rnnfast
from rnnfast import nn

OPTIMISERS: dict[str, Callable[[Any], nn.Optimizer]] = {
    "momentum": lambda p: nn.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: nn.Adam(p, 0.01),
    "adamw": lambda p: nn.AdamW(p, 0.01),
}
SCHEDULES: dict[str, Callable[[nn.Optimizer], Any]] = {
    "step": lambda o: nn.StepLR(o, 3, 0.5),
    "cosine": lambda o: nn.CosineLR(o, 10),
    "plateau": lambda o: nn.PlateauLR(o, 0.5, patience=1, min_delta=0.05),
}


class Training:
    """A net with every kind of dropout, a head, and batches in a new order every epoch."""

    def __init__(self, optimiser: str, schedule: str, seed: int | None) -> None:
        options = {"dropout": 0.3, "input_dropout": 0.1, "recurrent_dropout": 0.2, "num_layers": 2}
        self.net = rnnfast.LSTM(3, 8, seed=seed, backend=BACKEND, **options)
        self.dropout, self.head = nn.Dropout(0.2, seed=seed), nn.Linear(8, 1, seed=seed)
        self.parameters = nn.named(net=self.net.parameters, head=self.head.parameters)
        self.optimizer = OPTIMISERS[optimiser](self.parameters)
        self.schedule, self.history = SCHEDULES[schedule](self.optimizer), nn.History()
        rng = np.random.default_rng(1)
        x, targets = rng.standard_normal((12, 5, 3), np.float32), rng.standard_normal((12, 5, 1), np.float32)
        self.loader = nn.Loader(x, targets, batch_size=4, seed=seed)

    @property
    def parts(self) -> dict[str, Any]:
        return {name: part for name, part in self.__dict__.items() if name != "parameters"}

    def step(self, batch: Any) -> tuple[float, dict[str, np.ndarray]]:
        x, targets = (array.swapaxes(0, 1) for array in batch)
        y, _, tape = self.net.record(x)
        dropped, mask = self.dropout.record(y)
        prediction, head = self.head.record(dropped)
        loss, d_prediction = nn.mse(prediction, targets)
        top = head.backward(d_prediction)
        grads = tape.backward(mask.backward(top.x).x)
        return loss, nn.named(net=grads.params, head=top.params)

    def train(self, epochs: int) -> None:
        options: dict[str, Any] = {"schedule": self.schedule, "history": self.history, "max_norm": 1.0}
        nn.fit(self.step, self.loader, self.optimizer, epochs=epochs, progress=False, **options)


def main(optimiser: str, schedule: str, path: str) -> None:
    """Go on with what `path` holds, in a process that made its parts from other seeds."""
    training = Training(optimiser, schedule, seed=None)
    nn.load(path, **training.parts)
    training.train(5)
    nn.save(path, **training.parts)


@pytest.mark.parametrize(
    ("optimiser", "schedule", "suffix"),
    [("momentum", "step", ".npz"), ("adam", "cosine", ".safetensors"), ("adamw", "plateau", ".npz")],
)
def test_ten_epochs_are_five_and_five_more_in_another_process(
    optimiser: str, schedule: str, suffix: str, tmp_path: Path
) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"training{suffix}"
    whole, first, resumed = (Training(optimiser, schedule, seed=4) for _ in range(3))
    whole.train(10)
    first.train(5)
    nn.save(path, **first.parts)
    command = f"import test_resume; test_resume.main({optimiser!r}, {schedule!r}, {str(path)!r})"
    folders = [str(Path(__file__).parent), *sys.path]
    code = f"import sys; sys.path[:] = {folders!r}; {command}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    nn.load(path, **resumed.parts)
    assert resumed.history.loss == whole.history.loss and resumed.history.lr == whole.history.lr
    assert len(set(whole.history.loss)) == 10 and len(set(whole.history.lr)) > 1
    for name, array in whole.parameters.items():
        assert np.array_equal(array, resumed.parameters[name]), name
    assert resumed.net.dropout_seed == whole.net.dropout_seed
