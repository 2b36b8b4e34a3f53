"""The examples that write a recurrent net out: their equations, every gradient, and the weights' conversion."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from differences import close, numeric_gradient
from nets import BACKEND

import rnnfast
from rnnfast import nn
from rnnfast.examples import bptt_by_hand, lstm_by_hand
from rnnfast.examples.bptt_by_hand import CLIP, Model, by_hand
from rnnfast.examples.lstm_by_hand import Weights
from rnnfast.examples.softmax_cell import SoftmaxCell

ON_EVERY_CPU_BACKEND = pytest.mark.parametrize("backend", ["c", "numba", "reference"])
EXACT: dict[str, float] = {"rtol": 1e-12, "atol": 1e-12}


def skip_unless_able(backend: str) -> None:
    if reason := rnnfast.backends()[backend]:
        pytest.skip(reason)


@ON_EVERY_CPU_BACKEND
def test_softmax_cell_equals_its_equations(backend: str, rng: np.random.Generator) -> None:
    skip_unless_able(backend)
    cell = SoftmaxCell(4, 6, 3, dtype="float64", seed=1, backend=backend)
    p = cell.parameters
    to_state = np.hstack([p["rnn.weight_ih_l0"], p["rnn.weight_hh_l0"]]), p["rnn.bias_ih_l0"] + p["rnn.bias_hh_l0"]
    to_output = p["head.weight"], p["head.bias"]
    x, lengths = rng.standard_normal((5, 7, 4)), np.array([7, 1, 2, 4, 7])
    h, outputs = np.zeros((5, 6)), []
    for t in range(7):
        together = np.concatenate([x[:, t], h], axis=1)
        expected_h = together @ to_state[0].T + to_state[1]
        scores = np.exp(together @ to_output[0].T + to_output[1])
        expected_output = np.log(scores / scores.sum(axis=1, keepdims=True))
        output, h = cell.one_step(x[:, t], h)
        np.testing.assert_allclose(output, expected_output, **EXACT)
        np.testing.assert_allclose(h, expected_h, **EXACT)
        outputs.append(expected_output)
    last = np.array([outputs[lengths[b] - 1][b] for b in range(5)])
    np.testing.assert_allclose(cell(x, lengths), last, **EXACT)
    np.testing.assert_allclose(cell(x[:, :1], np.ones(5, int)), outputs[0], **EXACT)


def test_softmax_cell_gradients(rng: np.random.Generator) -> None:
    cell = SoftmaxCell(3, 4, 2, dtype="float64", seed=2, backend="reference")
    words = [rng.standard_normal((n, 3)) for n in (4, 1, 2, 3)]
    batch = nn.pad(words), np.array([0, 1, 1, 0])
    loss, grads = cell.step(batch)
    outputs = cell(*batch[0])
    assert loss == pytest.approx(-np.mean(outputs[np.arange(4), batch[1]]))
    assert grads.keys() == cell.parameters.keys()
    for name, parameter in cell.parameters.items():
        close(grads[name], numeric_gradient(lambda: cell.step(batch)[0], parameter))


def hard(backend: str) -> tuple[Model, tuple[list[int], list[int], Any]]:
    """A model and lists on which some gradients go beyond the clip."""
    model = Model(5, 8, seed=1, backend=backend)
    for name in model.parameters:
        model.parameters[name] *= 3
    rng = np.random.default_rng(0)
    inputs, targets = (rng.integers(0, 5, 30).tolist() for _ in range(2))
    return model, (inputs, targets, np.tanh(rng.standard_normal(8)))


@ON_EVERY_CPU_BACKEND
def test_gradients_by_hand_are_ours(backend: str) -> None:
    skip_unless_able(backend)
    model, call = hard(backend)
    loss, grads, h = model.gradients(*call)
    expected_loss, expected, expected_h = by_hand(model.parameters, *call)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    np.testing.assert_allclose(h, expected_h, **EXACT)
    assert grads.keys() == expected.keys() == model.parameters.keys()
    clipped = 0
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected[name], **EXACT, err_msg=name)
        assert np.abs(grad).max() <= CLIP
        clipped += np.count_nonzero(np.abs(grad) == CLIP)
    assert 0 < clipped < sum(grad.size for grad in grads.values()) / 2


def test_gradients_by_hand_are_derivatives() -> None:
    model = Model(4, 3, seed=1, backend="reference")
    call: Any = ([0, 3, 1], [3, 1, 2], np.full(3, 0.2))
    grads = by_hand(model.parameters, *call)[1]
    for name, parameter in model.parameters.items():
        close(grads[name], numeric_gradient(lambda: by_hand(model.parameters, *call)[0], parameter))


def test_gradients_by_hand_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model, (inputs, targets, h) = hard("reference")
    loss, grads, h_n = by_hand(model.parameters, inputs, targets, h)
    parts = {"rnn": torch.nn.RNN(5, 8, dtype=torch.float64), "head": torch.nn.Linear(8, 5, dtype=torch.float64)}
    net = torch.nn.ModuleDict(parts)
    net.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in model.parameters.items()})
    y, their_h = net["rnn"](torch.eye(5, dtype=torch.float64)[inputs], torch.from_numpy(h)[None])
    their_loss = torch.nn.functional.cross_entropy(net["head"](y), torch.tensor(targets), reduction="sum")
    their_loss.backward()
    torch.nn.utils.clip_grad_value_(net.parameters(), CLIP)
    assert loss == pytest.approx(their_loss.item(), rel=1e-12)
    np.testing.assert_allclose(h_n, their_h[0].detach().numpy(), **EXACT)
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(grads[name], parameter.grad.numpy(), **EXACT, err_msg=name)


def test_a_text_is_learned_by_heart() -> None:
    codes, symbols = bptt_by_hand.encode("hello world ")
    assert symbols == 8 and codes == [3, 2, 4, 4, 5, 0, 7, 5, 6, 4, 1, 0]
    before, after = bptt_by_hand.learn(Model(symbols, 16, backend=BACKEND), codes, epochs=120)
    assert before > 1.5 and after < 0.1


@ON_EVERY_CPU_BACKEND
def test_an_lstm_by_hand_is_ours(backend: str) -> None:
    skip_unless_able(backend)
    for hidden in (1, 7, 16):
        found = lstm_by_hand.differences(50, hidden, seed=hidden, backend=backend)
        assert len(found) == 4 and max(found.values()) < 1e-12, found


def test_weights_are_converted_there_and_back(rng: np.random.Generator) -> None:
    lstm = rnnfast.LSTM(lstm_by_hand.INPUTS, 6, dtype="float64", seed=4, backend=BACKEND)
    weights = Weights.of(lstm.state_dict())
    assert weights.weight.shape == (4, 6, 11) and weights.bias.shape == (4, 6)
    for gate, name in ((0, "f"), (1, "i"), (2, "g"), (3, "o")):
        rows = slice("ifgo".index(name) * 6, "ifgo".index(name) * 6 + 6)
        np.testing.assert_array_equal(weights.weight[gate, :, :6], lstm.parameters["weight_hh_l0"][rows])
        np.testing.assert_array_equal(weights.weight[gate, :, 6:], lstm.parameters["weight_ih_l0"][rows])
    again = Weights.of(weights.state_dict())
    np.testing.assert_array_equal(again.weight, weights.weight)
    np.testing.assert_array_equal(again.bias, weights.bias)
    x = rng.standard_normal((9, 2, lstm_by_hand.INPUTS))
    y, (_, c) = lstm(x)
    hs, cs = lstm_by_hand.run(weights, x)
    np.testing.assert_allclose(hs, y, **EXACT)
    np.testing.assert_allclose(cs[-1], c[0], **EXACT)


@pytest.mark.parametrize(
    ("example", "arguments", "compared"),
    [(bptt_by_hand, ["--epochs", "3"], 12), (lstm_by_hand, ["--steps", "9", "--hidden", "4"], 4)],
)
def test_command_lines(
    example: ModuleType, arguments: list[str], compared: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.main(["--backend", "reference", "--seed", "2", *arguments]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "e-1" in line and "s)" not in line]
    assert len(lines) == compared
    with pytest.raises(SystemExit) as stopped:
        example.main(["--help"])
    assert stopped.value.code == 0
    assert example.__name__ in capsys.readouterr().out
