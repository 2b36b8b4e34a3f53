"""PyTorch: recurrent layers of existing models run by rnnfast, and modules that have what PyTorch's lack.

>>> import torch
>>> import rnnfast.integrations.torch as rft
>>> model = rft.accelerate(torch.nn.Sequential(torch.nn.LSTM(3, 4)))
>>> rft.report(model)
{}
"""

from rnnfast.integrations.torch.accelerate import accelerate, accelerated, report, restore

__all__ = ["accelerate", "accelerated", "report", "restore"]
