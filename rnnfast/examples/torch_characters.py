"""A character model in PyTorch, in the manner of its word language model: two LSTM layers, SGD, clipped gradients."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch

from rnnfast.examples.text_source import Alphabet, read_text, split, text_batches
from rnnfast.examples.torch_model import LanguageModel, TorchTrainer
from rnnfast.examples.torch_runs import COMPARED, Run

EMBEDDING, HIDDEN, LAYERS = 200, 200, 2
BATCH, STEPS = 20, 35
LEARNING_RATE, MAX_NORM = 5.0, 0.25
"""All of the above as in that example's command line, but for a rate of 20, where rounding decides the result."""
UPDATES = 150
EVALUATED = 5_000
"""Held-out characters that are evaluated, at most."""
RESULT = "held-out perplexity"


def train(seed: int, changed: Callable[[Any], object], *, updates: int = UPDATES) -> Run:
    """Learn from Python's help text; the result is the perplexity of its end, which is held out."""
    text = read_text(None)
    alphabet = Alphabet.of(text)
    training, held_out = split(alphabet.encode(text))
    torch.manual_seed(seed)
    net = LanguageModel(len(alphabet), embedding=EMBEDDING, hidden=HIDDEN, layers=LAYERS)
    changed(net)
    trainer = TorchTrainer(net, torch.optim.SGD(net.parameters(), LEARNING_RATE), MAX_NORM)
    start = time.perf_counter()
    losses = [trainer.step(*pair) for pair in islice(text_batches(training, BATCH, STEPS), updates)]
    seconds = time.perf_counter() - start
    codes = torch.from_numpy(held_out[:EVALUATED])[:, None]
    with torch.inference_mode():
        nats = net.loss(codes[:-1], codes[1:])[0]
    return Run(tuple(losses[:COMPARED]), math.exp(nats), seconds)
