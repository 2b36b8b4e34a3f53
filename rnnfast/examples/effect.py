"""An overdriven amplifier learned from what goes in and comes out, then played through from C, sample by sample."""

from __future__ import annotations

import sys
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.examples import command
from rnnfast.examples.errors import UserError
from rnnfast.examples.regressor import Regressor
from rnnfast.net.files import replacement
from rnnfast.problem import Array

RATE = 44100
SECONDS, HELD_OUT = 6, 1
"""Of sound, the last of them held out."""
HIDDEN = 24
WINDOW = 512
BATCH, EPOCHS, LEARNING_RATE = 32, 30, 4e-3
LOUDEST = 32767


@dataclass(frozen=True)
class Result:
    """The trained model, what it makes of the sound held out, and the energy of its error over the truth's."""

    model: nn.Sequential
    history: nn.History
    played: Array
    error: float


def plucked(seconds: int, seed: int) -> Array:
    """Strings plucked at random, (N,) float32 within -1..1: decaying harmonics, four notes a second."""
    rng, count = np.random.default_rng(seed), seconds * RATE
    sound, times = np.zeros(count), np.arange(RATE) / RATE
    for start in rng.integers(0, count - RATE // 10, 4 * seconds):
        pitch, length = 82.4 * 2 ** (rng.integers(0, 30) / 12), min(RATE, count - int(start))
        note = sum(np.sin(2 * np.pi * pitch * k * times) * np.exp(-3 * k**0.5 * times) / k for k in range(1, 8))
        sound[start : start + length] += rng.uniform(0.1, 0.5) * note[:length]
    return np.clip(sound, -1, 1).astype(np.float32)


def amplifier(sound: Array) -> Array:
    """The effect to be learned: a valve that sags under load, between two filters of one pole; (N,) float32."""
    out, low, sag, before, high = np.empty(len(sound)), 0.0, 0.0, 0.0, 0.0
    for n, x in enumerate(sound.tolist()):
        low += 0.35 * (x - low)
        sag += 0.002 * (abs(low) - sag)
        bent = np.tanh(6 * low * (1 - 0.5 * min(sag, 1)) + 0.3) - np.tanh(0.3)
        high = 0.99 * (high + bent - before)
        before = bent
        out[n] = 0.6 * high
    return out.astype(np.float32)


def windows(sound: Array) -> Array:
    """(N, WINDOW, 1), one after the other."""
    return sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW, 1)


def learn(
    clean: Array,
    target: Array,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    backend: str | None = None,
    progress: bool = True,
) -> Result:
    """Train on all but the sound held out, then play that from its beginning, with no state before it."""
    held_out = HELD_OUT * RATE
    net = rnnfast.LSTM(1, HIDDEN, batch_first=True, seed=seed, backend=backend)
    model = Regressor(net, every_step=True, seed=seed + 1)
    loader = nn.Loader(windows(clean[:-held_out]), windows(target[:-held_out]), batch_size=BATCH, seed=seed)
    adam = nn.Adam(model.parameters, LEARNING_RATE)
    schedule = nn.CosineLR(adam, epochs)
    history = nn.fit(model.step, loader, adam, epochs=epochs, schedule=schedule, max_norm=1.0, progress=progress)
    whole = nn.Sequential(net=net, head=model.head)
    played = whole.stream().run(clean[-held_out:, None])[:, 0]
    truth = target[-held_out:]
    return Result(whole, history, played, float(((played - truth) ** 2).sum() / (truth**2).sum()))


def save_wave(path: Path, sound: Array) -> None:
    """Write sound within -1..1 as 16-bit samples of one channel."""
    with replacement(str(path)) as file, wave.open(file) as out:
        out.setparams((1, 2, RATE, len(sound), "NONE", "not compressed"))
        out.writeframes((np.clip(sound, -1, 1) * LOUDEST).astype("<i2").tobytes())


def show(*, backend: str, seed: int, epochs: int, output: Path) -> None:
    """Train, say how well, and write the net and the sound that is played through it."""
    command.make_folder(output)
    clean = plucked(SECONDS, seed)
    target = amplifier(clean)
    print(
        f"an LSTM of {HIDDEN} units and a linear head, {SECONDS - HELD_OUT} s of sound, {epochs} epochs; "
        f"backend {backend}"
    )
    result = learn(clean, target, epochs=epochs, seed=seed, backend=backend)
    unchanged = float(((clean - target)[-HELD_OUT * RATE :] ** 2).sum() / (target[-HELD_OUT * RATE :] ** 2).sum())
    print(
        f"of the sound held out {100 * result.error:.2f}% of the energy is wrong, unchanged it is "
        f"{100 * unchanged:.0f}%; trained in {result.history.seconds:.1f} s"
    )
    try:
        result.model.save(output / "effect.safetensors")
    except ImportError as error:
        raise UserError(str(error)) from None
    held_out = -HELD_OUT * RATE
    for name, sound in (("clean", clean[held_out:]), ("target", target[held_out:]), ("played", result.played)):
        save_wave(output / f"{name}.wav", sound)
    print(f"saved: {output}/effect.safetensors, clean.wav, target.wav, played.wav; csrc/examples plays them from C")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return command.run(command.parser("effect", __doc__, epochs=EPOCHS, output=True), arguments, show)


if __name__ == "__main__":
    sys.exit(main())
