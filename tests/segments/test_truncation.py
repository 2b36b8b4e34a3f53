"""Truncated back-propagation through time: gradients cut every k steps, as of calls of k steps one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, RAGGED, promised
from bits import EVERY_VARIANT, PROMISED, assert_same_bits, make
from nets import BACKEND, EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states
from pieces import SMALL, run_by_hand, run_in_pieces
from support import Results, Spec, error, make_problem, pick
from targets import ON_EVERY_TARGET, Target

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.segments.plan import BLOCK

NEEDS_C = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
REFERENCE = Target("reference")
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"states": False},
    "ragged layers": {**RAGGED, "layers": 2},
    "dropout": {"input_dropout": 0.3, "recurrent_dropout": 0.4, "first_row": 2},
}
EVERY_OPTION = pytest.mark.parametrize("option", OPTIONS)


def without_activations(results: Results) -> Results:
    return pick(results, PROMISED)


@pytest.mark.covering(emulated=1)
@ON_EVERY_TARGET
@ALL_CELLS
@EVERY_OPTION
@pytest.mark.parametrize("segment", [2, 4, 8, 11])
def test_as_chunks_one_after_another(target: Target, cell: str, option: str, segment: int) -> None:
    """Segments of less than a chunk, of one, of several, and all steps in one."""
    problem = make_problem(Spec(cell, **{**SMALL, **OPTIONS[option]}))
    got = without_activations(run_in_pieces(target, problem, segment, chunk=4))
    expected = run_by_hand(REFERENCE, problem, chunk=4)
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert error(got[name], value) <= promised(value, "float64"), name


@NEEDS_C
@EVERY_VARIANT
@ALL_CELLS
@EVERY_OPTION
@pytest.mark.parametrize("chunk", [30, BLOCK, 100])
def test_the_same_bits_as_chunks(variant: str, cell: str, option: str, chunk: int) -> None:
    sizes = {"steps": 230, "batch": 5, "input_size": 9, "hidden_size": 17}
    problem, target = make(variant, cell, "float32", **sizes, **OPTIONS[option]), Target("c", variant)
    expected = run_by_hand(target, problem, chunk)
    for segment in (230, 2 * chunk, chunk, BLOCK if chunk > BLOCK else chunk):
        assert_same_bits(without_activations(run_in_pieces(target, problem, segment, chunk)), expected)


@EVERY_KIND
def test_what_is_not_a_gradient_stays_the_same(kind: str) -> None:
    net, x = KINDS[kind](3, 4, num_layers=2, bidirectional=True, dtype="float64", seed=1), normal(17, 2, 3)
    y, final, tape = net.record(x)
    y_too, final_too, cut = net.record(x, truncate=5)
    assert_same((y_too, final_too, cut.gates()), (y, final, tape.gates()))
    assert "cut every 5 steps" in cut.ran_on
    whole = net.record(x, truncate=17)[2].backward(y)
    assert_same(whole, tape.backward(y))
    assert not np.allclose(cut.backward(y).params["weight_hh_l0"], whole.params["weight_hh_l0"])


def flowing(net: Any, x: Any, truncate: int) -> Any:
    """(T, T): whether the gradient of the output at one step reaches the input at another."""
    steps = len(x)
    _, _, tape = net.record(x, truncate=truncate, keep=True)
    reached = np.zeros((steps, steps), bool)
    for t in range(steps):
        dy = np.zeros((steps, *x.shape[1:-1], net.net.output_size))
        dy[t] = 1
        reached[t] = tape.backward(dy).x.any(axis=(1, 2))
    return reached


@EVERY_KIND
def test_no_gradient_flows_over_a_cut(kind: str) -> None:
    chunk = np.arange(11) // 4
    same = chunk[:, None] == chunk
    one = KINDS[kind](3, 4, num_layers=2, dtype="float64", seed=1)
    np.testing.assert_array_equal(flowing(one, normal(11, 2, 3), 4), same & np.tri(11, dtype=bool))
    both = KINDS[kind](3, 4, num_layers=2, bidirectional=True, dtype="float64", seed=1)
    np.testing.assert_array_equal(flowing(both, normal(11, 2, 3), 4), same)


@EVERY_KIND
def test_held_outputs_pass_no_gradient_over_a_cut(kind: str) -> None:
    net = KINDS[kind](3, 4, masked_output="hold", dtype="float64", seed=1)
    x, mask, dy = normal(8, 2, 3), np.ones((8, 2), bool), np.zeros((8, 2, 4))
    mask[3:6] = False
    y, _, tape = net.record(x, mask=mask, truncate=4, keep=True)
    np.testing.assert_array_equal(y[5], y[2])
    dy[5] = 1
    assert not tape.backward(dy).x.any()
    dy[3] = 1
    assert tape.backward(dy).x[:3].any()


@EVERY_KIND
def test_each_direction_is_cut_at_the_same_steps(kind: str) -> None:
    """A net of two directions is a net forward and one over the sequence turned round: 4 divides the 12 steps."""
    both = KINDS[kind](3, 4, bidirectional=True, dtype="float64", seed=1)
    x, dy, state = normal(12, 2, 3), normal(12, 2, 8, seed=4), states(kind, 2, 2, 4)
    grads = both.record(x, state, truncate=4)[2].backward(dy, state)
    total = np.zeros_like(x)
    for direction, suffix in enumerate(("", "_reverse")):
        one = KINDS[kind](3, 4, dtype="float64")
        one.load_state_dict({name: both.parameters[name + suffix] for name in one.parameters})
        turn = slice(None, None, -1 if direction else 1)
        own = map_state(lambda a, d=direction: a[d : d + 1], state)
        found = one.record(x[turn], own, truncate=4)[2].backward(dy[turn, :, 4 * direction :][:, :, :4], own)
        total += found.x[turn]
        assert_same(found.state, map_state(lambda a, d=direction: a[d : d + 1], grads.state))
        assert_same(found.params, {name: grads.params[name + suffix] for name in found.params})
    assert_same(grads.x, total)


@NEEDS_C
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "masked_output": "hold", "dropout": 0.5}], ids=str)
@pytest.mark.parametrize("truncate", [10, 100])
def test_the_same_bits_whatever_the_memory(options: dict[str, Any], truncate: int) -> None:
    net, x = rnnfast.LSTM(5, 17, num_layers=2, seed=0, backend="c", **options), normal(300, 3, 5).astype(np.float32)
    lengths = np.array([300, 120, 0])
    found, sizes = [], []
    for memory in ("full", "checkpoint"):
        y, _, tape = net.record(x, lengths=lengths, memory=memory, truncate=truncate, dropout_seed=1, keep=True)
        sizes.append(tape.nbytes)
        grads = tape.backward(y)
        found.append({"x": grads.x, "h": parts(grads.state)[0], **grads.params})
        assert_same(tape.backward(y), grads)
    assert_same_bits(*found)
    assert sizes[1] < 0.6 * sizes[0]


def test_other_values_of_truncate_are_refused() -> None:
    net, x = rnnfast.LSTM(3, 4, backend=BACKEND), np.zeros((5, 2, 3), np.float32)
    with pytest.raises(ValueError, match="truncate is 0, expected at least 1"):
        net.record(x, truncate=0)
    for wrong in (1.5, "1", True):
        with pytest.raises(TypeError, match="truncate must be a whole number"):
            net.record(x, truncate=wrong)
