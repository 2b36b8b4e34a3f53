"""Several parts in one file: what comes back, what is refused, and that nothing moves where anything does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import nn

SUFFIXES = [".npz", ".safetensors"]
Parts = dict[str, Any]


def parts(seed: int, *, adam: type[nn.Optimizer] = nn.Adam, **options: Any) -> Parts:
    """A model and what trains it."""
    net = rnnfast.GRU(3, 4, seed=seed, **options)
    embedding, head = nn.Embedding(5, 3, seed=seed), nn.Linear(4, 2, seed=seed)
    named = nn.named(embedding=embedding.parameters, net=net.parameters, head=head.parameters)
    optimizer: Any = adam(named)
    found = {"embedding": embedding, "net": net, "head": head, "optimizer": optimizer}
    return found | {"schedule": nn.StepLR(optimizer, 3), "stopping": nn.EarlyStopping(named), "dropout": nn.Dropout()}


def used(seed: int) -> Parts:
    """The same after one epoch."""
    found = parts(seed)
    optimizer = found["optimizer"]
    optimizer.step({name: np.full_like(array, 0.5) for name, array in optimizer.parameters.items()})
    found["net"].record(np.zeros((2, 1, 3), np.float32))
    for name in ("schedule", "stopping"):
        found[name].step(2.5)
    found["dropout"].record(np.zeros((2, 3)))
    return found


def everything(found: Parts) -> dict[str, Any]:
    """All that is saved of these parts."""
    state = {f"{name}.{key}": value for name, part in found.items() for key, value in part.state_dict().items()}
    return state | {"seed": found["net"].dropout_seed}


def assert_same_state(found: Parts, expected: dict[str, Any]) -> None:
    state = everything(found)
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(state[name], value), name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_part_comes_back(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path, first, second = tmp_path / f"training{suffix}", used(1), parts(2)
    history = nn.History(loss=[0.1 + 0.2, np.nan], lr=[0.1, 0.01], seconds=2.5)
    values = {"epoch": np.int64(7), "best": float("inf"), "name": "Bézier", "last": None, "done": False}
    nn.save(path, **first, history=history, **values, points=np.arange(6).reshape(2, 3).T)
    live = dict(second["optimizer"].parameters)
    again = nn.History()
    found = nn.load(path, **second, history=again)
    assert found.pop("points").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found == values and type(found["epoch"]) is int
    assert_same_state(second, everything(first))
    assert repr(again) == repr(history)
    assert all(array is second["optimizer"].parameters[name] for name, array in live.items())
    assert live["head.bias"] is second["head"].parameters["bias"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_arrays_are_named_by_part_and_the_net_is_described(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    path, found = tmp_path / f"training{suffix}", used(1)
    nn.save(path, **found)
    other = rnnfast.GRU(3, 4)
    other.load(path, prefix="net.")
    assert np.array_equal(other.parameters["weight_hh_l0"], found["net"].parameters["weight_hh_l0"])
    with pytest.raises(ValueError, match="reset_after"):
        rnnfast.GRU(3, 4, reset_after=False).load(path, prefix="net.")


def test_the_net_alone_is_taken_from_a_file_of_training(tmp_path: Path) -> None:
    path, found = tmp_path / "training.npz", used(1)
    nn.save(path, **found, epoch=3)
    net = rnnfast.GRU(3, 4, recurrent_dropout=0.5)
    with pytest.raises(ValueError, match="the file holds embedding, head, .*strict=False"):
        nn.load(path, net=net)
    assert nn.load(path, strict=False, net=net) == {"epoch": 3} == nn.load(path, strict=False)
    assert np.array_equal(net.parameters["weight_hh_l0"], found["net"].parameters["weight_hh_l0"])
    with pytest.raises(ValueError, match="missing body, the file holds embedding, net, head"):
        nn.load(path, strict=False, body=net)


def test_every_fault_is_told_at_once_and_no_part_moves(tmp_path: Path) -> None:
    path, second = tmp_path / "training.npz", parts(2, adam=nn.AdamW, reset_after=False)
    nn.save(path, **used(1), extra=nn.Linear(1, 1))
    second |= {"head": nn.Linear(4, 3), "other": nn.Dropout()}
    before = everything(second)
    with pytest.raises(ValueError, match="training.npz does not fit: the file holds extra, too") as raised:
        nn.load(path, **second)
    for fault in (
        "missing other",
        "reset_after=True (False here)",
        "head: these parameters do not fit this Linear: weight has shape (2, 4), expected (3, 4)",
        "optimizer: this is the state of Adam, expected one of AdamW",
    ):
        assert fault in str(raised.value)
    assert_same_state(second, before)


def test_a_load_that_is_interrupted_leaves_no_part_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, second = tmp_path / "training.npz", parts(2)
    nn.save(path, **used(1))
    before = everything(second)

    original, calls = nn.StepLR.load_state_dict, []

    def interrupted_once(self: nn.StepLR, state: Any) -> None:
        calls.append(original(self, state))
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(nn.StepLR, "load_state_dict", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        nn.load(path, **second)
    assert len(calls) == 2
    assert_same_state(second, before)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: nn.save(path), ValueError, "nothing to save"),
        (lambda path: nn.save(path, **{"a.b": 1}), ValueError, "'a.b' cannot be the name of a part"),
        (lambda path: nn.save(path, net=nn.LogSoftmax()), TypeError, "net is a LogSoftmax, expected an RNN, LSTM, GRU"),
        (lambda path: nn.save(path, words=np.array(["a"])), TypeError, "words has dtype <U1, expected numbers"),
        (lambda path: nn.load(path, epoch=3), TypeError, "epoch is a int, expected an RNN"),
        (lambda path: nn.load(path, strict=1), TypeError, "strict must be True or False"),
        (lambda path: nn.save(path.with_suffix(".txt"), epoch=3), ValueError, "ends in '.txt', expected one of .npz"),
    ],
)
def test_what_cannot_be_saved_or_loaded(
    call: Callable[[Path], Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    nn.save(tmp_path / "some.npz", epoch=3)
    with pytest.raises(error, match=message):
        call(tmp_path / "some.npz")
    assert nn.load(tmp_path / "some.npz") == {"epoch": 3}


def test_the_file_of_a_whole_pytorch_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    theirs = torch.nn.ModuleDict({"rnn": torch.nn.GRU(4, 6, 3), "fc": torch.nn.Linear(6, 2)})
    path = tmp_path / "model.safetensors"
    safetensors.save_file(theirs.state_dict(), path)
    rnn, fc = rnnfast.GRU(4, 6, 3), nn.Linear(6, 2)
    assert nn.load(path, rnn=rnn, fc=fc) == {}
    x = np.random.default_rng(0).standard_normal((5, 2, 4), dtype=np.float32)
    expected = theirs["fc"](theirs["rnn"](torch.tensor(x))[0]).detach().numpy()
    np.testing.assert_allclose(fc(rnn(x)[0]), expected, atol=1e-6)
    for given, fault in (
        ({"rnn": rnn}, "the file holds fc, too"),
        ({"rnn": rnnfast.GRU(4, 6, 2), "fc": fc}, "rnn: .*unexpected weight_ih_l2"),
        ({"rnn": rnn, "fc": nn.Linear(6, 2, bias=False)}, "fc: .*unexpected bias"),
    ):
        with pytest.raises(ValueError, match=fault):
            nn.load(path, **given)  # type: ignore[arg-type]
