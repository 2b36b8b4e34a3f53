"""States of layers: taken down, taken up, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnfast import nn


def test_states_of_layers_load_all_or_nothing() -> None:
    first, second = nn.Linear(3, 2, seed=1), nn.Linear(3, 2, seed=2)
    weight, state = second.parameters["weight"], first.state_dict()
    second.load_state_dict(state)
    assert second.parameters["weight"] is weight and np.array_equal(weight, first.parameters["weight"])
    state["weight"] += 1
    assert not np.array_equal(state["weight"], first.parameters["weight"])
    kept = weight.copy()
    faults = {"weight": state["weight"] + 1, "bias": np.zeros(3, np.float32), "scale": np.zeros(1)}
    message = r"do not fit this Linear: unexpected scale; bias has shape \(3,\), expected \(2,\)"
    with pytest.raises(ValueError, match=message):
        second.load_state_dict(faults)
    with pytest.raises(ValueError, match="do not fit this Embedding: missing weight"):
        nn.Embedding(3, 2).load_state_dict({})
    with pytest.raises(TypeError, match="weight has dtype '<f8', expected float32"):
        second.load_state_dict(state | {"weight": np.zeros((2, 3))})
    with pytest.raises(TypeError, match="values must be a mapping"):
        second.load_state_dict([1])  # type: ignore[arg-type]
    assert np.array_equal(weight, kept)


def test_pytorch_s_states_of_layers_fit() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs, x = torch.nn.Linear(3, 2), np.ones((4, 3), np.float32)
    ours = nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    np.testing.assert_allclose(ours(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_layers_have_files_of_their_own(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path = tmp_path / f"layer{suffix}"
    for make in (lambda seed: nn.Linear(3, 2, seed=seed), lambda seed: nn.Embedding(3, 2, seed=seed)):
        first, second = make(1), make(2)
        first.save(path)
        second.load(path)
        for name, array in first.parameters.items():
            assert np.array_equal(array, second.parameters[name])
    with pytest.raises(ValueError, match=f"layer{suffix} holds a part of kind Embedding, this is a Linear"):
        nn.Linear(2, 3, bias=False).load(path)
    with pytest.raises(ValueError, match=r"weight has shape \(3, 2\), expected \(4, 2\)"):
        nn.Embedding(4, 2).load(path)
