"""A model with recurrent layers trained on a share of every batch: one process of several, or the only one.

    python data_parallel.py RANK PROCESSES FOLDER

writes the weights that it ends with into the folder, where the processes also find each other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

import rnnfast.integrations.torch as rft

ROWS, STEPS, FEATURES, UPDATES = 8, 11, 6, 5


class Model(nn.Module):
    """A linear layer, a GRU of two layers, a bidirectional LSTM and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(FEATURES, 10)
        self.gru = nn.GRU(10, 12, 2, batch_first=True)
        self.lstm = nn.LSTM(12, 7, batch_first=True, bidirectional=True)
        self.head = nn.Linear(14, 1)

    def forward(self, x: Any) -> Any:
        y, _ = self.gru(self.before(x))
        return self.head(self.lstm(y)[0])


def train(rank: int = 0, processes: int = 1, *, accelerated: bool = True) -> dict[str, Any]:
    """Return the weights after some updates, made of every row or, of several processes, of this one's."""
    torch.manual_seed(0)
    model = Model()
    if accelerated:
        rft.accelerate(model)
    trained: Any = model if processes == 1 else nn.parallel.DistributedDataParallel(model)
    sgd = torch.optim.SGD(trained.parameters(), 0.5, momentum=0.9)
    for _ in range(UPDATES):
        x, target = torch.randn(ROWS, STEPS, FEATURES), torch.randn(ROWS, STEPS, 1)
        sgd.zero_grad()
        loss = nn.functional.mse_loss(trained(x[rank::processes]), target[rank::processes])
        loss.backward()
        sgd.step()
    return model.state_dict()


def main(rank: int, processes: int, folder: Path) -> None:
    """Train as one of several processes."""
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    meeting = (folder / "meeting").as_uri()
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    torch.save(train(rank, processes), folder / f"weights{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
