"""A language model in plain PyTorch, and the demo's training step for it: what rnnfast's own speed is held against."""

from __future__ import annotations

from typing import Any

import torch

from rnnfast.examples.char_model import CharModel
from rnnfast.examples.training import LEARNING_RATE, MAX_NORM
from rnnfast.problem import Array

KINDS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


class LanguageModel(torch.nn.Module):
    """An embedding, a recurrent net and a linear head over an alphabet."""

    def __init__(self, letters: int, *, embedding: int, hidden: int, layers: int = 1, cell: str = "lstm") -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(letters, embedding)
        self.recurrent = KINDS[cell](embedding, hidden, layers)
        self.head = torch.nn.Linear(hidden, letters)

    def forward(self, codes: Any, state: Any = None) -> Any:
        """Return logits (T, B, letters) of what follows codes (T, B), and the state after them."""
        y, state = self.recurrent(self.embedding(codes), state)
        return self.head(y), state

    def loss(self, codes: Any, targets: Any, state: Any = None) -> Any:
        """Return the mean cross-entropy in nats of targets (T, B), and the state after them."""
        logits, state = self(codes, state)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()), state


class TorchTrainer:
    """Changes a model's parameters step by step, the gradient clipped, the state carried over without its gradient."""

    def __init__(self, net: LanguageModel, optimiser: torch.optim.Optimizer, max_norm: float = MAX_NORM) -> None:
        self.net, self.optimiser, self.max_norm = net, optimiser, max_norm
        self.state: Any = None

    @classmethod
    def of(cls, model: CharModel) -> TorchTrainer:
        """Make one as the demo trains, of a net with the weights of a model of the demo."""
        letters, embedding = model.parameters["embedding.weight"].shape
        hidden = model.parameters["head.weight"].shape[1]
        net = LanguageModel(letters, embedding=embedding, hidden=hidden, layers=model.layers, cell=model.cell)
        net.load_state_dict({name: torch.from_numpy(array) for name, array in model.parameters.items()})
        return cls(net, torch.optim.Adam(net.parameters(), LEARNING_RATE))

    def step(self, inputs: Array, targets: Array) -> float:
        """Learn from codes (T, B) and the codes that follow them; the mean cross-entropy in nats."""
        loss, state = self.net.loss(torch.from_numpy(inputs), torch.from_numpy(targets), self.state)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.max_norm)
        self.optimiser.step()
        self.state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        return float(loss.item())
