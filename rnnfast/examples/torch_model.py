"""The demo's character model and its training step once more, in plain PyTorch: what its speed is held against."""

from __future__ import annotations

from typing import Any

import torch

from rnnfast.examples.char_model import CharModel
from rnnfast.examples.training import LEARNING_RATE, MAX_NORM
from rnnfast.problem import Array


class TorchTrainer:
    """An embedding, a recurrent net and a linear head from `torch.nn`, with the weights of a model of the demo."""

    def __init__(self, model: CharModel) -> None:
        letters, embedding = model.parameters["embedding.weight"].shape
        hidden = model.parameters["head.weight"].shape[1]
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[model.cell]
        parts: dict[str, torch.nn.Module] = {
            "embedding": torch.nn.Embedding(letters, embedding),
            "recurrent": kind(embedding, hidden, model.layers),
            "head": torch.nn.Linear(hidden, letters),
        }
        self.net = torch.nn.ModuleDict(parts)
        self.net.load_state_dict({name: torch.from_numpy(array) for name, array in model.parameters.items()})
        self.adam = torch.optim.Adam(self.net.parameters(), LEARNING_RATE)
        self.state: Any = None

    def step(self, inputs: Array, targets: Array) -> float:
        """Learn from codes (T, B) and the codes that follow them; the mean cross-entropy in nats."""
        y, state = self.net["recurrent"](self.net["embedding"](torch.from_numpy(inputs)), self.state)
        logits = self.net["head"](y)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).flatten())
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), MAX_NORM)
        self.adam.step()
        self.state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        return float(loss.item())
