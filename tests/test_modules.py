"""The modules: layouts, states, tapes, dropout, frozen nets, streams and step cells agree with each other."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, CELLS, EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states

import rnnfast
from rnnfast.arrays import as_array, strided

T, B, I, H = 7, 4, 5, 6  # noqa: E741 (I is the input size)
OPTIONS: dict[str, Any] = {"dtype": "float64", "seed": 3}
SEQUENCE_OPTIONS: dict[str, Any] = {
    "lengths": np.array([7, 0, 3, 5]),
    "mask": np.random.default_rng(5).random((T, B)) < 0.8,
    "resets": np.random.default_rng(6).random((T, B)) < 0.2,
}


def everything(net: Any, x: Any, state: Any, dy: Any, d_state: Any, **options: Any) -> tuple[Any, ...]:
    """y, final state and all gradients of one recorded call."""
    y, final, tape = net.record(x, state, **options)
    grads = tape.backward(dy, d_state)
    return y, final, grads.x, grads.state, grads.params


def swapped(a: Any) -> Any:
    """The other one of time-major and batch-first."""
    return a.swapaxes(0, 1)


@EVERY_KIND
@pytest.mark.parametrize("hold", [False, True])
def test_batch_first_says_the_same(kind: str, hold: bool) -> None:
    options = OPTIONS | {"num_layers": 2, "bidirectional": True, "masked_output": "hold" if hold else "zero"}
    one, other = KINDS[kind](I, H, **options), KINDS[kind](I, H, batch_first=True, **options)
    x, dy, state = normal(T, B, I), normal(T, B, 2 * H), states(kind, 4, B, H)
    y, final, dx, *rest = everything(one, x, state, dy, state, **SEQUENCE_OPTIONS)
    turned = {name: a if name == "lengths" else swapped(a) for name, a in SEQUENCE_OPTIONS.items()}
    y2, final2, dx2, *rest2 = everything(other, swapped(x), state, swapped(dy), state, **turned)
    assert y2.shape == (B, T, 2 * H) and y2.flags.c_contiguous and y.flags.c_contiguous
    assert_same((swapped(y2), final2, swapped(dx2), *rest2), (y, final, dx, *rest))
    assert_same(other(swapped(x), state, **turned), (y2, final2))


@EVERY_KIND
def test_one_sequence_is_a_batch_of_one(kind: str) -> None:
    net = KINDS[kind](I, H, num_layers=2, bidirectional=True, **OPTIONS)
    x, dy, state = normal(T, I), normal(T, 2 * H), states(kind, 4, H)
    options = {"lengths": 5, "mask": SEQUENCE_OPTIONS["mask"][:, 0], "resets": SEQUENCE_OPTIONS["resets"][:, 0]}
    y, final, dx, d_state, params = everything(net, x, state, dy, state, **options)
    batched = map_state(lambda a: a[:, None], state)
    in_batch = {"lengths": [5], "mask": options["mask"][:, None], "resets": options["resets"][:, None]}
    expected = everything(net, x[:, None], batched, dy[:, None], batched, **in_batch)
    assert y.shape == (T, 2 * H) and parts(final)[0].shape == (4, H) and dx.shape == (T, I)
    assert_same((y[:, None], map_state(lambda a: a[:, None], final), dx[:, None]), expected[:3])
    assert_same((map_state(lambda a: a[:, None], d_state), params), expected[3:])


@EVERY_KIND
def test_batch_first_of_one_sequence(kind: str) -> None:
    x = normal(T, I)
    assert_same(KINDS[kind](I, H, batch_first=True, **OPTIONS)(x), KINDS[kind](I, H, **OPTIONS)(x))


@EVERY_KIND
def test_chunks_that_hand_on_the_state(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I)
    y, final = net(x)
    first, state = net(x[:3])
    second, state = net(x[3:], state)
    assert_same((np.concatenate([first, second]), state), (y, final))


@EVERY_KIND
def test_stream_says_the_same(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I)
    y, final = net(x)
    stream, out = net.stream(batch=B), np.empty((B, H))
    for t in range(T):
        if t % 2:
            assert_same(stream.step(x[t]), y[t])
        else:
            assert stream.step(x[t], out=out) is out
            assert_same(out, y[t])
    assert_same(stream.state, final)


@EVERY_KIND
def test_stream_of_one_sequence(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, I)
    stream = net.stream()
    assert_same(np.stack([stream.step(x[t]) for t in range(T)]), net(x)[0])
    assert stream.step(x[:1]).shape == (1, H)


def test_stream_state_and_reset() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(3, B, I)
    stream = net.stream(batch=B)
    zeros = stream.state
    assert not any(part.any() for part in zeros)
    stream.step(x[0])
    kept = stream.state
    first = stream.step(x[1])
    stream.state = kept
    assert_same(stream.step(x[1]), first)
    after = stream.state
    stream.reset(np.array([True, False, True, False]))
    for part, before in zip(stream.state, after, strict=True):
        assert not part[:, ::2].any()
        assert_same(part[:, 1::2], before[:, 1::2])
    stream.reset()
    assert_same(stream.state, zeros)
    stream.state = None
    assert_same(stream.state, zeros)


def test_stream_state_after_an_error_is_as_it_was() -> None:
    stream = KINDS["gru"](I, H, **OPTIONS).stream()
    stream.step(normal(1, I))
    before = stream.state
    with pytest.raises(ValueError, match="x has shape"):
        stream.step(normal(1, I + 1))
    with pytest.raises(TypeError, match="out must be a NumPy array"):
        stream.step(normal(1, I), out=[0.0] * H)
    with pytest.raises(ValueError, match="state has shape"):
        stream.state = normal(1, 2, H)
    assert_same(stream.state, before)


@EVERY_KIND
def test_frozen_net_is_a_snapshot(kind: str) -> None:
    net, x = KINDS[kind](I, H, num_layers=2, bidirectional=True, **OPTIONS), normal(T, B, I)
    state = states(kind, 4, B, H)
    expected = net(x, state, **SEQUENCE_OPTIONS)
    fast = net.freeze()
    for name in net.parameters:
        net.parameters[name] += 1
    assert not np.allclose(net(x, state, **SEQUENCE_OPTIONS)[0], expected[0])
    out = np.empty_like(expected[0])
    y, final = fast(x, state, **SEQUENCE_OPTIONS, out=out)
    assert y is out
    assert_same((y, final), expected)
    with pytest.raises(ValueError, match="read-only"):
        fast.parameters["weight_hh_l0"] = np.zeros_like(net.parameters["weight_hh_l0"])
    with pytest.raises(AttributeError):
        fast.parameters = net.parameters


@EVERY_KIND
def test_out_takes_y_even_where_it_overlaps_an_input(kind: str) -> None:
    net, x, state = KINDS[kind](H, H, num_layers=2, **OPTIONS), normal(T, B, H), states(kind, 2, B, H)
    expected, final = net(x, state)
    out = x.copy()
    y, _ = net(out, state, out=out)
    assert y is out
    assert_same(y, expected)
    buffer = np.empty((T, B, H))
    start = buffer[:2]
    start[...] = parts(state)[0]
    overlapping = (start, state[1]) if kind == "lstm" else start
    assert_same(net(x, overlapping, out=buffer), (expected, final))
    strided_out = np.zeros((B, 2 * T, H + 2))[:, ::-2, 1:-1].swapaxes(0, 1)
    assert_same(net(x, state, out=strided_out)[0], expected)


@EVERY_KIND
def test_state_defaults_to_zeros(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, B, I)
    zeros = map_state(np.zeros_like, states(kind, 1, B, H))
    assert_same(net(x), net(x, zeros))
    if kind == "lstm":
        assert_same(net(x, (None, zeros[1])), net(x))


@EVERY_KIND
def test_backward_into_given_arrays(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    d_state = states(kind, 2, B, H)

    def backward(**options: Any) -> Any:
        return net.record(x)[2].backward(dy, d_state, **options)

    expected = backward()
    given = backward()
    assert_same(backward(out=given), expected)
    again = backward(out=given, accumulate=True)
    assert again.x is given.x and again.params is given.params
    assert all(a is b for a, b in zip(parts(again.state), parts(given.state), strict=True))
    assert_same(again.params, {name: 2 * grad for name, grad in expected.params.items()})
    assert_same((again.x, again.state), (expected.x, expected.state))
    only = {name: np.full_like(grad, np.nan) for name, grad in expected.params.items()}
    assert backward(out=only).params is only
    assert_same(only, expected.params)
    without = backward(need_x=False)
    assert without.x is None
    assert_same((without.state, without.params), (expected.state, expected.params))


@EVERY_KIND
def test_results_over_inputs_still_to_be_read(kind: str) -> None:
    net, steps = KINDS[kind](H, H, **OPTIONS), 300
    x, dy, state = normal(steps, B, H), normal(steps, B, H, seed=4), states(kind, 1, B, H)
    y, final, tape = net.record(x, state)
    expected = tape.backward(dy, state)
    buffer = np.concatenate([x, x[:1]])
    assert_same(net(buffer[:-1], state, out=buffer[1:]), (y, final))  # y_t lies where x_{t+1} was
    _, _, tape = net.record(x, state)
    buffer = np.concatenate([dy[:1], dy])
    onto = replace(net.record(x)[2].backward(), x=buffer[:-1], state=map_state(np.copy, state))
    assert_same(tape.backward(buffer[1:], onto.state, out=onto), expected)  # dx_t lies where dy_{t-1} was


@EVERY_KIND
def test_truncated_backward_hands_on_the_state_gradient(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, **OPTIONS), normal(6, B, I), normal(6, B, H)
    whole = net.record(x)[2].backward(dy)
    _, state, first = net.record(x[:3])
    _, _, second = net.record(x[3:], state)
    grads = second.backward(dy[3:])
    grads = first.backward(dy[:3], grads.state, out=grads, accumulate=True)  # d_state is where dh0 goes
    assert_same((grads.state, grads.params), (whole.state, whole.params))


@EVERY_KIND
def test_gradients_left_out_are_zeros(kind: str) -> None:
    net, x = KINDS[kind](I, H, **OPTIONS), normal(T, B, I)
    grads = net.record(x)[2].backward()
    assert not any(a.any() for a in (grads.x, *parts(grads.state), *grads.params.values()))
    zeros = map_state(np.zeros_like, states(kind, 1, B, H))
    dy = normal(T, B, H)
    assert_same(net.record(x)[2].backward(dy), net.record(x)[2].backward(dy, zeros))


@EVERY_KIND
def test_a_tape_serves_once_unless_kept(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    _, _, tape = net.record(x)
    with pytest.raises(ValueError, match="dy has shape"):
        tape.backward(dy[1:])
    expected = tape.backward(dy)
    for use in (tape.backward, tape.gates):
        with pytest.raises(RuntimeError, match="keep=True"):
            use()
    _, _, kept = net.record(x, keep=True)
    gates = kept.gates()
    assert_same(kept.backward(dy), expected)
    assert_same(kept.backward(dy), expected)
    assert_same(kept.gates(), gates)


@EVERY_KIND
def test_outputs_are_the_callers_to_change(kind: str) -> None:
    net, x, dy = KINDS[kind](I, H, num_layers=2, **OPTIONS), normal(T, B, I), normal(T, B, H)
    expected = net.record(x)[2].backward(dy)
    y, state, tape = net.record(x)
    for array in (y, *parts(state)):
        array.fill(np.nan)
    assert_same(tape.backward(dy), expected)


def test_gates_and_cell_states_obey_the_equations() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I)
    y, (_, c_n), tape = net.record(x)
    i, f, g, o = tape.gates().values()
    c = tape.cell_states
    before = np.concatenate([np.zeros((1, 1, B, H)), c[:, :-1]], axis=1)
    assert_same(f * before + i * g, c)
    assert_same((o * np.tanh(c))[0], y)
    assert_same(c[:, -1], c_n)
    with pytest.raises(AttributeError, match="no cell states"):
        _ = KINDS["gru"](I, H, **OPTIONS).record(x)[2].cell_states


@EVERY_KIND
def test_gate_shapes_and_names(kind: str) -> None:
    names = {"rnn": ["h"], "lstm": list("ifgo"), "gru": list("rzn"), "gru_before": list("rzn")}[kind]
    net = KINDS[kind](I, H, num_layers=2, bidirectional=True, batch_first=True, **OPTIONS)
    for x, shape in ((normal(B, T, I), (4, T, B, H)), (normal(T, I), (4, T, H))):
        gates = net.record(x)[2].gates()
        assert list(gates) == names and all(gate.shape == shape for gate in gates.values())


@EVERY_KIND
def test_step_cells_are_modules_of_one_step(kind: str) -> None:
    net, cell, x = KINDS[kind](I, H, **OPTIONS), CELLS[kind](I, H, **OPTIONS), normal(T, B, I)
    assert list(cell.parameters) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    cell.load_state_dict({name.removesuffix("_l0"): a for name, a in net.state_dict().items()})
    dy, state, tapes, ys = normal(T, B, H), None, [], []
    for t in range(T):
        assert_same(cell(x[t], state), cell.record(x[t], state)[0])
        state, tape = cell.record(x[t], state)
        tapes.append(tape)
        ys.append(parts(state)[0])
    y, final, whole = net.record(x)
    assert_same(np.stack(ys), y)
    assert_same(map_state(lambda a: a[None], state), final)

    expected = whole.backward(dy)
    grads: Any = None
    dxs = []
    for t in reversed(range(T)):
        grads = tapes[t].backward(dy[t], grads and grads.state, out=grads and grads.params, accumulate=t < T - 1)
        dxs.insert(0, grads.x)
    assert_same(np.stack(dxs), expected.x)
    assert_same(map_state(lambda a: a[None], grads.state), expected.state)
    assert_same({f"{name}_l0": grad for name, grad in grads.params.items()}, expected.params)


@EVERY_KIND
def test_step_cell_without_batch(kind: str) -> None:
    cell, x, state = CELLS[kind](I, H, **OPTIONS), normal(I), states(kind, H)
    new, tape = cell.record(x, state)
    gates = tape.gates()
    grads = tape.backward(d_state=state)
    in_batch, batch_tape = cell.record(x[None], map_state(lambda a: a[None], state))
    batch_grads = batch_tape.backward(d_state=map_state(lambda a: a[None], state))
    assert_same(map_state(lambda a: a[None], new), in_batch)
    assert grads.x.shape == (I,) and all(gate.shape == (H,) for gate in gates.values())
    assert_same((grads.x[None], grads.params), (batch_grads.x, batch_grads.params))


def test_dropout_applies_in_training_only() -> None:
    net, x = KINDS["gru"](I, H, 2, dropout=0.5, input_dropout=0.4, recurrent_dropout=0.3, **OPTIONS), normal(T, B, I)
    y, _ = net(x)
    assert_same(net.record(x, train=False)[0], y)
    assert not np.allclose(net.record(x)[0], y)


def test_dropout_seeds() -> None:
    first, second = (KINDS["lstm"](I, H, 2, dropout=0.5, **OPTIONS) for _ in range(2))
    x = normal(T, B, I)
    ys = [first.record(x)[0] for _ in range(3)]
    assert not np.allclose(ys[0], ys[1]) and not np.allclose(ys[1], ys[2])
    for y in ys:  # the same seed draws the same masks, one after the other
        got, _, tape = second.record(x)
        assert_same(got, y)
        assert_same(first.record(x, dropout_seed=tape.dropout_seed)[0], y)
    highest = first.record(x, dropout_seed=2**64 - 1)[0]
    assert_same(first.record(x, dropout_seed=2**64 - 1)[0], highest)
    assert first.record(x)[2].dropout_seed == second.record(x)[2].dropout_seed  # a given seed advances nothing


def test_initial_values() -> None:
    one, same, other = (rnnfast.LSTM(I, 100, seed=seed, backend=BACKEND) for seed in (1, 1, 2))
    fresh, again = (rnnfast.LSTM(I, 100, backend=BACKEND) for _ in range(2))
    for name, array in one.parameters.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, same.parameters[name])
        assert not np.array_equal(array, other.parameters[name])
        assert not np.array_equal(fresh.parameters[name], again.parameters[name])
        assert 0.095 < np.abs(array).max() <= np.float32(0.1)
        assert abs(array.mean()) < 0.02 and abs(array.std() - 0.1 / np.sqrt(3)) < 0.01


def test_forget_bias_is_the_total() -> None:
    net = rnnfast.LSTM(I, H, 2, bidirectional=True, forget_bias=1.5, backend=BACKEND)
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        total = net.parameters[f"bias_ih{suffix}"] + net.parameters[f"bias_hh{suffix}"]
        assert (total[H : 2 * H] == 1.5).all()
        assert not (total[:H] == 1.5).any() and not (total[2 * H :] == 1.5).any()
    assert (rnnfast.LSTMCell(I, H, forget_bias=2, backend=BACKEND).parameters["bias_ih"][H : 2 * H] == 2).all()


@pytest.mark.parametrize("bias", [True, False])
@EVERY_KIND
def test_parameters_have_torchs_names_and_shapes(kind: str, bias: bool) -> None:
    gates = {"rnn": 1, "lstm": 4, "gru": 3, "gru_before": 3}[kind]
    net = KINDS[kind](I, H, 2, bidirectional=True, bias=bias)
    found = {name: array.shape for name, array in net.parameters.items()}
    shapes = {
        "weight_ih": (gates * H, I),
        "weight_hh": (gates * H, H),
        "bias_ih": (gates * H,),
        "bias_hh": (gates * H,),
    }
    names = list(shapes)[: 4 if bias else 2]
    expected = {f"{name}_l0{end}": shapes[name] for end in ("", "_reverse") for name in names}
    shapes["weight_ih"] = (gates * H, 2 * H)
    expected |= {f"{name}_l1{end}": shapes[name] for end in ("", "_reverse") for name in names}
    assert found == expected and list(found) == list(expected)
    assert net.net.num_parameters == sum(array.size for array in net.parameters.values())


def test_parameters_are_live_and_keep_their_arrays() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I)
    before, arrays = net(x)[0], dict(net.parameters)
    net.parameters["bias_ih_l0"] -= 0.5
    net.parameters["weight_hh_l0"] = net.parameters["weight_hh_l0"] * 2
    assert not np.allclose(net(x)[0], before)
    assert all(net.parameters[name] is array for name, array in arrays.items())
    with pytest.raises(TypeError, match="bias_ih_l0 has dtype float32"):
        net.parameters["bias_ih_l0"] = np.zeros(4 * H, np.float32)
    with pytest.raises(ValueError, match=r"bias_ih_l0 has shape \(6,\), expected \(24,\)"):
        net.parameters["bias_ih_l0"] = np.zeros(H)
    with pytest.raises(KeyError):
        net.parameters["bias"] = np.zeros(H)


@EVERY_KIND
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_whole_and_apart(kind: str, copied: Any) -> None:
    net, x = KINDS[kind](I, H, 2, dropout=0.5, **OPTIONS), normal(T, B, I)
    net.record(x)
    other = copied(net)
    assert_same(other.record(x)[0], net.record(x)[0])
    expected = net(x)
    for name in other.parameters:
        other.parameters[name] *= 2
    assert not np.allclose(other(x)[0], expected[0])
    assert_same(net(x), expected)


@pytest.mark.parametrize("steps, batch", [(0, B), (T, 0), (0, 0)])
@pytest.mark.parametrize("batch_first", [False, True])
@EVERY_KIND
def test_no_steps_or_no_rows(kind: str, steps: int, batch: int, batch_first: bool) -> None:
    net = KINDS[kind](I, H, 2, bidirectional=True, batch_first=batch_first, **OPTIONS)
    shape = (batch, steps) if batch_first else (steps, batch)
    state = states(kind, 4, batch, H)
    x, lengths, flags = np.zeros((*shape, I)), np.zeros(batch, int), np.ones(shape, bool)
    y, final, tape = net.record(x, state, lengths=lengths, mask=flags, resets=flags)
    assert y.shape == (*shape, 2 * H)
    assert_same(final, state)
    grads = tape.backward(y, state)
    assert grads.x.shape == x.shape and not any(grad.any() for grad in grads.params.values())
    assert_same(grads.state, state)
    assert_same(net.freeze()(x, state), (y, final))


@pytest.mark.parametrize("batch_first", [False, True])
def test_any_memory_layout(batch_first: bool) -> None:
    net = KINDS["gru"](I, H, 2, batch_first=batch_first, **OPTIONS)
    x, dy = normal(T, B, I), normal(T, B, H)
    expected = everything(net, x, None, dy, None)
    memory = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = memory[1:].view(np.float64).reshape(x.shape)
    misaligned[...] = x
    rows_apart = np.zeros((T, B), np.dtype([("x", np.float64, I), ("byte", np.uint8)]))["x"]
    rows_apart[...] = x
    for view in (
        x.swapaxes(0, 1).copy().swapaxes(0, 1),
        x[::-1, ::-1].copy()[::-1, ::-1],
        np.repeat(x, 2, axis=2)[..., ::2],
        x[..., ::-1].copy()[..., ::-1],
        np.asfortranarray(x),
        misaligned,
        rows_apart,
        x.tolist(),
    ):
        assert_same(everything(net, view, None, dy, None), expected)
    state = normal(2, x.shape[0 if batch_first else 1], 2 * H)[..., ::2]
    assert_same(net(x, state), net(x, state.copy()))


def test_repeated_inputs_cost_no_memory() -> None:
    net, x = KINDS["gru"](I, H, **OPTIONS), normal(I)
    everywhere = np.broadcast_to(x, (T, B, I))
    assert strided(everywhere) is everywhere
    assert_same(net(everywhere), net(everywhere.copy()))
    constant = np.broadcast_to(np.float64(2), (T, B, I))
    assert strided(constant).base.size == I
    assert_same(net(constant), net(constant.copy()))


class HasInterface:
    """An array seen only through `__array_interface__`."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


def test_other_arrays_are_seen_without_a_copy() -> None:
    net, x = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I)
    assert np.shares_memory(as_array("x", HasInterface(x)), x)
    assert_same(net(HasInterface(x)), net(x))


def test_torch_tensors_are_seen_without_a_copy() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    net, x, mask = KINDS["lstm"](I, H, **OPTIONS), normal(T, B, I), SEQUENCE_OPTIONS["mask"]
    tensor = torch.from_numpy(x)
    assert np.shares_memory(as_array("x", tensor), x)
    state = states("lstm", 1, B, H)
    given = tuple(map(torch.from_numpy, state))
    got = net(tensor, given, lengths=torch.tensor([7, 0, 3, 5]), mask=torch.from_numpy(mask))
    assert_same(got, net(x, state, lengths=SEQUENCE_OPTIONS["lengths"], mask=mask))
    with pytest.raises(TypeError, match="x, a Tensor, cannot be viewed .*detach"):
        net(tensor.requires_grad_())


def test_nonlinearities_and_reset_gates_differ() -> None:
    x = normal(T, B, I)
    ys = [KINDS["rnn"](I, H, nonlinearity=f, **OPTIONS)(x)[0] for f in ("tanh", "relu", "linear")]
    assert np.abs(ys[0]).max() < 1 and ys[1].min() == 0 and ys[2].min() < 0 and not np.allclose(ys[0], ys[2])
    assert not np.allclose(KINDS["gru"](I, H, **OPTIONS)(x)[0], KINDS["gru_before"](I, H, **OPTIONS)(x)[0])


def test_repr_is_a_constructor_call() -> None:
    assert repr(KINDS["lstm"](I, H, 2, bidirectional=True)) == "LSTM(5, 6, num_layers=2, bidirectional=True)"
    assert repr(CELLS["gru"](I, H, bias=False)) == "GRUCell(5, 6, bias=False)"
