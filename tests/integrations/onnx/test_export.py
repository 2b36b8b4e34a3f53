"""Nets and models written as ONNX graphs: checked by onnx, equal in onnxruntime, and read back bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import nn
from rnnfast.problem import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx_graphs import assert_near, onnxruntime_outputs  # noqa: E402

from rnnfast.integrations import onnx as ours  # noqa: E402

F4 = np.float32
CELLS: list[tuple[Any, dict[str, Any]]] = [
    (rnnfast.LSTM, {}),
    (rnnfast.GRU, {}),
    (rnnfast.GRU, {"reset_after": False}),
    (rnnfast.RNN, {}),
    (rnnfast.RNN, {"nonlinearity": "relu"}),
    (rnnfast.RNN, {"nonlinearity": "linear"}),
]
FORMS: list[dict[str, Any]] = [
    {},
    {"bidirectional": True, "num_layers": 2},
    {"batch_first": True, "num_layers": 3, "bias": False},
    {"bidirectional": True, "batch_first": True},
]


def listed(state: Any) -> list[Array]:
    return list(state) if isinstance(state, tuple) else [state]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(("cell", "options"), CELLS, ids=str)
def test_nets(
    cell: Any, options: dict[str, Any], form: dict[str, Any], rng: np.random.Generator, tmp_path: Path
) -> None:
    net = cell(3, 5, seed=2, **options, **form)
    path = str(tmp_path / "net.onnx")
    x = rng.standard_normal((4, 4, 3)).astype(F4)[:, :3]
    batch = x.shape[0 if net.net.batch_first else 1]
    shape = net.net.num_layers * net.net.num_directions, batch, 5
    start = [rng.standard_normal(shape).astype(F4) for _ in net.net.states]
    for states in (False, True):
        ours.export(net, path, states=states)
        onnx.checker.check_model(onnx.load(path), full_check=True)
        feeds = {"x": x}
        if states:
            feeds |= dict(zip(("net.h0", "net.c0"), start, strict=False))
        y, final = net(x, (start[0] if len(start) == 1 else tuple(start)) if states else None)
        expected = [y, *listed(final)] if states else [y]
        for got, other in zip(ours.prepare(path).run(feeds), expected, strict=True):
            assert (got == other).all()
        loaded, _ = rnnfast.load_model(path)(x.transpose(1, 0, 2) if net.net.batch_first else x)
        assert ((loaded.transpose(1, 0, 2) if net.net.batch_first else loaded) == net(x)[0]).all()
        if onnxruntime_is_there():
            assert_near(expected, onnxruntime_outputs(path, feeds))


def onnxruntime_is_there() -> bool:
    import importlib.util

    return importlib.util.find_spec("onnxruntime") is not None


def test_a_frozen_net_is_written_as_the_net(tmp_path: Path) -> None:
    net = rnnfast.LSTM(2, 3, seed=0)
    ours.export(net, tmp_path / "a.onnx")
    ours.export(net.freeze(), tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def models(rng: np.random.Generator) -> dict[str, nn.Sequential]:
    learned = nn.Sequential(
        low=rnnfast.LSTM(3, 4, num_layers=2, seed=1), high=rnnfast.GRU(4, 5, bidirectional=True, seed=2)
    )
    learned.set_initial_state("low", (rng.standard_normal((2, 4)).astype(F4), None))
    learned.set_initial_state("high", rng.standard_normal((2, 5)).astype(F4))
    return {
        "head": nn.Sequential(net=rnnfast.LSTM(3, 8, seed=0), head=nn.Linear(8, 2, seed=1), out="tanh"),
        "words": nn.Sequential(
            table=nn.Embedding(7, 3, seed=0),
            net=rnnfast.GRU(3, 4, seed=1, batch_first=True),
            head=nn.Linear(4, 7, bias=False, seed=2),
            out="log_softmax",
        ),
        "learned": learned,
        "mlp": nn.Sequential(a=nn.Linear(3, 4, seed=0), b="relu", c=nn.Linear(4, 4, seed=1), d="sigmoid", e="softmax"),
        "function": nn.Sequential(out="softmax"),
    }


@pytest.mark.parametrize("name", ["head", "words", "learned", "mlp", "function"])
def test_models(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    path, model = str(tmp_path / "model.onnx"), models(rng)[name]
    ours.export(model, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    x = rng.integers(0, 7, (5, 2)) if name == "words" else rng.standard_normal((5, 2, 3)).astype(F4)
    y, _ = model(x)
    (got,) = ours.run_model(path, [x])
    assert_near([got], [y])
    loaded = rnnfast.load_model(path)
    through = loaded(x.T if name == "words" else x)[0]
    assert_near([through.transpose(1, 0, 2) if name == "words" else through], [y])
    if onnxruntime_is_there():
        assert_near([y], onnxruntime_outputs(path, {"x": x}))


def test_states_of_several_parts(rng: np.random.Generator, tmp_path: Path) -> None:
    path, model = tmp_path / "model.onnx", models(rng)["learned"]
    ours.export(model, path, states=True)
    prepared = ours.prepare(path)
    assert prepared.inputs == ("x", "low.h0", "low.c0", "high.h0")
    assert prepared.outputs == ("y", "low.h_n", "low.c_n", "high.h_n")
    x = rng.standard_normal((5, 2, 3)).astype(F4)
    low = [rng.standard_normal((2, 2, 4)).astype(F4) for _ in range(2)]
    high = rng.standard_normal((2, 2, 5)).astype(F4)
    y, ((h, c), last) = model(x, [tuple(low), high])
    for got, expected in zip(prepared.run([x, *low, high]), (y, h, c, last), strict=True):
        assert (got == expected).all()


def test_float64(tmp_path: Path, rng: np.random.Generator) -> None:
    path, net = tmp_path / "net.onnx", rnnfast.GRU(3, 4, dtype="float64", seed=0)
    ours.export(net, path)
    x = rng.standard_normal((5, 2, 3))
    assert (ours.run_model(path, [x])[0] == net(x)[0]).all()


@pytest.mark.parametrize("made", [lambda: rnnfast.LSTMCell(2, 3), lambda: nn.Linear(2, 3), lambda: None])
def test_what_is_no_net(made: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="expected an RNN, LSTM or GRU, a frozen one, or a Sequential"):
        ours.export(made(), tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnfast.integrations.onnx import writing

    with pytest.raises(OSError, match="none"):
        ours.export(rnnfast.GRU(2, 3), tmp_path / "none" / "x.onnx")
    ours.export(rnnfast.GRU(2, 3), tmp_path / "x.onnx")
    before = (tmp_path / "x.onnx").read_bytes()
    monkeypatch.setattr(writing, "LARGEST", 100)
    with pytest.raises(ValueError, match="the parameters have 260 bytes"):
        ours.export(rnnfast.GRU(2, 3), tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == before


def test_a_projection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"proj_size=2, and ONNX's LSTM has no projection"):
        ours.export(rnnfast.LSTM(3, 4, proj_size=2), tmp_path / "net.onnx")
    assert not [*tmp_path.iterdir()]
