"""A character model of real text with a tanh RNN, an LSTM and a GRU: perplexity before and after, and a sample of each.

The demo trains one of these nets for a minute; this trains all three for some steps.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rnnfast.checks.command_line import count, positive
from rnnfast.examples import command
from rnnfast.examples.char_model import CELLS, CharModel
from rnnfast.examples.text_source import Alphabet, read_text, split, text_batches, unigram_bits
from rnnfast.examples.training import BATCH, STEPS, Trainer

HIDDEN, TRAINING_STEPS = 128, 100
EVALUATED = 5_000
"""Held-out characters that are evaluated, at most."""
SAMPLE = 200


@dataclass(frozen=True)
class Result:
    """Held-out perplexity, 2 to the bits per character, before and after training; and a sample after it."""

    before: float
    after: float
    sample: str


def learn(
    text: str,
    cell: str,
    *,
    steps: int = TRAINING_STEPS,
    hidden: int = HIDDEN,
    temperature: float = 0.7,
    seed: int = 0,
    backend: str | None = None,
) -> Result:
    """Train on the text but its end, so many steps of 32 rows of 64 characters, and evaluate on its end."""
    model = CharModel(Alphabet.of(text), cell=cell, hidden=hidden, seed=seed, backend=backend)
    training, held_out = split(model.alphabet.encode(text))
    held_out = held_out[:EVALUATED]
    before = 2 ** model.bits_per_character(held_out)
    trainer = Trainer(model)
    for inputs, targets in islice(text_batches(training, BATCH, STEPS), steps):
        trainer.step(inputs, targets)
    after = 2 ** model.bits_per_character(held_out)
    prompt = model.alphabet.decode(training[-STEPS:])
    return Result(before, after, model.generate(prompt, SAMPLE, temperature=temperature, seed=seed))


def unigram_perplexity(text: str) -> float:
    """Return the perplexity of the same held-out characters for the best model without context."""
    alphabet = Alphabet.of(text)
    training, held_out = split(alphabet.encode(text))
    return float(2 ** unigram_bits(training, held_out[1:EVALUATED], len(alphabet)))


def show(*, backend: str, seed: int, text: Path | None, steps: int, hidden: int, temperature: float) -> None:
    """Train each net and print what it learned."""
    source = read_text(text)
    print(f"{len(source):,} characters; {steps} steps of {BATCH} x {STEPS} for each net of {hidden}; backend {backend}")
    print(f"perplexity of held-out text without context {unigram_perplexity(source):.2f}")
    options: dict[str, Any] = {"steps": steps, "hidden": hidden, "seed": seed, "backend": backend}
    for cell in CELLS:
        result = learn(source, cell, temperature=temperature, **options)
        print(f"{cell}: perplexity of held-out text {result.before:.2f} -> {result.after:.2f}; it writes:", flush=True)
        print(textwrap.indent(result.sample, "  | ", lambda line: True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = command.parser("char_text", __doc__)
    add = parser.add_argument
    add("--text", type=Path, metavar="FILE", help="UTF-8 text to learn from (default: Python's own help topics)")
    add("--steps", type=count, default=TRAINING_STEPS, metavar="N", help=f"of each net (default: {TRAINING_STEPS})")
    add("--hidden", type=count, default=HIDDEN, metavar="H", help=f"hidden units (default: {HIDDEN})")
    add("--temperature", type=positive, default=0.7, metavar="X", help="wildness of samples (default: 0.7)")
    return command.run(parser, arguments, show)


if __name__ == "__main__":
    sys.exit(main())
