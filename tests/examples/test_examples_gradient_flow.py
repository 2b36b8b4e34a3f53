"""The example gradient_flow: which nets' gradients vanish, explode and survive, its table and its picture."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from nets import BACKEND

from rnnfast.examples import gradient_flow


@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_vanish_explode_and_survive(seed: int) -> None:
    flows = gradient_flow.measure(hidden=32, seed=seed, backend=BACKEND)
    assert all(norms.shape == (500,) for flow in flows.values() for norms in flow.norms.values())
    assert flows["tanh RNN"].norms["h"][-1] == pytest.approx(1)  # the loss's gradient by the last output
    assert flows["tanh RNN"].ratio("h") < 1e-80
    assert flows["tanh RNN, recurrent weights x 6"].ratio("h") > 1e10
    for state in "hc":
        assert flows["LSTM, default biases"].ratio(state) < 1e-80
        assert 1e-80 < flows["LSTM, forget_bias=1"].ratio(state) < 1e-20
        for bias in (3, 5):
            assert 1e-4 < flows[f"LSTM, forget_bias={bias}"].ratio(state) < 1e4
    for bias, mean in ((3, 1 / (1 + np.exp(-3))), (5, 1 / (1 + np.exp(-5)))):
        assert flows[f"LSTM, forget_bias={bias}"].forget == pytest.approx(mean, abs=0.01)
    alone = flows["LSTM, forget_bias=3"].by_forget_gates_alone()
    assert alone is not None and alone < 1e-6 * flows["LSTM, forget_bias=3"].ratio("c")


def test_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    folder = tmp_path / "new"
    arguments = ["--backend", BACKEND, "--output", str(folder), "--steps", "100", "--hidden", "16"]
    assert gradient_flow.main(arguments) == 0
    printed = capsys.readouterr().out
    assert f"output 100 alone; norm of its gradient by the state; backend {BACKEND}" in printed
    verdicts = re.findall(r"(vanishes|explodes|survives)$", printed, re.MULTILINE)
    assert verdicts[:4] == ["vanishes", "explodes", "vanishes", "vanishes"] and verdicts[-4:] == ["survives"] * 4
    assert (folder / "gradient_flow.png").read_bytes().startswith(b"\x89PNG")
