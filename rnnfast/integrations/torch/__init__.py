"""PyTorch: recurrent layers of existing models run by rnnfast, and modules that have what PyTorch's lack.

>>> import torch
>>> import rnnfast.integrations.torch as rft
>>> model = rft.accelerate(torch.nn.Sequential(torch.nn.LSTM(3, 4)))
>>> rft.report(model)
{}
"""

from rnnfast.integrations.torch import copies, dynamo, flops
from rnnfast.integrations.torch.accelerate import accelerate, accelerated, restore
from rnnfast.integrations.torch.building import build, load
from rnnfast.integrations.torch.freeze import freeze
from rnnfast.integrations.torch.imports import when_imported
from rnnfast.integrations.torch.modules import GRU, LSTM, RNN
from rnnfast.integrations.torch.report import report

__all__ = ["GRU", "LSTM", "RNN", "accelerate", "accelerated", "build", "freeze", "report", "restore"]

copies.install()
when_imported(dynamo.DYNAMO, dynamo.tell)
when_imported(flops.COUNTER, flops.tell)
load()
