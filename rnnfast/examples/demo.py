"""The demo: train a character model on real text for a minute, and show what it learned and how fast."""

from __future__ import annotations

import importlib.util
import textwrap

from rnnfast.examples.blas import one_blas_thread
from rnnfast.examples.char_model import CharModel
from rnnfast.examples.command import backend_name, make_folder
from rnnfast.examples.errors import UserError
from rnnfast.examples.options import Options
from rnnfast.examples.plotting import save_loss_curve, time_bar
from rnnfast.examples.reference_speed import ROUNDS, compare
from rnnfast.examples.text_source import Alphabet, read_text, split, unigram_bits
from rnnfast.examples.training import BATCH, STEPS, LossCurve, train
from rnnfast.nn.interrupt import stop_on_interrupt
from rnnfast.problem import Array

EVALUATED = 20_000
"""Held-out characters that are evaluated, at most."""
PROMPT, SAMPLE = 100, 400
"""Characters of text that a sample goes on from, and characters it adds."""


def run(options: Options) -> None:
    """Train, evaluate, sample and save as the options say, printing as it goes. Raises UserError."""
    backend = backend_name(options.backend)
    if options.compare is not None and importlib.util.find_spec(options.compare) is None:
        raise UserError(f"--compare {options.compare} needs that package, which is not installed: pip install torch")
    text = read_text(options.text)
    model = _model(options, text, backend)
    codes = model.alphabet.encode(text)
    training, held_out = split(codes)
    make_folder(options.output)
    net = f"{model.cell}, {model.layers} layer(s) of {model.recurrent.net.hidden_size}"
    print(f"{len(training):,} characters to learn from, {len(model.alphabet)} different ones; {net}; backend {backend}")
    _print_speed(model, backend)
    with one_blas_thread():
        _learn(model, training, held_out[:EVALUATED], options)
    if options.compare is not None:
        _print_comparison(model, training)


def _learn(model: CharModel, training: Array, held_out: Array, options: Options) -> None:
    prompt = model.alphabet.decode(training[-PROMPT:])
    _print_sample("before", model, prompt, options)
    curve = _train(model, training, options.seconds)
    weights, picture = options.output / "model.npz", options.output / "loss.png"
    if curve.bits:
        model.save(weights)  # before anything that another Ctrl-C could cut short

    bits = model.bits_per_character(held_out)
    unigram = unigram_bits(training, held_out[1:], len(model.alphabet))
    print(f"{len(held_out):,} characters held out: {bits:.2f} bits per character, unigram baseline {unigram:.2f}")
    _print_sample("after", model, prompt, options)
    if curve.bits:
        save_loss_curve(picture, curve, unigram=unigram, held_out=bits)
        print(f"saved: {weights}, {picture}")


def _print_comparison(model: CharModel, training: Array) -> None:
    from rnnfast.examples.torch_speed import SLICE_SECONDS, SLICES, compare_training

    print(f"training this net here and in PyTorch by turns, {SLICES} times {SLICE_SECONDS:g} s each", flush=True)
    speed = compare_training(model, training)
    print(
        f"here {speed.ours:,.0f} characters per second, PyTorch {speed.torch:,.0f}, on {speed.threads} thread(s) each: "
        f"{speed.ratio:.2f} times as fast"
    )


def _train(model: CharModel, training: Array, seconds: float) -> LossCurve:
    with stop_on_interrupt(always=True) as stop:
        print(f"training for {seconds:g} seconds; Ctrl-C ends it early and keeps what was learned", flush=True)
        with time_bar(seconds) as report:
            curve = train(model, training, seconds, stop=stop, report=report)
    how = "stopped" if stop.is_set() else "trained"
    read = curve.characters[-1] if curve.characters else 0
    print(f"{how} after {curve.seconds:.1f} s: {read:,} characters, {curve.speed:,.0f} characters per second")
    return curve


def _model(options: Options, text: str, backend: str) -> CharModel:
    if options.load is not None:
        return CharModel.load(options.load, backend=backend)
    return CharModel(
        Alphabet.of(text),
        cell=options.cell,
        hidden=options.hidden,
        layers=options.layers,
        seed=options.seed,
        backend=backend,
    )


def _print_speed(model: CharModel, backend: str) -> None:
    if backend == "reference":
        print("the backend is the NumPy reference itself: there is nothing to compare it with")
        return
    speed = compare(model)
    print(
        f"the recurrent net's training step, forward and backward over {STEPS} steps x {BATCH} rows: "
        f"{speed.chosen * 1e3:.1f} ms, NumPy reference {speed.reference * 1e3:.1f} ms: "
        f"{speed.ratio:.1f} times faster (medians of {speed.rounds} of at most {ROUNDS} alternating runs)"
    )


def _print_sample(when: str, model: CharModel, prompt: str, options: Options) -> None:
    sample = model.generate(prompt, SAMPLE, temperature=options.temperature, seed=options.seed)
    print(f"sample {when} training (temperature {options.temperature:g}):")
    print(textwrap.indent(sample, "  | ", lambda line: True))
