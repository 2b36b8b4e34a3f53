"""Sentiment: an embedding, a bidirectional GRU of two layers, the mean over the words, and whether they are in favour.

The sentences come from a grammar with negation (`rnnfast.examples.opinions`); those held out are none of those learned
from. A bag of words, logistic regression on how often each word occurs, is trained beside it: order is what it cannot
see. With --vectors the embedding begins with known vectors, which training goes on to change.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.examples.opinions import encode, opinions, vocabulary
from rnnfast.examples.word_vectors import read_vectors
from rnnfast.problem import Array

EMBEDDING, HIDDEN = 32, 32
LEARNING_RATE, BATCH = 5e-3, 64
LEARNED, HELD_OUT = 4000, 1000
"""Sentences to learn from, and others to be judged."""


class SentimentModel:
    """Judges sentences of word codes; `embedding` turns those into vectors. `parameters` maps names to live arrays."""

    def __init__(
        self, embedding: nn.Embedding, *, hidden: int = HIDDEN, seed: int = 0, backend: str | None = None
    ) -> None:
        size, dtype = embedding.embedding_dim, embedding.dtype
        self.embedding = embedding
        self.gru: Any = rnnfast.GRU(
            size, hidden, 2, bidirectional=True, batch_first=True, dtype=dtype, seed=seed, backend=backend
        )
        self.head = nn.Linear(2 * hidden, 2, dtype=dtype, seed=seed + 1)
        self.parameters = nn.named(embedding=embedding.parameters, gru=self.gru.parameters, head=self.head.parameters)

    def __call__(self, words: nn.Padded) -> Array:
        """Logits (B, 2), against and in favour, of padded codes (B, T), at least one word in each row."""
        y, _ = self.gru(self.embedding(words.values), lengths=words.lengths)
        return self.head(_mean(y, words))

    def step(self, batch: tuple[nn.Padded, Array]) -> tuple[float, dict[str, Array]]:
        """Mean cross-entropy in nats of words and their classes (B,), and the parameters' gradients by name."""
        words, favours = batch
        vectors, embedded = self.embedding.record(words.values)
        y, _, recurrent = self.gru.record(vectors, lengths=words.lengths)
        logits, judged = self.head.record(_mean(y, words))
        loss, d_logits = nn.cross_entropy(logits, favours)
        head = judged.backward(d_logits)
        d_word = _share(head.x, words)[:, None]  # of the mean every word has an equal share
        gru = recurrent.backward(np.broadcast_to(d_word, y.shape))  # beyond a sentence's end it is ignored
        embedding = embedded.backward(gru.x)
        return loss, nn.named(embedding=embedding.params, gru=gru.params, head=head.params)

    def accuracy(self, sentences: Sequence[Array], favours: Array) -> float:
        """The share of sentences that it judges right."""
        return float(np.mean(self(nn.pad(sentences)).argmax(axis=1) == favours))


def _mean(y: Array, words: nn.Padded) -> Array:
    """The mean of y (B, T, F) over the words: it is zero beyond a sentence's end."""
    return _share(y.sum(axis=1), words)


def _share(values: Any, words: nn.Padded) -> Array:
    """Return `values` (B, F) over the number of words in the sentence."""
    shares: Array = values / words.lengths[:, None].astype(values.dtype)
    return shares


def train(
    model: SentimentModel, sentences: Sequence[Array], favours: Array, *, epochs: int, seed: int = 0
) -> nn.History:
    """Change the model's parameters: Adam, clipped gradients, batches of like lengths, a rate that falls to zero."""
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    batches = nn.Loader(sentences, favours, batch_size=BATCH, buckets=8, seed=seed)
    schedule = nn.CosineLR(adam, epochs)
    return nn.fit(model.step, batches, adam, epochs=epochs, max_norm=1.0, schedule=schedule)


def bag_of_words(sentences: Sequence[Array], favours: Array, *, epochs: int = 30, seed: int = 0) -> nn.Linear:
    """Logistic regression on `word_counts`, logits (..., 2) against and in favour, trained on these sentences."""
    counts = word_counts(sentences)
    layer = nn.Linear(counts.shape[1], 2, seed=seed)

    def step(batch: tuple[Array, Array]) -> tuple[float, dict[str, Array]]:
        logits, tape = layer.record(batch[0])
        loss, d_logits = nn.cross_entropy(logits, batch[1])
        return loss, tape.backward(d_logits, need_x=False).params

    batches = nn.Loader(counts, favours, batch_size=BATCH, seed=seed)
    nn.fit(step, batches, nn.Adam(layer.parameters, 1e-2), epochs=epochs, progress=False)
    return layer


def word_counts(sentences: Sequence[Array]) -> Array:
    """Return how often each word of the vocabulary occurs, float32 (sentences, words)."""
    size = len(vocabulary())
    return np.stack([np.bincount(sentence, minlength=size) for sentence in sentences]).astype(np.float32)


def show(*, backend: str, seed: int, epochs: int, vectors: Path | None) -> None:
    """Train and judge as the options say, printing what comes out."""
    embedding = nn.Embedding(len(vocabulary()), EMBEDDING, seed=seed)
    if vectors is not None:
        table, known = read_vectors(vectors, vocabulary(), seed)
        print(f"{vectors}: vectors of {table.shape[1]} numbers for {known} of {len(table)} words")
        embedding = nn.Embedding.from_matrix(table)
    all_opinions = opinions(LEARNED + HELD_OUT, seed)
    sentences, favours = encode(all_opinions)
    model = SentimentModel(embedding, seed=seed, backend=backend)
    print(f"learning from {LEARNED:,} sentences, {epochs} epochs, backend {backend}", flush=True)
    history = train(model, sentences[:LEARNED], favours[:LEARNED], epochs=epochs, seed=seed)
    print(f"{history} after {history.seconds:.1f} s")
    held_out, truth = sentences[LEARNED:], favours[LEARNED:]
    judged = bag_of_words(sentences[:LEARNED], favours[:LEARNED], seed=seed)(word_counts(held_out))
    print(f"{len(held_out):,} other sentences judged right: {model.accuracy(held_out, truth):.1%}", end="")
    print(f"; by a bag of words {np.mean(judged.argmax(axis=1) == truth):.1%}")
    for opinion, logits in list(zip(all_opinions[LEARNED:], model(nn.pad(held_out)), strict=True))[:4]:
        print(f"  {'in favour' if logits.argmax() else 'against  '}  {opinion.text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("sentiment", __doc__, epochs=6)
    text = "text file with a word and its numbers on each line, as GloVe's: the embedding begins with them"
    parser.add_argument("--vectors", type=Path, metavar="FILE", help=text)
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
