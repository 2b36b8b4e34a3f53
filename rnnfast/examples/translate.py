"""Translation: an encoder LSTM reads a string, and from its last state a decoder LSTM writes another, letter by letter.

The translation of a string of up to 12 letters is the string reversed and re-cased: "abC" becomes "cBA". Training shows
the decoder the true letters so far (teacher forcing), batches are ragged and masked; the gradient reaches the encoder
through the state alone. Strings held out, never learned from, are translated greedily and by beam search (Sutskever,
Vinyals and Le 2014).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import rnnfast
from rnnfast import nn
from rnnfast.checks.command_line import count
from rnnfast.examples import command
from rnnfast.examples.beam import State, beam_search
from rnnfast.examples.strings import LETTERS, LONGEST, MARK, decode, encode, pairs, random_strings, translation
from rnnfast.problem import Array

EMBEDDING, HIDDEN = 16, 128
LEARNING_RATE, BETAS = 1.5e-2, (0.9, 0.98)
BATCH, BATCHES = 64, 100
"""Strings in a batch, and batches in an epoch; every epoch has new strings."""
HELD_OUT = 1000

Batch = tuple[nn.Padded, nn.Padded, nn.Padded]


class Translator:
    """Learns pairs of strings as `strings.pairs` gives them. `parameters` maps names to live arrays."""

    def __init__(
        self,
        *,
        embedding: int = EMBEDDING,
        hidden: int = HIDDEN,
        dtype: DTypeLike = "float32",
        seed: int = 0,
        backend: str | None = None,
    ) -> None:
        def lstm(seed: int) -> Any:
            options: Any = {"batch_first": True, "forget_bias": 1.0, "dtype": dtype, "backend": backend}
            return rnnfast.LSTM(embedding, hidden, seed=seed, **options)

        self.source = nn.Embedding(len(LETTERS), embedding, dtype=dtype, seed=seed)
        self.target = nn.Embedding(len(LETTERS) + 1, embedding, dtype=dtype, seed=seed + 1)
        self.encoder, self.decoder = lstm(seed + 2), lstm(seed + 3)
        self.head = nn.Linear(hidden, len(LETTERS) + 1, dtype=dtype, seed=seed + 4)
        self.log_softmax = nn.LogSoftmax()
        parts = ("source", "target", "encoder", "decoder", "head")
        self.parameters = nn.named(**{part: getattr(self, part).parameters for part in parts})

    def step(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """Mean cross-entropy in nats of the letters after those before them, and the parameters' gradients by name."""
        sources, before, after = batch
        read, read_tape = self.source.record(sources.values)
        _, state, encoder_tape = self.encoder.record(read, lengths=sources.lengths)
        written, written_tape = self.target.record(before.values)
        y, _, decoder_tape = self.decoder.record(written, state, lengths=before.lengths)
        logits, head_tape = self.head.record(y)
        loss, d_logits = nn.cross_entropy(logits, after.values, mask=after.mask, out=logits)
        head = head_tape.backward(d_logits)
        decoder = decoder_tape.backward(head.x)
        encoder = encoder_tape.backward(d_state=decoder.state)
        source, target = read_tape.backward(encoder.x), written_tape.backward(decoder.x)
        params = {"source": source.params, "target": target.params, "encoder": encoder.params}
        return loss, nn.named(**params, decoder=decoder.params, head=head.params)

    def translate(self, texts: Sequence[str], *, width: int = 1) -> tuple[list[str], Array]:
        """Translations and their log-probabilities (B,), the best of so many candidates; a width of 1 is greedy."""
        sources = nn.pad([encode(text) for text in texts])
        _, state = self.encoder(self.source(sources.values), lengths=sources.lengths)
        codes, scores = beam_search(self.next, state, start=MARK, end=MARK, width=width, limit=LONGEST + 1)
        return [decode(row) for row in codes], scores

    def next(self, last: Array, state: State) -> tuple[Array, State]:
        """Log-probabilities (N, V) of the code after the last ones (N,), and the decoder's state then."""
        y, state = self.decoder(self.target(last)[:, None], state)
        return self.log_softmax(self.head(y[:, 0])), state


class FreshStrings:
    """Batches for `nn.fit`: every epoch of new strings, none of them held out."""

    def __init__(self, batches: int, seed: int) -> None:
        self.batches, self._rng = batches, np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of one epoch, each of strings of about one length."""
        texts = random_strings(self.batches * BATCH, self._rng)
        seed = int(self._rng.integers(2**32))
        return iter(nn.Loader(*pairs(texts), batch_size=BATCH, buckets=4, seed=seed))


def train(model: Translator, *, epochs: int, batches: int, seed: int = 0) -> nn.History:
    """Change the model's parameters: Adam, clipped gradients, a rate that falls to zero."""
    adam = nn.Adam(model.parameters, LEARNING_RATE, betas=BETAS)
    schedule = nn.CosineLR(adam, epochs)
    return nn.fit(model.step, FreshStrings(batches, seed), adam, epochs=epochs, max_norm=1.0, schedule=schedule)


def exact(texts: Sequence[str], translated: Sequence[str]) -> float:
    """The share of strings translated without a fault."""
    return float(np.mean([translation(text) == found for text, found in zip(texts, translated, strict=True)]))


def show(*, backend: str, seed: int, epochs: int, width: int) -> None:
    """Train and translate as the options say, printing what comes out."""
    model = Translator(seed=seed, backend=backend)
    learned = epochs * BATCHES * BATCH
    print(f"learning from {learned:,} strings, {epochs} epochs, backend {backend}", flush=True)
    history = train(model, epochs=epochs, batches=BATCHES, seed=seed)
    print(f"{history} after {history.seconds:.1f} s")
    texts = random_strings(HELD_OUT, np.random.default_rng(seed), held_out=True)
    longest = [k for k, text in enumerate(texts) if len(text) == LONGEST]
    for name, candidates in (("greedy", 1), (f"beam of {width}", width)):
        found, scores = model.translate(texts, width=candidates)
        of_longest = exact([texts[k] for k in longest], [found[k] for k in longest])
        print(
            f"{len(texts):,} held-out strings, {name}: {exact(texts, found):.1%} exact "
            f"({of_longest:.1%} of those of {LONGEST} letters), mean log-probability {scores.mean():.4f}"
        )
    for text, translated in list(zip(texts, found, strict=True))[:4]:
        print(f"  {text} -> {translated}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("translate", __doc__, epochs=18)
    parser.add_argument("--width", type=count, metavar="N", default=4, help="candidates of the beam (default: 4)")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
