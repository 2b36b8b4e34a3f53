"""backward(monitor=True): the norms of the state's gradient, on every backend, against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differences import numeric_gradient
from nets import BACKEND, CELLS, EVERY_KIND, KINDS, assert_same, normal, parts
from sequences import OPTIONS, SEQUENCE_OPTIONS, B, H, I, T
from targets import ON_EVERY_TARGET, Target

import rnnfast

RNN, LSTM, GRU = rnnfast.RNN, rnnfast.LSTM, rnnfast.GRU


@ON_EVERY_TARGET
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_norms_are_those_of_derivatives_by_the_state(target: Target, kind: Any) -> None:
    target.skip_unless_able()
    steps, batch, inputs, hidden = 4, 2, 3, 3
    net = kind(inputs, hidden, dtype="float64", seed=1, backend=str(target))
    x, dy = normal(steps, batch, inputs), normal(steps, batch, hidden, seed=3)
    _, _, tape = net.record(x, keep=True)
    norms = tape.backward(dy, monitor=True).state_norms
    assert norms is not None and list(norms) == list(net.net.states)
    gates, reference = tape.gates(), kind(inputs, hidden, dtype="float64", backend="reference")
    reference.load_state_dict(net.state_dict())
    for t in range(steps):
        first = reference(x[: t + 1])[1]
        h, c = (part[0].copy() for part in (first if kind is LSTM else (first, first)))

        def loss(h: Any, c: Any, t: int = t) -> float:
            """What the steps from t on make of the state after step t, and t's own output, which is h."""
            rest = reference(x[t + 1 :], (h[None], c[None]) if kind is LSTM else h[None])[0]
            return float((dy[t] * h).sum() + (dy[t + 1 :] * rest).sum())

        by_h = numeric_gradient(lambda: loss(h, c), h)  # noqa: B023 (called before the loop goes on)
        np.testing.assert_allclose(norms["h"][t, 0], np.linalg.norm(by_h), rtol=1e-7)
        if kind is LSTM:  # c acts by way of h too
            by_c = numeric_gradient(lambda: loss(gates["o"][0, t] * np.tanh(c), c), c)  # noqa: B023
            np.testing.assert_allclose(norms["c"][t, 0], np.linalg.norm(by_c), rtol=1e-7)


@EVERY_KIND
def test_monitoring_changes_nothing_else(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    plain = net.record(x)[2].backward(dy)
    assert plain.state_norms is None
    _, _, kept = net.record(x, keep=True)
    monitored = kept.backward(dy, monitor=True)
    for name in ("x", "state", "params"):
        assert_same(getattr(monitored, name), getattr(plain, name))
    assert kept.backward(dy).state_norms is None
    onto = net.record(x)[2].backward(dy, out=monitored, monitor=True)
    assert onto.x is monitored.x and onto.state_norms is not monitored.state_norms
    assert_same(onto.state_norms, monitored.state_norms)
    assert net.record(x)[2].backward(dy, out=onto).state_norms is None
    with pytest.raises(TypeError, match="monitor must be True or False, got str"):
        kept.backward(dy, monitor="yes")


@EVERY_KIND
@pytest.mark.parametrize("batch_first", [False, True])
def test_norms_of_ragged_bidirectional_layers_are_those_of_nets_of_their_own(kind: str, batch_first: bool) -> None:
    options = OPTIONS | {"batch_first": batch_first}
    ragged = SEQUENCE_OPTIONS | {"resets": None}
    if batch_first:
        ragged["mask"] = ragged["mask"].T
    shape = (B, T) if batch_first else (T, B)
    net = KINDS[kind](I, H, num_layers=2, bidirectional=True, **options)
    x, dy = normal(*shape, I), normal(*shape, 2 * H, seed=3)
    norms = net.record(x, **ragged)[2].backward(dy, monitor=True).state_norms
    below = KINDS[kind](I, H, bidirectional=True, **options)
    above = KINDS[kind](2 * H, H, bidirectional=True, **options)
    below.load_state_dict({name: net.parameters[name] for name in below.parameters})
    above.load_state_dict({name: net.parameters[name.replace("_l0", "_l1")] for name in above.parameters})
    y, _, lower = below.record(x, **ragged)
    upper = above.record(y, **ragged)[2].backward(dy, monitor=True)
    lower = lower.backward(upper.x, monitor=True)
    for name, values in norms.items():
        assert values.shape == (T, 4) and values.dtype == np.float64
        assert_same(values, np.hstack([lower.state_norms[name], upper.state_norms[name]]))
    ahead = KINDS[kind](2 * H, H, **options)
    ahead.load_state_dict({name: above.parameters[f"{name}_reverse"] for name in ahead.parameters})
    axis = int(batch_first)
    live = above.record(y, **ragged)[2].live
    turned = {"mask": np.flip(live.T if batch_first else live, axis)}
    back = ahead.record(np.flip(y, axis), **turned)[2].backward(np.flip(dy[..., H:], axis), monitor=True)
    for name, values in back.state_norms.items():
        assert_same(values[::-1, 0], upper.state_norms[name][:, 1])


@EVERY_KIND
def test_norms_reach_from_the_final_states_gradient_to_a_cut(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, I)
    resets = np.arange(T) == 3
    d_state = tuple(np.ones((1, H)) for _ in net.net.states)
    grads = net.record(x, resets=resets)[2].backward(d_state=d_state if kind == "lstm" else d_state[0], monitor=True)
    for values in grads.state_norms.values():
        assert values.shape == (T, 1)
        assert (values[3:] > 0).all() and not values[:3].any()
    assert grads.state_norms["h"][-1, 0] == pytest.approx(np.sqrt(H))


@EVERY_KIND
def test_norms_are_zero_where_no_row_is_live(kind: str) -> None:
    net, x, lengths = KINDS[kind](I, H, **OPTIONS), normal(T, B, I), np.array([3, 0, 2, 1])
    norms = net.record(x, lengths=lengths)[2].backward(normal(T, B, H), monitor=True).state_norms["h"]
    assert (norms[:3] > 0).all() and not norms[3:].any()
    for steps, batch in ((0, B), (T, 0)):
        norms = net.record(x[:steps, :batch])[2].backward(monitor=True).state_norms["h"]
        assert_same(norms, np.zeros((steps, 1)))


@ON_EVERY_TARGET
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_repeated_calls_are_monitored_too(target: Target, kind: Any) -> None:
    target.skip_unless_able()
    net, x, dy = kind(3, 4, seed=0, dtype="float64", backend=str(target)), normal(3, 2, 3), normal(3, 2, 4)
    first = net.record(x)[2].backward(dy, monitor=True)
    for _ in range(3):
        again = net.record(x)[2].backward(dy, monitor=True)
        assert_same(again, first)
        assert_same(again.state_norms, first.state_norms)
        assert net.record(x)[2].backward(dy).state_norms is None


@EVERY_KIND
@pytest.mark.parametrize("bidirectional", [False, True])
def test_norms_of_recomputed_and_of_truncated_steps(kind: str, bidirectional: bool) -> None:
    steps, options = 100, OPTIONS | {"num_layers": 2, "bidirectional": bidirectional}
    net, x = KINDS[kind](I, H, **options), normal(steps, B, I)
    dy = normal(steps, B, 2 * H if bidirectional else H)
    lengths = np.array([100, 0, 37, 80])
    whole = net.record(x, lengths=lengths)[2].backward(dy, monitor=True).state_norms
    _, _, tape = net.record(x, lengths=lengths, memory="checkpoint")
    assert_same(tape.backward(dy, monitor=True).state_norms, whole)
    if bidirectional:
        return
    dy[:] = 0
    dy[-1] = 1
    cut = net.record(x, truncate=32)[2].backward(dy, monitor=True).state_norms
    for values in cut.values():
        assert (values[96:] > 0).all() and not values[:96].any()  # segments begin at multiples of 32


@EVERY_KIND
def test_a_step_cell_has_norms_of_one_step(kind: str) -> None:
    cell = CELLS[kind](I, H, **OPTIONS)
    state, tape = cell.record(normal(B, I))
    d_h = normal(B, H, seed=4)
    norms = tape.backward(d_state=(d_h, None) if kind == "lstm" else d_h, monitor=True).state_norms
    assert norms["h"].shape == (1, 1) and len(norms) == len(parts(state))
    assert norms["h"][0, 0] == pytest.approx(np.linalg.norm(d_h))


def test_live_steps_of_every_layout() -> None:
    net, x = rnnfast.GRU(I, H, batch_first=True, backend=BACKEND, **OPTIONS), normal(B, T, I)
    lengths, mask = SEQUENCE_OPTIONS["lengths"], SEQUENCE_OPTIONS["mask"]
    _, _, tape = net.record(x, lengths=lengths, mask=mask.T)
    np.testing.assert_array_equal(tape.live, (np.arange(T)[:, None] < lengths) & mask)
    assert net.record(x)[2].live.all() and net.record(x)[2].live.shape == (T, B)
    np.testing.assert_array_equal(net.record(x[0], lengths=2)[2].live[:, 0], np.arange(T) < 2)
    assert CELLS["gru"](I, H, **OPTIONS).record(x[:, 0])[1].live.shape == (1, B)
    tape.backward()
    with pytest.raises(RuntimeError, match="keep=True"):
        _ = tape.live
