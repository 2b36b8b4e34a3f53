"""rnnfast.diagnostics: gate statistics against counting one by one, what plots hold, and what they cannot draw."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from nets import CELLS, KINDS, normal
from sequences import OPTIONS, SEQUENCE_OPTIONS, B, H, I, T

import rnnfast
from rnnfast.diagnostics import GateStatistics, gate_statistics, plot_gate_statistics, plot_gradient_flow

RAGGED = SEQUENCE_OPTIONS | {"lengths": np.array([5, 0, 3, 5])}  # steps 5 and 6 are live for nobody


def counted(values: Any, live: Any, tanh: bool) -> list[list[float]]:
    """Mean, share low and share high of every step, from values (T, B, H), number by number."""
    rows = []
    for t in range(len(values)):
        seen = [float(v) for b in range(values.shape[1]) if live[t, b] for v in values[t, b]]
        low, high = (-0.9, 0.9) if tanh else (0.1, 0.9)
        below, above = (sum(v < low for v in seen), sum(v > high for v in seen))
        n = len(seen)
        rows.append([sum(seen) / n, below / n, above / n] if n else [np.nan] * 3)
    return rows


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before"])
def test_statistics_are_what_counting_finds(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, bidirectional=True, **OPTIONS), 4 * normal(T, B, I)
    for name in net.parameters:
        net.parameters[name] *= 3  # so that gates saturate at either end
    _, _, tape = net.record(x, **RAGGED)
    live = (np.arange(T)[:, None] < RAGGED["lengths"]) & RAGGED["mask"]
    found = gate_statistics(tape)
    assert list(found) == list(net.net.gates)
    for name, gate in found.items():
        assert gate.mean.shape == gate.low.shape == gate.high.shape == (T, 4)
        for k in range(4):
            expected = np.array(counted(tape.gates()[name][k], live, tanh=name in "gn"))
            got = np.stack([gate.mean[:, k], gate.low[:, k], gate.high[:, k]], axis=1)
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
        ends = gate.low[:5], gate.high[:5]
        assert all(0 < end.max() <= 1 for end in ends) and np.isnan(gate.mean[5:]).all()
        np.testing.assert_array_equal(gate.saturated[:5], sum(ends))


def test_statistics_of_one_sequence_of_a_step_and_of_nothing() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I)
    alone = gate_statistics(net.record(x[:, 0])[2])["f"]
    np.testing.assert_allclose(alone.mean, gate_statistics(net.record(x[:, :1])[2])["f"].mean, rtol=1e-12)
    cell = CELLS["lstm"](I, H, **OPTIONS)
    _, tape = cell.record(x[0])
    step = gate_statistics(tape)["g"]
    assert step.mean.shape == (1, 1) and step.mean[0, 0] == pytest.approx(tape.gates()["g"].mean())
    assert gate_statistics(net.record(x[:0])[2])["i"].mean.shape == (0, 1)
    assert np.isnan(gate_statistics(net.record(x[:, :0])[2])["i"].mean).all()
    with pytest.raises(TypeError, match="tape of an RNN, which has no gates"):
        gate_statistics(KINDS["rnn"](I, H, **OPTIONS).record(x)[2])
    with pytest.raises(TypeError, match="tape must be that of a recorded LSTM or GRU, got LinearTape"):
        gate_statistics(rnnfast.nn.Linear(I, H).record(x.astype(np.float32))[1])  # type: ignore[arg-type]


def curves(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def test_gradient_flow_is_drawn_by_label_state_and_layer() -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    x = normal(T, B, I)
    one = KINDS["gru"](I, H, **OPTIONS).record(x)[2].backward(normal(T, B, H), monitor=True)
    two = KINDS["lstm"](I, H, num_layers=2, **OPTIONS).record(x)[2].backward(normal(T, B, H), monitor=True)
    flows = {"gru": one, "deep": two, "cells": two.state_norms["c"], "plain": [1.0, 2.0]}
    figure = plot_gradient_flow(flows, title="flow")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and axes.get_title() == "flow"
    drawn = curves(axes)
    expected = {"gru, h": one.state_norms["h"][:, 0], "plain": [1.0, 2.0]}
    for k in (0, 1):
        expected |= {f"deep, {name} [{k}]": values[:, k] for name, values in two.state_norms.items()}
        expected[f"cells [{k}]"] = two.state_norms["c"][:, k]
    assert drawn.keys() == expected.keys() == {text.get_text() for text in axes.get_legend().get_texts()}
    for label, values in expected.items():
        np.testing.assert_array_equal(drawn[label], values)


def test_flows_of_nothing_are_drawn_empty() -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    grads = KINDS["gru"](I, H, **OPTIONS).record(normal(0, B, I))[2].backward(monitor=True)
    assert [len(values) for values in curves(plot_gradient_flow({"net": grads}).axes[0]).values()] == [0]
    assert not curves(plot_gradient_flow({}).axes[0])


def test_gate_statistics_are_drawn_gate_by_gate() -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    found = gate_statistics(KINDS["gru"](I, H, num_layers=2, **OPTIONS).record(normal(T, B, I))[2])
    figure = plot_gate_statistics(found, k=1)
    assert [axes.get_ylabel() for axes in figure.axes] == ["r", "z", "n"]
    for axes, gate in zip(figure.axes, found.values(), strict=True):
        for label, values in (("mean", gate.mean), ("share saturated low", gate.low)):
            np.testing.assert_array_equal(curves(axes)[label], values[:, 1])
    with pytest.raises(IndexError):
        plot_gate_statistics(found, k=2)


def test_what_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    grads = KINDS["gru"](I, H, **OPTIONS).record(normal(T, B, I))[2].backward()
    for flows, error, message in (
        (grads, TypeError, "flows must be a mapping from label .*, got Gradients"),
        ({"net": grads}, ValueError, r"flows\['net'\] has no state_norms: call backward with monitor=True"),
        ({"net": np.zeros((2, 3, 4))}, ValueError, r"has shape \(2, 3, 4\), expected \(T,\) or \(T, L·D\)"),
        ({"net": "h"}, TypeError, "is of type builtins.str, expected gradients .* or an array of norms"),
    ):
        with pytest.raises(error, match=message):
            plot_gradient_flow(flows)
    with pytest.raises(ValueError, match="statistics holds no gate"):
        plot_gate_statistics({})
    with pytest.raises(TypeError, match="statistics must be what gate_statistics returned, got Gradients"):
        plot_gate_statistics(grads)  # type: ignore[arg-type]
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    gate = GateStatistics(*np.ones((3, 2, 1)))
    for draw in (lambda: plot_gradient_flow({"net": [1.0]}), lambda: plot_gate_statistics({"f": gate})):
        with pytest.raises(ImportError, match=r"needs matplotlib, .*: pip install 'rnnfast\[demo\]'"):
            draw()


def test_gates_that_are_no_numbers_say_so() -> None:
    net = rnnfast.GRU(2, 3, seed=0)
    net.parameters["bias_ih_l0"][:3] = np.nan
    _, _, tape = net.record(np.zeros((4, 1, 2), np.float32))
    reset = gate_statistics(tape)["r"]
    assert np.isnan([reset.mean, reset.low, reset.high]).all()
