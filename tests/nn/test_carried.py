"""Sequences in chunks with the state carried from one to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import BACKEND, EVERY_KIND, KINDS, assert_same, map_state, normal, states

import rnnfast
from rnnfast import nn


@EVERY_KIND
@pytest.mark.parametrize("batch_first", [False, True])
def test_chunks_give_what_a_truncated_call_gives(kind: str, batch_first: bool) -> None:
    net = KINDS[kind](3, 4, num_layers=2, batch_first=batch_first, dtype="float64", seed=1)
    shape = (2, 11) if batch_first else (11, 2)
    x, dy, state = normal(*shape, 3), normal(*shape, 4, seed=3), states(kind, 2, 2, 4)
    y, final, tape = net.record(x, state, truncate=4)
    expected = tape.backward(dy)
    carried, frozen, ys, steps = nn.Carried(net, state), nn.Carried(net.freeze(), state), [], []
    total = {name: np.zeros_like(a) for name, a in net.parameters.items()}
    for x_part, dy_part in nn.chunks(x, dy, steps=4, batch_first=batch_first):
        y_part, tape = carried.record(x_part)
        np.testing.assert_array_equal(frozen(x_part), y_part)
        tape.backward(dy_part, out=total, accumulate=True)
        ys.append(y_part)
        steps.append(x_part.shape[int(batch_first)])
    assert steps == [4, 4, 3]
    assert_same((np.concatenate(ys, axis=int(batch_first)), carried.state), (y, final))
    assert_same(total, expected.params)


@EVERY_KIND
def test_reset(kind: str) -> None:
    net, x, given = KINDS[kind](3, 4, dtype="float64", seed=1), normal(5, 3, 3), states(kind, 1, 3, 4)
    carried = nn.Carried(net, given)
    carried.reset(np.array([True, False, True]))
    assert_same(given, states(kind, 1, 3, 4))
    expected = map_state(lambda a: a * np.array([0, 1, 0])[:, None], given)
    assert_same(carried.state, expected)
    y, tape = carried.record(x)
    assert_same((y, carried.state), net(x, expected))
    carried.reset()
    assert carried.state is None
    carried.reset(np.array([True, False, True]))
    assert_same(carried(x), net(x)[0])
    assert_same(tape.backward(y), net.record(x, expected)[2].backward(y))


def test_reset_of_states_in_other_forms() -> None:
    h, c = np.ones((2, 1, 2, 4), np.float32)
    carried, mask = nn.Carried(rnnfast.LSTM(3, 4, backend=BACKEND), [h, c]), np.array([True, False])
    carried.reset(mask)
    assert [a[0, :, 0].tolist() for a in carried.state] == [[0, 1], [0, 1]] and h.all() and c.all()
    for given in ((h, None), (None, None)):
        carried.state = given
        carried.reset(mask)
        assert carried.state[1] is None and carried(np.ones((1, 2, 3), np.float32)) is not None


def test_chunks_are_views() -> None:
    x, labels = np.zeros((7, 2, 3)), np.arange(7)
    found = list(nn.chunks(x, labels, steps=5))
    assert [(a.shape, b.tolist()) for a, b in found] == [((5, 2, 3), [0, 1, 2, 3, 4]), ((2, 2, 3), [5, 6])]
    assert all(np.shares_memory(a, x) for a, _ in found)
    assert list(nn.chunks(x[:0], steps=5)) == [] and list(nn.chunks(steps=5)) == []


def test_what_cannot_be_cut_or_carried() -> None:
    x: Any = np.zeros((7, 2, 3))
    with pytest.raises(ValueError, match=r"sequences\[1\] has 6 steps, expected 7"):
        nn.chunks(x, x[:6], steps=5)
    with pytest.raises(ValueError, match=r"sequences\[1\] has shape \(7,\), expected \(B, T, ...\)"):
        nn.chunks(x, np.zeros(7), steps=5, batch_first=True)
    with pytest.raises(ValueError, match="steps is 0, expected at least 1"):
        nn.chunks(x, steps=0)
    with pytest.raises(ValueError, match="bidirectional and must see a whole sequence"):
        nn.Carried(rnnfast.GRU(3, 4, bidirectional=True, backend=BACKEND))
    with pytest.raises(TypeError, match="net must be an RNN, LSTM or GRU"):
        nn.Carried(rnnfast.GRUCell(3, 4, backend=BACKEND))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="record with the module"):
        nn.Carried(rnnfast.GRU(3, 4, backend=BACKEND).freeze()).record(x)
    with pytest.raises(ValueError, match="mask has shape"):
        carried = nn.Carried(rnnfast.GRU(3, 4, backend=BACKEND, dtype="float64"))
        carried(x)
        carried.reset(np.zeros(3, bool))
