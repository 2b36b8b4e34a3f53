"""The examples that predict numbers, shortened where that leaves a result to reach, and their command lines."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from differences import close, numeric_gradient

import rnnfast
from rnnfast.examples import next_number, random_regression, sine, toy_sequences
from rnnfast.examples.regressor import Regressor
from rnnfast.examples.scaling import Scaler

CPU = ("c", "numba", "reference")


def skip_unless_able(backend: str) -> None:
    if reason := rnnfast.backends()[backend]:
        pytest.skip(reason)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("make", [rnnfast.RNN, rnnfast.GRU, rnnfast.LSTM])
def test_regressor_gradients(rng: np.random.Generator, make: Callable[..., Any], every_step: bool) -> None:
    net = make(2, 3, batch_first=True, bidirectional=True, dtype="float64", seed=1, backend="reference")
    model = Regressor(net, 2, every_step=every_step)
    x, targets = rng.standard_normal((4, 5, 2)), rng.standard_normal((4, 5, 2) if every_step else (4, 2))
    loss, grads = model.step((x, targets))
    assert loss == pytest.approx(np.mean((model(x) - targets) ** 2))
    assert grads.keys() == model.parameters.keys()
    for name, parameter in model.parameters.items():
        close(grads[name], numeric_gradient(lambda: model.step((x, targets))[0], parameter))


def test_scaling_goes_there_and_back(rng: np.random.Generator) -> None:
    values = rng.uniform(50, 60, (40, 2))
    scaled = Scaler.of(values, deviations=2)(values)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), [0.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(Scaler.of(values, deviations=2).undo(scaled), values, rtol=1e-6)


@pytest.mark.parametrize("backend", CPU)
def test_the_next_number(backend: str) -> None:
    skip_unless_able(backend)
    inputs, targets = next_number.windows()
    assert inputs.shape == (100, 5, 1) and inputs[95].ravel().tolist() == [95, 96, 97, 98, 99] and targets[95] == [100]
    standardised, plain = (
        next_number.learn(standardised=way, epochs=next_number.EPOCHS, seed=0, backend=backend, progress=False)
        for way in (True, False)
    )
    assert abs(standardised.prediction - 100) < 2
    assert standardised.loss < 2
    assert plain.loss > 1000


@pytest.mark.parametrize("seed", range(random_regression.SEEDS))
def test_random_targets_are_learned_by_heart(seed: int) -> None:
    history = random_regression.learn(seed, backend="reference", progress=False)
    assert len(history.loss) == 100
    assert history.loss[-1] < 0.7 * history.loss[0]


def test_sine_windows_lead_to_the_next_value() -> None:
    times, curve = sine.samples()
    assert len(times) == 300 and times[10] == pytest.approx(1.0)
    inputs, targets = sine.windows(curve[: -sine.HELD_OUT])
    assert inputs.shape == targets.shape == (220, 20, 1)
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert targets[-1, -1, 0] == curve[-sine.HELD_OUT - 1]


@pytest.mark.parametrize("kind", sine.KINDS)
def test_the_next_value_of_a_sine(kind: sine.Nonlinearity) -> None:
    result = sine.learn(kind, epochs=25, backend="reference", progress=False)
    truth = sine.samples()[1][-sine.HELD_OUT :]
    assert result.error == pytest.approx(np.mean((result.predictions - truth) ** 2))
    assert result.error < 1e-3


def test_one_tanh_unit_needs_targets_within_its_range() -> None:
    plain, one, two = (toy_sequences.learn(k, backend="reference", progress=False) for k in toy_sequences.DEVIATIONS)
    assert toy_sequences.TARGETS.ravel().tolist() == list(range(6, 16))
    bound = toy_sequences.BOUND
    assert bound == pytest.approx(98.5)
    assert bound < plain.loss < 1.01 * bound and np.all(plain.outputs <= 1)
    assert two.loss < 0.05 < 0.5 < one.loss
    assert one.reach > 1 > two.reach
    assert abs(two.outputs[1, -1] - 15) < 0.5 < 1.5 < abs(one.outputs[1, -1] - 15)


@pytest.mark.parametrize("example", [next_number, random_regression, sine, toy_sequences])
def test_command_lines(example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--backend", "reference", "--epochs", "2", "--seed", "3"]
    if example is sine:
        pytest.importorskip("matplotlib", reason="the pictures need matplotlib")
        arguments += ["--output", str(tmp_path / "new")]
    assert example.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "2 epochs; backend reference" in printed
    assert printed.count("mean squared error") >= 2
    if example is sine:
        for name in ("prediction.png", "loss.png"):
            assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit) as stopped:
        example.main(["--help"])
    assert stopped.value.code == 0
    assert example.__name__ in capsys.readouterr().out


def locked(dir: Path) -> None:
    """As the system answers for a folder that is another's."""
    raise PermissionError(errno.EACCES, "Permission denied", str(dir))


def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    for arguments, message in (
        (["--backend", "fortran"], "no backend: 'fortran', expected one of"),
        (["--output", str(occupied)], "cannot make the folder"),
    ):
        assert sine.main(arguments) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith("python -m rnnfast.examples.sine: ") and message in captured.err
        assert captured.err.count("\n") == 1 and not captured.out
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.TemporaryFile", locked)
        assert sine.main(["--output", str(tmp_path), "--backend", "reference"]) == 1
    assert f"cannot write into the folder {tmp_path}: Permission denied" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert sine.main(["--output", str(tmp_path / "never"), "--backend", "reference"]) == 1
    assert "need matplotlib, which is not installed: pip install" in capsys.readouterr().err


def test_interrupting_is_not_an_error_to_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(next_number, "learn", interrupted)
    assert next_number.main(["--backend", "reference"]) == 130
    assert capsys.readouterr().err == "python -m rnnfast.examples.next_number: interrupted\n"
