"""Copies and pickles of optimisers go on with their net and refuse without it; tapes are never copied."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast import nn

X = np.random.default_rng(0).standard_normal((5, 3, 4), dtype=np.float32)
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "old pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=2)),
    "deepcopy": copy.deepcopy,
}
EVERY_COPY = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
APART = "Adam was copied or unpickled without the net whose parameters it changes .*load_state_dict"


class Trainer:
    """A container as users write them; the optimiser comes before the net or after it."""

    def __init__(self, optimiser_first: bool) -> None:
        net = rnnfast.LSTM(4, 6, seed=0)
        adam = nn.Adam(net.parameters, lr=0.01)
        self.__dict__ |= {"adam": adam, "net": net} if optimiser_first else {"net": net, "adam": adam}

    def steps(self, count: int = 4) -> list[float]:
        return learn(self.net, self.adam, count)


def learn(net: Any, optimiser: nn.Optimizer, count: int = 4) -> list[float]:
    losses = []
    for _ in range(count):
        y, _, tape = net.record(X)
        loss, dy = nn.mse(y, np.ones_like(y))
        optimiser.step(tape.backward(dy).params)
        losses.append(loss)
    return losses


@EVERY_COPY
@pytest.mark.parametrize("optimiser_first", [False, True])
def test_net_and_optimiser_copied_together_go_on_exactly(copied: Callable[[Any], Any], optimiser_first: bool) -> None:
    trainer = Trainer(optimiser_first)
    trainer.steps()
    twin = copied(trainer)
    again = copied(twin)
    expected = trainer.steps()
    assert twin.steps() == again.steps() == expected and expected[-1] < expected[0]
    for name, array in twin.net.parameters.items():
        assert array is twin.adam.parameters[name] and array is not trainer.net.parameters[name]


@EVERY_COPY
def test_an_optimiser_copied_alone_refuses_to_step_and_gives_its_state(copied: Callable[[Any], Any]) -> None:
    trainer = Trainer(optimiser_first=False)
    trainer.steps()
    net, alone = copied(trainer.net), copied(trainer.adam)
    for orphan in (alone, copied(alone)):
        with pytest.raises(RuntimeError, match=APART):
            learn(net, orphan, 1)
        with pytest.raises(RuntimeError, match=APART):
            orphan.parameters["weight_hh_l0"]
    assert alone.steps == 4
    fresh = nn.Adam(net.parameters)
    fresh.load_state_dict(alone.state_dict())
    assert learn(net, fresh) == trainer.steps()


@EVERY_COPY
def test_a_schedule_or_early_stopping_is_no_net(copied: Callable[[Any], Any]) -> None:
    trainer = Trainer(optimiser_first=False)
    stopping = nn.EarlyStopping(trainer.net.parameters)
    schedule, adam, stopping = copied((nn.StepLR(trainer.adam, 2), trainer.adam, stopping))
    assert schedule.optimizer is adam
    with pytest.raises(RuntimeError, match=APART):
        learn(trainer.net, adam, 1)
    for call in (lambda: stopping.step(1.0), stopping.restore):
        with pytest.raises(RuntimeError, match="this EarlyStopping was copied or unpickled without the net"):
            call()
    assert stopping.epochs == 0


@EVERY_COPY
def test_several_parts_under_one_optimiser(copied: Callable[[Any], Any]) -> None:
    net, head = rnnfast.GRU(4, 3, seed=1), nn.Linear(3, 2, seed=2)
    adam = nn.Adam(nn.named(net=net.parameters, head=head.parameters))
    net, head, adam = copied((net, head, adam))
    assert head.parameters["bias"] is adam.parameters["head.bias"]
    assert net.parameters["bias_hh_l0"] is adam.parameters["net.bias_hh_l0"]
    del net
    with pytest.raises(RuntimeError, match=r"\(net.weight_ih_l0 is gone\)"):
        adam.step({})


def test_tapes_of_layers_can_be_neither_copied_nor_pickled() -> None:
    x = np.ones((2, 3), np.float32)
    for layer, given in ((nn.Linear(3, 2), x), (nn.Embedding(4, 2), [1]), (nn.Dropout(), x), (nn.LogSoftmax(), x)):
        tape: Any = layer.record(given)[1]
        for call in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="a tape can be neither copied nor pickled"):
                call(tape)
