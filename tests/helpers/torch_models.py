"""Models with recurrent layers in the manner of those that people train, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Between(nn.Module):
    """Linear, LSTM, Linear; takes and gives states."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.lstm, self.last = nn.Linear(3, 4), nn.LSTM(4, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        y, state = self.lstm(self.first(x), state)
        return self.last(y), state


class Tagger(nn.Module):
    """A tag for every word, of which it sees those before and those behind."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(11, 6), nn.Linear(10, 4)
        self.lstm = nn.LSTM(6, 5, bidirectional=True, batch_first=True)

    def forward(self, words: Tensor) -> Tensor:
        return self.last(self.lstm(self.words(words))[0])


class Stacked(nn.Module):
    """A GRU of two layers with dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.last = nn.GRU(3, 6, num_layers=2, dropout=0.5), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.gru(x)[0])


class Started(nn.Module):
    """An RNN whose initial state is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.start = nn.RNN(3, 5, nonlinearity="relu", bias=False), nn.Parameter(torch.full((1, 1, 5), 0.1))

    def forward(self, x: Tensor) -> Any:
        return self.rnn(x, self.start.expand(1, x.shape[1], 5))


class Looped(nn.Module):
    """Step cells in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.lower, self.upper = nn.LSTMCell(3, 5), nn.GRUCell(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        lower, upper, outputs = None, None, []
        for step in x[:2]:
            lower = self.lower(step, lower)
            upper = self.upper(lower[0], upper)
            outputs.append(upper)
        return torch.stack(outputs)


def numbers(steps: int, batch: int) -> Tensor:
    """Return an input (T, B, 3)."""
    return torch.randn(steps, batch, 3)


def words(steps: int, batch: int) -> Tensor:
    """Return an input (B, T) of whole numbers."""
    return torch.randint(11, (batch, steps))


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[int, int], Tensor]]] = {
    "between": (Between, numbers),
    "tagger": (Tagger, words),
    "stacked": (Stacked, numbers),
    "started": (Started, numbers),
    "looped": (Looped, numbers),
}
"""Models, and what makes their inputs."""


def outputs_of(result: Any) -> list[Tensor]:
    """Return the tensors in what a model gave."""
    return [result] if isinstance(result, Tensor) else [tensor for part in result for tensor in outputs_of(part)]


def trained(model: Callable[..., Any], parameters: list[Tensor], *arguments: Any, seed: int = 3) -> list[Tensor]:
    """Return a model's outputs and all gradients, of parameters and of inputs that need them, after seeding dropout."""
    torch.manual_seed(seed)
    outputs = outputs_of(model(*arguments))
    leaves = [*parameters, *(tensor for tensor in outputs_of(arguments) if tensor.requires_grad)]
    gradients = torch.autograd.grad(sum((output**2).sum() for output in outputs), leaves)
    return [output.detach() for output in outputs] + [*gradients]
