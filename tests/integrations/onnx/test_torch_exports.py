"""What PyTorch's exporter writes: graphs with and without open sizes, run and, where they are chains, loaded."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.problem import Array

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from rnnfast.integrations import onnx as ours  # noqa: E402

FILES = Path(__file__).parents[1] / "files"
FORMS = [("LSTM", True, True), ("GRU", False, False), ("RNN", True, False)]
"""A kind of net, batch_first, bidirectional; few, since exporting takes a second."""


def test_what_pytorch_made() -> None:
    """A file that is kept, its x and y in the metadata."""
    path = FILES / "torch.onnx"
    told = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    x, y = (np.array(told[name], np.float32) for name in "xy")
    np.testing.assert_allclose(ours.run_model(path, [x])[0], y, rtol=1e-5, atol=1e-6)
    loaded = rnnfast.load_model(path)
    assert list(loaded.parts) == ["lstm0", "lstm1", "linear2", "tanh3"]
    np.testing.assert_allclose(turned(loaded(turned(x))[0]), y, rtol=1e-5, atol=1e-6)


def turned(x: Array) -> Array:
    return x.transpose(1, 0, 2)


@pytest.mark.parametrize(("kind", "batch_first", "bidirectional"), FORMS, ids=str)
def test_layers_and_a_head(kind: str, batch_first: bool, bidirectional: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(3)
    net = getattr(torch.nn, kind)(3, 5, 2, batch_first=batch_first, bidirectional=bidirectional)
    head = torch.nn.Linear(10 if bidirectional else 5, 2)

    class Model(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net, self.head = net, head

        def forward(self, x: Any) -> Any:
            return torch.tanh(self.head(self.net(x)[0]))

    x = torch.randn(6, 4, 3)
    for axes in (None, {"x": {0: "first", 1: "second"}}):
        expected = written(torch, Model(), x, str(tmp_path / "model.onnx"), axes)
        np.testing.assert_allclose(ours.run_model(tmp_path / "model.onnx", [x.numpy()])[0], expected, atol=1e-6)
        given = turned(x.numpy()) if batch_first else x.numpy()
        y, _ = rnnfast.load_model(tmp_path / "model.onnx")(given)
        np.testing.assert_allclose(turned(y) if batch_first else y, expected, atol=1e-6)


def test_a_classifier_of_words(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    table, net, head = torch.nn.Embedding(9, 3), torch.nn.GRU(3, 5, batch_first=True), torch.nn.Linear(5, 4)

    class Model(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.table, self.net, self.head = table, net, head

        def forward(self, x: Any) -> Any:
            return torch.softmax(self.head(self.net(self.table(x))[0][:, -1]), -1)

    path, x = tmp_path / "model.onnx", torch.randint(0, 9, (4, 6))
    expected = written(torch, Model(), x, str(path), {"x": {0: "B", 1: "T"}})
    prepared = ours.prepare(path)
    np.testing.assert_allclose(prepared.run([x.numpy()])[0], expected, atol=1e-6)
    with pytest.raises(ValueError, match="rnnfast.integrations.onnx.prepare"):
        rnnfast.load_model(path)
    assert prepared.run([np.zeros((1, 2), np.int64)])[0].shape == (1, 4)


def written(torch: Any, model: Any, x: Any, path: str, axes: Any) -> Array:
    """Write a model by the exporter that needs no package beside, and return what it makes of x."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), (x,), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    found: Array = model(x).detach().numpy()
    return found
