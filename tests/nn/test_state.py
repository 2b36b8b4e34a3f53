"""States of optimisers, schedules and other things that training changes: taken down, taken up, refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnfast import nn

SHAPES = {"w": (3, 4), "b": (5,)}
OPTIMISERS: dict[str, Callable[[Any], nn.Optimizer]] = {
    "sgd": lambda p: nn.SGD(p, 0.1),
    "momentum": lambda p: nn.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: nn.Adam(p, 0.1, betas=(0.8, 0.95), weight_decay=0.1),
    "adamw": lambda p: nn.AdamW(p, 0.1),
}


def weights(dtype: str = "float32") -> dict[str, np.ndarray]:
    return {name: np.ones(shape, dtype) for name, shape in SHAPES.items()}


def gradients(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [{n: rng.standard_normal(shape, np.float32) for n, shape in SHAPES.items()} for _ in range(count)]


@pytest.mark.parametrize("kind", OPTIMISERS)
@pytest.mark.parametrize("through_npz", [False, True])
def test_an_optimiser_goes_on_where_another_ended(kind: str, through_npz: bool, tmp_path: Path) -> None:
    first, grads = weights(), gradients(6)
    optimiser = OPTIMISERS[kind](first)
    for grad in grads[:3]:
        optimiser.step(grad)
    optimiser.lr = 0.03
    second, state = {name: a.copy() for name, a in first.items()}, optimiser.state_dict()
    if through_npz:
        np.savez(tmp_path / "state.npz", **state)
        with np.load(tmp_path / "state.npz") as archive:
            state = dict(archive)
    for grad in grads[3:]:
        optimiser.step(grad)
    again = OPTIMISERS[kind](second)
    again.load_state_dict(state)
    assert (again.steps, again.lr) == (3, 0.03)
    for grad in grads[3:]:
        again.step(grad)
    assert all(np.array_equal(first[name], second[name]) for name in SHAPES)
    assert {n for n in state if "." in n} == {f"{kind}.{n}" for kind in optimiser._averages for n in SHAPES}


def test_a_state_is_a_copy_and_loads_into_the_arrays_that_are_there() -> None:
    adam = nn.Adam(weights())
    adam.step(gradients(1)[0])
    state, first = adam.state_dict(), adam.first["w"]
    kept = state["first.w"].copy()
    adam.step(gradients(2)[1])
    assert np.array_equal(state["first.w"], kept)
    adam.load_state_dict(state)
    assert adam.first["w"] is first and np.array_equal(first, kept)


def test_every_fault_is_told_at_once_and_nothing_is_taken_over() -> None:
    adam = OPTIMISERS["adam"](weights())
    adam.step(gradients(1)[0])
    before = adam.state_dict()
    state = before | {"first.w": np.zeros((4, 3), np.float32), "second.b": np.zeros(5), "steps": -1, "lr": "fast"}
    state |= {"first.x": np.zeros(1), "eps": 1e-3}
    del state["second.w"]
    with pytest.raises(ValueError, match="this state does not fit this Adam: ") as raised:
        adam.load_state_dict(state)
    for fault in (
        "missing second.w",
        "unexpected first.x",
        "eps was 0.001, here it is 1e-08",
        r"first.w has shape (4, 3), expected (3, 4)",
        "second.b has dtype '<f8', expected float32",
        "steps is -1, expected at least 0",
        "lr must be a finite number",
    ):
        assert fault in str(raised.value)
    after = adam.state_dict()
    assert all(np.array_equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: nn.SGD(weights()).state_dict(), ValueError, "the state of SGD, expected one of Adam"),
        (lambda s: nn.AdamW(weights()).state_dict(), ValueError, "the state of AdamW, expected one of Adam"),
        (lambda s: s | {"first.w": s["first.w"].astype(float)}, TypeError, "first.w has dtype '<f8', expected float32"),
        (lambda s: {n: v for n, v in s.items() if n != "kind"}, ValueError, "missing kind"),
        (lambda s: [1], TypeError, "state must be a mapping as Adam.state_dict returns, got list"),
        (lambda s: nn.Adam({"w": np.ones((3, 4), np.float32)}).state_dict(), ValueError, "missing first.b; missing"),
    ],
)
def test_what_is_no_state_of_it_is_refused(change: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    adam = nn.Adam(weights())
    with pytest.raises(error, match=message):
        adam.load_state_dict(change(adam.state_dict()))


def test_schedules_go_on() -> None:
    losses = [3.0, 2.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5]
    kinds: list[Callable[[Any], Any]] = [
        lambda o: nn.StepLR(o, 3, 0.5),
        lambda o: nn.CosineLR(o, 8, 0.01),
        lambda o: nn.PlateauLR(o, 0.5, patience=2),
    ]
    for make in kinds:
        whole, first = nn.SGD(weights(), 0.1), nn.SGD(weights(), 0.1)
        expected, before = make(whole), make(first)
        rates = [(expected.step(loss), whole.lr)[1] for loss in losses]
        for loss in losses[:5]:
            before.step(loss)
        second = nn.SGD(weights(), first.lr)
        after = make(second)
        after.load_state_dict(before.state_dict())
        assert [(after.step(loss), second.lr)[1] for loss in losses[5:]] == rates[5:]
        assert len(set(rates)) > 2
    with pytest.raises(ValueError, match="epochs was 8, here it is 9"):
        nn.CosineLR(second, 9, 0.01).load_state_dict(nn.CosineLR(second, 8, 0.01).state_dict())


def test_early_stopping_goes_on_with_the_weights_it_kept() -> None:
    ours = weights()
    before = nn.EarlyStopping(ours, patience=2)
    for value, loss in ((2, 1.0), (3, 4.0)):
        ours["w"][:] = value
        before.step(loss)
    theirs = weights()
    after = nn.EarlyStopping(theirs, patience=2)
    after.load_state_dict(before.state_dict())
    assert (after.best_epoch, after.best_loss, after.epochs) == (1, 1.0, 2)
    assert after.step(2.0)
    after.restore()
    assert (theirs["w"] == 2).all()


def test_what_draws_goes_on_with_the_same_numbers() -> None:
    x = np.ones((50, 2), np.float32)
    loaders, dropouts = ([make(), make()] for make in (lambda: nn.Loader(x), lambda: nn.Dropout(0.5)))
    data = [nn.Loader(np.arange(50), batch_size=50, seed=seed) for seed in (1, 2)]
    list(data[0])
    data[1].load_state_dict(data[0].state_dict())
    assert next(iter(data[0]))[0].tolist() == next(iter(data[1]))[0].tolist() != sorted(range(50))
    dropouts[1].load_state_dict(dropouts[0].state_dict())
    assert np.array_equal(dropouts[0].record(x)[0], dropouts[1].record(x)[0])
    with pytest.raises(ValueError, match="p was 0.5, here it is 0.1"):
        nn.Dropout(0.1).load_state_dict(dropouts[0].state_dict())
    with pytest.raises(ValueError, match="random_state is not the state of a PCG64 generator"):
        loaders[0].load_state_dict(loaders[1].state_dict() | {"random_state": {"state": 1}})
