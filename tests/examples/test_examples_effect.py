"""An amplifier that an LSTM learns, and the C programs that play sound through it."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from programs import run, tool

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.examples import effect
from rnnfast.problem import Array

EXAMPLES = Path(__file__).parents[2] / "csrc" / "examples"


def samples(path: Path) -> Array:
    """The numbers of a file of one channel."""
    with wave.open(str(path)) as sound:
        assert sound.getparams()[:3] == (1, 2, effect.RATE)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(int)


def test_the_amplifier_remembers_how_loud_it_was() -> None:
    quiet, loud = np.zeros(4000, np.float32), np.ones(4000, np.float32)
    assert np.abs(effect.amplifier(quiet)).max() == 0
    after = [effect.amplifier(np.concatenate([before, np.full(9, 0.1, np.float32)]))[-1] for before in (quiet, loud)]
    assert abs(after[0] - after[1]) > 0.01


def test_the_sound_is_within_bounds_and_cut_into_windows() -> None:
    sound = effect.plucked(2, seed=0)
    assert sound.shape == (2 * effect.RATE,) and 0.3 < np.abs(sound).max() <= 1
    np.testing.assert_array_equal(effect.windows(sound).ravel(), sound[: len(sound) // effect.WINDOW * effect.WINDOW])


@pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
def test_c_plays_what_python_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    monkeypatch.setattr(effect, "SECONDS", 2)
    assert effect.main(["--backend", "c", "--epochs", "25", "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    wrong, unchanged = map(float, re.findall(r"([\d.]+)%", printed))
    assert wrong < unchanged
    flags = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", f"-I{rnnfast.get_include()}", f"-I{EXAMPLES}")
    libraries = rnnfast.get_library_dir()
    link = (f"-L{libraries}", "-lrnnfast", f"-Wl,-rpath,{libraries}", "-lm")
    for compiler, standard, source in (("cc", "c11", "stream_wav.c"), ("c++", "c++17", "stream_wav.cpp")):
        run(tool(compiler), f"-std={standard}", *flags, EXAMPLES / source, "-o", tmp_path / "program", *link)
        said = run(tmp_path / "program", tmp_path / "effect.safetensors", tmp_path / "clean.wav", tmp_path / "out.wav")
        assert "times as fast as they sound" in said and "99.9% within" in said
        # What it read was rounded to 16 bits, which the amplifier amplifies.
        assert np.abs(samples(tmp_path / "out.wav") - samples(tmp_path / "played.wav")).max() < 40
