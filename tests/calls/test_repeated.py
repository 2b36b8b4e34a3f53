"""Calls of a shape seen before, which skip most checks, against calls that skip none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from targets import ON_EVERY_TARGET, Target

import rnnfast
from rnnfast.calls import prepared
from rnnfast.problem import Array

pytestmark = pytest.mark.usefixtures("number_of_threads_restored")

NETS: dict[str, Any] = {
    "lstm": lambda **options: rnnfast.LSTM(5, 7, seed=1, **options),
    "gru, both directions": lambda **options: rnnfast.GRU(5, 7, num_layers=2, bidirectional=True, seed=1, **options),
    "rnn, batch first": lambda **options: rnnfast.RNN(5, 7, batch_first=True, seed=1, **options),
}


def plain(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def flat(result: tuple[Array, Any]) -> list[Array]:
    y, state = result
    return [y, *(state if isinstance(state, tuple) else (state,))]


def skip_unless_repeated(target: Target) -> None:
    """Skip a target that cannot run, or for which every such call is a first one while each takes long."""
    target.skip_unless_able()
    if target.emulated:
        pytest.skip("the emulator is slow, and calls with arrays in host memory are none that the backend repeats")


@ON_EVERY_TARGET
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_repeated_call_gives_the_same_in_new_arrays(target: Target, name: str, frozen: bool) -> None:
    skip_unless_repeated(target)
    net = NETS[name](backend=str(target))
    call = net.freeze() if frozen else net
    shapes = [(4, 3, 5), (2, 6, 5), (4, 5)]
    for shape in shapes * 3:
        x = plain(*shape)
        _, state = call(plain(*shape, seed=2))
        for start in (None, state):
            other = flat(call(x.view(Sub), start))
            first, second = flat(call(x, start)), flat(call(x, start))
            for a, b, expected in zip(first, second, other, strict=True):
                np.testing.assert_array_equal(a, expected)
                np.testing.assert_array_equal(b, expected)
                assert not np.shares_memory(a, b)


class Sub(np.ndarray[Any, Any]):
    """Not a plain array: such calls are checked in full."""


def training(net: Any, x: Array, state: Any, **options: Any) -> dict[str, Array]:
    """Everything that one step of training gives."""
    *result, tape = net.record(x, state, **options)
    y, final = result if len(result) == 2 else (None, result[0])
    gates = tape.gates()
    given = {} if y is None else {"dy": y - 1}
    grads = tape.backward(d_state=final, **given)
    named = dict(enumerate([*flat((x if y is None else y, final)), *flat((grads.x, grads.state))]))
    return {str(name): a for name, a in (named | gates | grads.params).items()}


@ON_EVERY_TARGET
@pytest.mark.parametrize("name", [*NETS, "step cell"])
@pytest.mark.parametrize("options", [{}, {"train": False}, {"keep": True}], ids=str)
def test_repeated_training_gives_the_same(target: Target, name: str, options: dict[str, Any]) -> None:
    skip_unless_repeated(target)
    if name == "step cell":
        net: Any = rnnfast.LSTMCell(5, 7, seed=1, backend=str(target))
        options = {key: value for key, value in options.items() if key == "keep"}
    else:
        net = NETS[name](backend=str(target), input_dropout=0.3, recurrent_dropout=0.2)
    seeds = ({},) if name == "step cell" else ({"dropout_seed": 3}, {"dropout_seed": 4})
    for shape in [(3, 5), (6, 5)] * 2 if name == "step cell" else [(4, 3, 5), (2, 6, 5), (4, 5)] * 2:
        x = plain(*shape)
        state = (net if name == "step cell" else lambda x: net(x)[1])(plain(*shape, seed=2))
        for start in (None, state):
            for seed in seeds:
                expected = training(net, x.view(Sub), start, **options, **seed)
                for _ in range(2):
                    got = training(net, x, start, **options, **seed)
                    assert got.keys() == expected.keys()
                    for key, value in expected.items():
                        np.testing.assert_array_equal(got[key], value, err_msg=key)


@ON_EVERY_TARGET
@pytest.mark.parametrize("name", NETS)
def test_repeated_backward_of_parts_gives_the_same(target: Target, name: str) -> None:
    skip_unless_repeated(target)
    net, x = NETS[name](backend=str(target)), plain(4, 3, 5)
    y, final, _ = net.record(x)
    partial = (None, final[1]) if isinstance(final, tuple) else None
    fortran = np.asfortranarray(y)
    calls: list[tuple[Any, ...]] = [(y,), (None, final), (y, partial), (), (fortran, final), (y.view(Sub), final)]
    for arguments in calls:
        for need_x in (True, False):
            expected = net.record(x.view(Sub))[2].backward(*arguments, need_x=need_x)
            tape = net.record(x)[2]
            got = tape.backward(*arguments, need_x=need_x)
            assert (got.x is None) == (not need_x)
            for a, b in zip(got.arrays, expected.arrays, strict=True):
                np.testing.assert_array_equal(a, b)
            with pytest.raises(RuntimeError, match="this tape has served its backward"):
                tape.backward(*arguments)
    tape = net.record(x)[2]
    for wrong in (y[:-1], y.astype(np.float64)):
        with pytest.raises((ValueError, TypeError), match="dy has"):
            tape.backward(wrong)
    out = tape.backward(y, final, out={name: np.empty_like(a) for name, a in net.parameters.items()})
    assert out.x is not None and out.x.shape == x.shape


def test_every_record_has_the_next_dropout_seed() -> None:
    net = rnnfast.LSTM(5, 7, input_dropout=0.5, seed=1)
    x = plain(4, 3, 5)
    seeds = [net.record(x)[2].dropout_seed for _ in range(4)]
    assert seeds == [seeds[0] + n for n in range(4)]
    ys = [net.record(x)[0] for _ in range(3)]
    assert not np.array_equal(ys[0], ys[1]) and not np.array_equal(ys[1], ys[2])
    again, _, tape = net.record(x, dropout_seed=seeds[0])
    np.testing.assert_array_equal(again, net.record(x.view(Sub), dropout_seed=seeds[0])[0])
    assert tape.dropout_seed == seeds[0]


def test_the_number_of_threads_may_change_between_record_and_backward() -> None:
    net = rnnfast.LSTM(60, 260, seed=1)
    x = plain(12, 6, 60)
    rnnfast.set_num_threads(1)
    expected = training(net, x, None)
    for before, after in ((1, 4), (3, 1), (4, 2)):
        rnnfast.set_num_threads(before)
        y, final, tape = net.record(x)
        rnnfast.set_num_threads(after)
        grads = tape.backward(y - 1, d_state=final)
        for name, array in grads.params.items():
            np.testing.assert_array_equal(array, expected[name])


def test_new_numbers_and_new_weights_are_seen() -> None:
    net = NETS["lstm"]()
    x = plain(4, 3, 5)
    net(x)
    net.parameters["weight_hh_l0"] *= 2
    later = plain(4, 3, 5, seed=1)
    for got, expected in zip(flat(net(later)), flat(net(later.view(Sub))), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_what_fits_no_longer_is_refused() -> None:
    net = NETS["lstm"]()
    x = plain(4, 3, 5)
    net(x)
    with pytest.raises(TypeError, match="float64"):
        net(x.astype(np.float64))
    h, c = np.zeros((1, 3, 7), np.float32), np.zeros((1, 3, 7))
    with pytest.raises(TypeError, match=r"state\[1\] has dtype float64"):
        net(x, (h, c))
    with pytest.raises(ValueError, match=r"state\[0\] has shape"):
        net(x, (h[:, :2], h))
    for state in ((h,), ()):
        with pytest.raises(ValueError, match="two states"):
            net(x, state)
    gru = rnnfast.GRU(5, 7)
    gru(x)
    for state in ((h,), ()):
        with pytest.raises(TypeError, match="one state"):
            gru(x, state)
    net.record(x)
    with pytest.raises(TypeError, match="float64"):
        net.record(x.astype(np.float64))
    with pytest.raises(TypeError, match=r"state\[1\] has dtype float64"):
        net.record(x, (h, c))
    net.parameters["weight_hh_l0"].shape = (7, 28)
    for call in (net, net.record):
        with pytest.raises(ValueError, match="weight_hh_l0 has shape"):
            call(x)


def test_the_number_of_threads_may_change_between() -> None:
    net = rnnfast.LSTM(60, 260, seed=1)
    x = plain(12, 6, 60)
    rnnfast.set_num_threads(1)
    expected = flat(net(x))
    for n in (4, 1, 3):
        rnnfast.set_num_threads(n)
        for _ in range(3):
            for got, one in zip(flat(net(x)), expected, strict=True):
                np.testing.assert_array_equal(got, one)


def test_the_number_of_threads_is_the_one_that_was_set_last() -> None:
    Target("c").skip_unless_able()
    net, x = NETS["lstm"](backend="c"), plain(4, 3, 5)
    for n in (2, 1, 3):
        rnnfast.set_num_threads(n)
        net(x)
        *_, tape = net.record(x)
        forms = net._engine().forms.values()
        assert {slot.record.num_threads for form in forms for slot in form.bound.idle_forward} == {n}
        rnnfast.set_num_threads(n + 1)
        tape.backward()
        assert [slot.record.num_threads for form in forms for slot in form.bound.idle_backward][-1] == n + 1


def test_only_so_many_shapes_are_kept() -> None:
    Target("c").skip_unless_able()
    net = NETS["lstm"](backend="c")
    for steps in range(1, 2 * prepared.FORMS_KEPT):
        net(plain(steps, 1, 5))
    assert 0 < len(net._engine().forms) <= prepared.FORMS_KEPT
