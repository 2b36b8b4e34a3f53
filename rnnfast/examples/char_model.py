"""A character-level language model: an embedding, a recurrent net and a linear head over an alphabet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.checks.values import positive
from rnnfast.examples.errors import UserError
from rnnfast.examples.text_source import Alphabet
from rnnfast.problem import Array

CELLS = {"lstm": rnnfast.LSTM, "gru": rnnfast.GRU, "rnn": rnnfast.RNN}
"""The recurrent nets to choose from."""
EVALUATION_STEPS = 1000


class CharModel:
    """Predicts every next character of a text. All its numbers are float32; `parameters` maps names to live arrays."""

    def __init__(
        self,
        alphabet: Alphabet,
        *,
        cell: str = "lstm",
        hidden: int = 256,
        layers: int = 1,
        embedding: int = 64,
        seed: int = 0,
        backend: str | None = None,
    ) -> None:
        self.alphabet, self.cell, self.layers = alphabet, cell, layers
        self.embedding = nn.Embedding(len(alphabet), embedding, seed=seed)
        self.recurrent: Any = CELLS[cell](embedding, hidden, layers, seed=seed + 1, backend=backend)
        self.head = nn.Linear(hidden, len(alphabet), seed=seed + 2)
        self.parameters = nn.named(
            embedding=self.embedding.parameters, recurrent=self.recurrent.parameters, head=self.head.parameters
        )

    def gradients(self, inputs: Array, targets: Array, state: Any = None) -> tuple[float, Any, dict[str, Array]]:
        """Mean cross-entropy in nats of codes (T, B), the state after them, and the parameters' gradients by name."""
        embedded, embedding_tape = self.embedding.record(inputs)
        y, state, recurrent_tape = self.recurrent.record(embedded, state)
        logits, head_tape = self.head.record(y)
        loss, d_logits = nn.cross_entropy(logits, targets, out=logits)
        head = head_tape.backward(d_logits)
        recurrent = recurrent_tape.backward(head.x)
        embedding = embedding_tape.backward(recurrent.x)
        return loss, state, nn.named(embedding=embedding.params, recurrent=recurrent.params, head=head.params)

    def bits_per_character(self, codes: Array) -> float:
        """Mean bits that the model needs for each of these codes but the first, read as one sequence."""
        net, nats = nn.Carried(self.recurrent.freeze()), 0.0
        for inputs, targets in nn.chunks(codes[:-1], codes[1:], steps=EVALUATION_STEPS):
            y = net(self.embedding(inputs[:, None]))
            nats += nn.cross_entropy(self.head(y[:, 0]), targets)[0] * len(targets)
        return nats / (len(codes) - 1) / math.log(2)

    def generate(self, prompt: str, length: int, *, temperature: float = 1.0, seed: int = 0) -> str:
        """Text of so many characters that goes on from the prompt, drawn from softmax(logits / temperature)."""
        *before, last = self.alphabet.encode(prompt)
        stream = self.recurrent.stream(batch=1)
        for code in before:
            stream.step(self.embedding([code]))
        rng = np.random.default_rng(seed)
        return self.alphabet.decode(self.sample(stream.state, int(last), length, temperature=temperature, rng=rng))

    def sample(
        self, h: Any, seed: int, n: int, *, temperature: float = 1.0, rng: np.random.Generator | None = None
    ) -> Array:
        """The codes (n,) of characters drawn one by one from softmax(logits / temperature).

        They follow the character whose code is `seed`, read in the state h (L, 1, H), for the LSTM (h, c): what stands
        there after the text before it, None for zeros. `rng` draws; None: another sample every time.
        """
        temperature = positive("temperature", temperature)
        rng, stream = np.random.default_rng() if rng is None else rng, self.recurrent.stream(batch=1)
        if h is not None:
            stream.state = h
        codes, code = np.empty(n, np.int64), seed
        for i in range(n):
            logits = self.head(stream.step(self.embedding([code])))[0].astype(np.float64)
            with np.errstate(over="ignore"):  # near temperature 0: -inf, whose exp is 0
                cumulative = np.cumsum(np.exp((logits - logits.max()) / temperature))
            codes[i] = code = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        return codes

    def save(self, path: Path) -> None:
        """Write the parameters, the alphabet and what `load` needs to build the net again to one .npz file."""
        sizes = {"width": self.embedding.embedding_dim, "hidden": self.recurrent.net.hidden_size, "layers": self.layers}
        nn.save(path, **self._parts, **sizes, cell=self.cell, alphabet=self.alphabet.points)

    @property
    def _parts(self) -> dict[str, Any]:
        return {"embedding": self.embedding, "recurrent": self.recurrent, "head": self.head}

    @classmethod
    def load(cls, path: Path, *, backend: str | None = None) -> CharModel:
        """The model that `save` wrote. UserError if the file cannot be read or is something else."""
        try:
            shape = nn.load(path, strict=False)
            alphabet, embedding = Alphabet(shape.pop("alphabet")), shape.pop("width")
            model = cls(alphabet, embedding=embedding, backend=backend, **shape)
            nn.load(path, **model._parts)
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise UserError(f"{path} is not a model that the demo saved: name a model.npz") from None
        return model
