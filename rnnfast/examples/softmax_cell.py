"""The smallest recurrent classifier, one step at a time: both the new state and the output from [x_t, h_{t-1}].

h_t = W_h [x_t, h_{t-1}] + b_h, linear, without tanh, and log p_t = log_softmax(W_o [x_t, h_{t-1}] + b_o). Trained by
back-propagation through time it tells words of two made-up languages apart, whose letters it reads one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.examples.languages import ALPHABET, SYLLABLES, one_hot, words
from rnnfast.problem import Array

TRAINING, HELD_OUT = 1000, 1000
HIDDEN, BATCH, EPOCHS, LEARNING_RATE = 16, 32, 15, 0.01


class SoftmaxCell:
    """A linear RNN makes the states; the output layer sees [x_t, h_{t-1}]. `parameters` maps names to live arrays.

    W_h is [weight_ih, weight_hh] of the RNN, b_h the sum of its biases.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        dtype: DTypeLike = "float32",
        seed: int = 0,
        backend: str | None = None,
    ) -> None:
        self.rnn = rnnfast.RNN(
            inputs, hidden, nonlinearity="linear", batch_first=True, dtype=dtype, seed=seed, backend=backend
        )
        self.head = nn.Linear(inputs + hidden, outputs, dtype=dtype, seed=seed + 1)
        self.log_softmax = nn.LogSoftmax()
        self.parameters = nn.named(rnn=self.rnn.parameters, head=self.head.parameters)

    def one_step(self, x: Array, h: Array) -> tuple[Array, Array]:
        """log p (B, outputs) and the new state (B, H) from x (B, I) and the state before, h (B, H)."""
        output = self.log_softmax(self.head(np.concatenate([x, h], axis=1)))
        _, new = self.rnn(x[:, None], h[None])
        return output, new[0]

    def __call__(self, x: Array, lengths: Array) -> Array:
        """log p (B, outputs) after the last letter of words x (B, T, I) of these lengths (B,), none of them 0."""
        y, _ = self.rnn(x, lengths=lengths)
        return self.log_softmax(self.head(_last(x, y, lengths)))

    def step(self, batch: tuple[nn.Padded, Array]) -> tuple[float, dict[str, Array]]:
        """Mean cross-entropy of words and their labels (B,), and the parameters' gradients: what `nn.fit` calls."""
        (x, lengths), labels = batch
        y, _, rnn_tape = self.rnn.record(x, lengths=lengths)
        logits, head_tape = self.head.record(_last(x, y, lengths))
        loss, d_logits = nn.cross_entropy(logits, labels)  # that of their log-softmax
        head = head_tape.backward(d_logits)
        d_seen: Any = head.x
        several = lengths > 1  # the state before the only letter of a word is zeros, whatever the parameters
        dy = np.zeros_like(y)
        dy[several, lengths[several] - 2] = d_seen[several, x.shape[2] :]
        rnn = rnn_tape.backward(dy, need_x=False)
        return loss, nn.named(rnn=rnn.params, head=head.params)


def _last(x: Array, y: Array, lengths: Array) -> Array:
    """[x_t, h_{t-1}] (B, I + H) at every word's last letter t, from letters x (B, T, I) and states y (B, T, H)."""
    rows, last = np.arange(len(x)), lengths - 1
    before = np.where(last[:, None] > 0, y[rows, last - 1], y.dtype.type(0))
    return np.concatenate([x[rows, last], before], axis=1)


@dataclass(frozen=True)
class Result:
    """The trained cell, the history of its training, and the shares of words told right."""

    cell: SoftmaxCell
    history: nn.History
    training: float
    held_out: float


def learn(*, epochs: int = EPOCHS, seed: int = 0, backend: str | None = None, progress: bool = True) -> Result:
    """Train on some words and tell the language of others."""
    texts, labels = words(TRAINING + HELD_OUT, np.random.default_rng(seed))
    vectors = [one_hot(text) for text in texts]
    cell = SoftmaxCell(len(ALPHABET), HIDDEN, len(SYLLABLES), seed=seed, backend=backend)
    loader = nn.Loader(vectors[:TRAINING], labels[:TRAINING], batch_size=BATCH, seed=seed)
    adam = nn.Adam(cell.parameters, LEARNING_RATE)
    history = nn.fit(cell.step, loader, adam, epochs=epochs, max_norm=1.0, progress=progress)
    right = cell(*nn.pad(vectors)).argmax(axis=1) == labels
    return Result(cell, history, float(right[:TRAINING].mean()), float(right[TRAINING:].mean()))


def read(cell: SoftmaxCell, word: str) -> Array:
    """The probabilities of the languages (letters, 2) after every letter of a word, stepped."""
    h, seen = np.zeros((1, cell.rnn.net.hidden_size), cell.rnn.net.dtype), []
    for x in one_hot(word):
        output, h = cell.one_step(x[None], h)
        seen.append(np.exp(output[0]))
    return np.array(seen)


def show(*, backend: str, seed: int, epochs: int) -> None:
    """Train, print how many words are told right, and read two of them letter by letter."""
    print(f"{TRAINING} words, {len(ALPHABET)} letters, {HIDDEN} state units, {epochs} epochs; backend {backend}")
    result = learn(epochs=epochs, seed=seed, backend=backend)
    loss = result.history.loss
    print(f"cross-entropy {loss[0]:.3f} -> {loss[-1]:.3f} nats in {result.history.seconds:.1f} s")
    print(f"told right: {result.training:.1%} of these words, {result.held_out:.1%} of {HELD_OUT} others")
    texts, labels = words(TRAINING + HELD_OUT, np.random.default_rng(seed))
    for word, label in zip(texts[-2:], labels[-2:], strict=True):
        shares = read(result.cell, word)[:, label]
        letters = " ".join(f"{letter} {share:.2f}" for letter, share in zip(word, shares, strict=True))
        print(f"{word}, letter by letter the probability of {list(SYLLABLES)[label]}, which it is: {letters}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("softmax_cell", __doc__, epochs=EPOCHS), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
