"""Back-propagation through time written out, for a tanh RNN that predicts the next of a list of integers, beside ours.

The system of many tutorials: one-hot inputs, softmax cross-entropy at every step, summed, and gradients clipped to ±5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.problem import Array

CLIP = 5.0
TEXT = "to be or not to be, that is the question: "
HIDDEN, EPOCHS, LEARNING_RATE = 32, 300, 0.01
Found = tuple[float, dict[str, Array], Array]
"""The loss in nats, summed over the steps, the parameters' clipped gradients by name, and h after the last step."""


class Model:
    """An RNN over `symbols` one-hot inputs and a linear head on its every output; all its numbers are float64."""

    def __init__(self, symbols: int, hidden: int, *, seed: int = 0, backend: str | None = None) -> None:
        self.symbols, self.hidden = symbols, hidden
        self.rnn = rnnfast.RNN(symbols, hidden, dtype="float64", seed=seed, backend=backend)
        self.head = nn.Linear(hidden, symbols, dtype="float64", seed=seed + 1)
        self.parameters = nn.named(rnn=self.rnn.parameters, head=self.head.parameters)

    def gradients(self, inputs: Sequence[int], targets: Sequence[int], h: Array) -> Found:
        """Return what rnnfast makes of a sequence, from the state h (H,)."""
        y, h_n, tape = self.rnn.record(np.eye(self.symbols)[np.asarray(inputs)], h[None])
        logits, head_tape = self.head.record(y)
        mean, d_logits = nn.cross_entropy(logits, np.asarray(targets))
        head = head_tape.backward(d_logits * len(inputs))
        grads = nn.named(rnn=tape.backward(head.x, need_x=False).params, head=head.params)
        nn.clip_grad_value(grads, CLIP)
        return mean * len(inputs), grads, h_n[0]


def by_hand(parameters: Mapping[str, Array], inputs: Sequence[int], targets: Sequence[int], h: Array) -> Found:
    """Return what `Model.gradients` does, by one step after another, forward and then back."""
    w_ih, w_hh, b_ih, b_hh = (parameters[f"rnn.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    w_out, b_out = parameters["head.weight"], parameters["head.bias"]
    loss, states, probabilities = 0.0, [h], []
    for code, target in zip(inputs, targets, strict=True):
        states.append(np.tanh(w_ih[:, code] + b_ih + w_hh @ states[-1] + b_hh))  # a one-hot input picks a column
        logits = w_out @ states[-1] + b_out
        e = np.exp(logits - logits.max())
        probabilities.append(e / e.sum())
        loss -= float(np.log(probabilities[-1][target]))

    grads = {name: np.zeros_like(parameter) for name, parameter in parameters.items()}
    d_h = np.zeros_like(h)  # of the state after step t, from the steps behind it
    for t in reversed(range(len(inputs))):
        d_logits = probabilities[t].copy()
        d_logits[targets[t]] -= 1
        grads["head.weight"] += np.outer(d_logits, states[t + 1])
        grads["head.bias"] += d_logits
        d_h = d_h + w_out.T @ d_logits
        d_sum = d_h * (1 - states[t + 1] ** 2)
        grads["rnn.weight_ih_l0"][:, inputs[t]] += d_sum
        grads["rnn.weight_hh_l0"] += np.outer(d_sum, states[t])
        grads["rnn.bias_ih_l0"] += d_sum
        grads["rnn.bias_hh_l0"] += d_sum
        d_h = w_hh.T @ d_sum
    for grad in grads.values():
        np.clip(grad, -CLIP, CLIP, out=grad)
    return loss, grads, states[-1]


def encode(text: str) -> tuple[list[int], int]:
    """The text's characters as integers 0.. in the order of the alphabet, and how many different ones there are."""
    alphabet = sorted(set(text))
    return [alphabet.index(character) for character in text], len(alphabet)


def learn(model: Model, codes: Sequence[int], epochs: int) -> tuple[float, float]:
    """Learn a text, as a ring and as one sequence, by heart; its loss in nats a character before and after."""
    inputs, targets, h = codes, [*codes[1:], codes[0]], np.zeros(model.hidden)
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    before = model.gradients(inputs, targets, h)[0]
    for _ in range(epochs):
        adam.step(model.gradients(inputs, targets, h)[1])
    return before / len(codes), model.gradients(inputs, targets, h)[0] / len(codes)


def show(*, backend: str, seed: int, epochs: int) -> None:
    """Compare every gradient, then learn with them."""
    codes, symbols = encode(TEXT)
    model = Model(symbols, HIDDEN, seed=seed, backend=backend)
    print(f"RNN of {HIDDEN} tanh units on {len(codes)} characters, {symbols} different ones; backend {backend}")
    _compare(model, codes, "before")
    before, after = learn(model, codes, epochs)
    print(f"{epochs} epochs of Adam: loss {before:.3f} -> {after:.3f} nats a character")
    _compare(model, codes, "after")


def _compare(model: Model, codes: Sequence[int], when: str) -> None:
    call = codes[:-1], codes[1:], np.zeros(model.hidden)
    start = time.perf_counter()
    _, expected, _ = by_hand(model.parameters, *call)
    middle = time.perf_counter()
    _, grads, _ = model.gradients(*call)
    ours = time.perf_counter() - middle
    print(f"largest difference of each gradient {when} training (by hand {middle - start:.1e} s, here {ours:.1e} s):")
    for name, grad in grads.items():
        print(f"  {name:16} {np.abs(grad - expected[name]).max():.1e}, the largest entry {np.abs(grad).max():.1e}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("bptt_by_hand", __doc__, epochs=EPOCHS), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
