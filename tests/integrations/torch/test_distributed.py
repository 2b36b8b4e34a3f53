"""Training on several processes: DistributedDataParallel around an accelerated model."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import python

pytest.importorskip("torch", reason="torch is not installed")

import data_parallel
import torch
from torch import distributed
from torch_layers import EITHER_ROUTE

PROCESSES = 2


@EITHER_ROUTE
@pytest.mark.skipif(not distributed.is_available() or not distributed.is_gloo_available(), reason="torch has no gloo")
def test_two_processes_train_to_the_weights_of_one_with_the_whole_batch(route: str, tmp_path: Path) -> None:
    whole, plain = (data_parallel.train(accelerated=accelerated) for accelerated in (True, False))
    torch.manual_seed(0)
    before = data_parallel.Model().state_dict()
    children = [
        python(tmp_path, data_parallel.__file__, str(rank), str(PROCESSES), str(tmp_path)) for rank in range(PROCESSES)
    ]
    for child in children:
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors
    for rank in range(PROCESSES):
        weights = torch.load(tmp_path / f"weights{rank}.pt")
        assert weights.keys() == whole.keys()
        for name, weight in weights.items():
            torch.testing.assert_close(weight, whole[name], rtol=0, atol=1e-6)
            torch.testing.assert_close(weight, plain[name], rtol=0, atol=1e-5)
            assert (weight - before[name]).abs().max() > 1e-4, name
