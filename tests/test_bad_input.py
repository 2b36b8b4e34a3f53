"""Bad input: nothing crashes, nothing is silently reshaped or cast, and every message says what is wrong."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import BACKEND, CELLS, EVERY_KIND, KINDS, normal, states

import rnnfast

T, B, I, H = 7, 4, 10, 6  # noqa: E741 (I is the input size)
X = normal(T, B, I).astype(np.float32)
SWAPPED = X.dtype.newbyteorder()
CLASSES: dict[str, Any] = {"rnn": rnnfast.RNN, "lstm": rnnfast.LSTM, "gru": rnnfast.GRU}
EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)


def lstm(**options: Any) -> Any:
    """A float32 LSTM."""
    return KINDS["lstm"](I, H, **options)


def zeros(*shape: int) -> Any:
    """A float32 array."""
    return np.zeros(shape, np.float32)


def fails(kind: type[Exception], message: str) -> Any:
    """The `with` block raises exactly this error with exactly these words in its message."""
    return pytest.raises(kind, match=re.escape(message))


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
@EVERY_CLASS
def test_sizes(kind: str, name: str) -> None:
    sizes: dict[str, Any] = {"input_size": I, "hidden_size": H}
    for bad in (0, -1):
        with fails(ValueError, f"{name} is {bad}, expected at least 1"):
            CLASSES[kind](**sizes | {name: bad})
    for wrong in (2.0, "2", None, True):
        with fails(TypeError, f"{name} must be a whole number, got {type(wrong).__name__}"):
            CLASSES[kind](**sizes | {name: wrong})
    assert (
        CLASSES[kind](**sizes | {name: np.int32(2)}, backend=BACKEND)(zeros(T, B, 2 if name == "input_size" else I))[
            0
        ].shape[0]
        == T
    )


@pytest.mark.parametrize("name", ["dropout", "input_dropout", "recurrent_dropout"])
@EVERY_CLASS
def test_dropout_outside_its_range(kind: str, name: str) -> None:
    for bad in (1, 1.5, -0.1, float("nan"), float("inf")):
        with fails(ValueError, f"{name} is {bad}, expected a probability in [0, 1)"):
            CLASSES[kind](I, H, **{name: bad})
    with fails(TypeError, f"{name} must be a probability in [0, 1), got str"):
        CLASSES[kind](I, H, **{name: "0.5"})


def test_options() -> None:
    with fails(ValueError, "masked_output is 'last', expected one of 'zero', 'hold'"):
        rnnfast.GRU(I, H, masked_output="last")  # type: ignore[arg-type]
    with fails(ValueError, "nonlinearity is 'sigmoid', expected one of 'tanh', 'relu', 'linear'"):
        rnnfast.RNN(I, H, nonlinearity="sigmoid")  # type: ignore[arg-type]
    with fails(ValueError, "forget_bias is 1.0, but bias=False"):
        rnnfast.LSTM(I, H, bias=False, forget_bias=1.0)
    for seed in (-1, 2**64):
        with fails(ValueError, f"dropout_seed is {seed}, expected 0 to {2**64 - 1}"):
            lstm().record(X, dropout_seed=seed)
    with fails(TypeError, "dropout_seed must be a whole number, got float"):
        lstm().record(X, dropout_seed=1.0)


@pytest.mark.parametrize("dtype", ["float16", "int32", "complex64", None, "longdouble", SWAPPED, "no such type"])
@EVERY_CLASS
def test_dtypes_nets_do_not_have(kind: str, dtype: Any) -> None:
    with pytest.raises(TypeError):
        CLASSES[kind](I, H, dtype=dtype)


@EVERY_KIND
def test_features(kind: str) -> None:
    net, name = KINDS[kind](I, H), kind.split("_")[0].upper()
    with fails(ValueError, f"x has 12 features, this {name} was made for 10"):
        net(zeros(T, B, 12))
    with fails(ValueError, f"x has 12 features, this {name}Cell was made for 10"):
        CELLS[kind](I, H)(zeros(B, 12))


@EVERY_KIND
def test_rank(kind: str) -> None:
    for shape in ((), (I,), (1, T, B, I)):
        with fails(ValueError, f"x has shape {shape}, expected (T, B, 10) or, without a batch axis, (T, 10)"):
            KINDS[kind](I, H)(zeros(*shape))
        with fails(ValueError, f"x has shape {shape}, expected (B, T, 10) or, without a batch axis, (T, 10)"):
            KINDS[kind](I, H, batch_first=True).record(zeros(*shape))
    for shape in ((), (T, B, I)):
        with fails(ValueError, f"x has shape {shape}, expected (B, 10) or, without a batch axis, (10,)"):
            CELLS[kind](I, H)(zeros(*shape))


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "int32", "bool", "complex64", "longdouble", object, "U3", "V4"]
)
@EVERY_KIND
def test_x_of_another_dtype(kind: str, dtype: Any) -> None:
    wrong = np.zeros((T, B, I), dtype)
    for call in (KINDS[kind](I, H), KINDS[kind](I, H).record, KINDS[kind](I, H).freeze()):
        with fails(TypeError, "x has dtype"):
            call(wrong)
    with fails(TypeError, "x has dtype"):
        KINDS[kind](I, H).stream(B).step(wrong[0])
    with fails(TypeError, "x has dtype"):
        CELLS[kind](I, H)(wrong[0])


def test_mixed_dtypes_say_what_to_do() -> None:
    with fails(
        TypeError, "float64, this LSTM computes in float32: convert it with .astype('float32'), or make the LSTM"
    ):
        lstm()(X.astype(np.float64))
    with fails(TypeError, "x has dtype float32, this GRU computes in float64"):
        KINDS["gru"](I, H, dtype="float64")(X)
    with fails(TypeError, "x has dtype float64"):
        lstm()(X.tolist())


def test_byte_order() -> None:
    with fails(TypeError, f"x has dtype '{SWAPPED.str}', not this machine's byte order"):
        lstm()(X.astype(SWAPPED))
    _, _, tape = lstm().record(X)
    with fails(TypeError, "dy has dtype"):
        tape.backward(zeros(T, B, H).astype(SWAPPED))
    with fails(TypeError, "lengths has dtype"):
        lstm()(X, lengths=np.full(B, T).astype(np.dtype(np.int64).newbyteorder()))


def test_what_is_no_array() -> None:
    for wrong in (None, object(), {"x": 1}, "x", [[None]]):
        with pytest.raises(TypeError, match=r"^x "):
            lstm()(wrong)
    with fails(ValueError, "x is not a rectangular array"):
        lstm()([[1.0, 2.0], [3.0]])
    with fails(TypeError, "x is a masked array"):
        lstm()(np.ma.masked_less(X, 0))


@EVERY_KIND
def test_states(kind: str) -> None:
    net, cell, name = KINDS[kind](I, H, 2), CELLS[kind](I, H), kind.split("_")[0].upper()
    _, _, tape = net.record(X, keep=True)
    if kind == "lstm":
        h = zeros(2, B, H)
        with fails(TypeError, "state is of type ndarray, this LSTM has two states: pass the tuple (h, c)"):
            net(X, h)
        with fails(ValueError, "state has 3 parts, this LSTM has two states: pass the tuple (h, c)"):
            net(X, (h, h, h))
        with fails(TypeError, "d_state is of type ndarray"):
            tape.backward(d_state=h)
        with fails(ValueError, f"state[1] has shape (1, 4, 6), expected {(2, B, H)}"):
            net(X, (h, h[:1]))
        with fails(TypeError, "d_state[1] has dtype float64"):
            tape.backward(d_state=(h, h.astype(np.float64)))
        return
    with fails(TypeError, f"state is of type tuple, this {name} has one state: pass the array h"):
        net(X, (zeros(2, B, H),))
    for shape in ((2, B, H + 1), (1, B, H), (B, H), (B, 2, H)):
        with fails(ValueError, f"state has shape {shape}, expected (2, 4, 6)"):
            net(X, zeros(*shape))
        with fails(ValueError, f"d_state has shape {shape}, expected (2, 4, 6)"):
            tape.backward(d_state=zeros(*shape))
    with fails(ValueError, "state has shape (2, 4, 6), expected (2, 6)"):
        net(X[:, 0], zeros(2, B, H))
    with fails(ValueError, "state has shape (1, 4, 6), expected (4, 6)"):
        cell(X[0], zeros(1, B, H))
    with fails(TypeError, "state has dtype float64, this"):
        net(X, np.zeros((2, B, H)))


def test_lengths() -> None:
    net = lstm()
    for bad in ([T + 1, 1, 1, 1], [-1, 1, 1, 1], np.array([2**64 - 1, 0, 0, 0], np.uint64)):
        low, high = np.min(bad), np.max(bad)
        with fails(ValueError, f"lengths go from {low} to {high}, expected 0 to {T}"):
            net(X, lengths=bad)
    for shape in ((B + 1,), (B, 1), ()):
        with fails(ValueError, f"lengths has shape {shape}, expected (4,)"):
            net(X, lengths=np.ones(shape, int))
    for wrong in ([1.0] * B, [True] * B, ["1"] * B):
        with fails(TypeError, "lengths has dtype"):
            net(X, lengths=wrong)
    for kind in (np.uint8, np.int16, np.uint64):
        np.testing.assert_array_equal(net(X, lengths=np.arange(B, dtype=kind))[0], net(X, lengths=range(B))[0])


@pytest.mark.parametrize("name", ["mask", "resets"])
def test_flags(name: str) -> None:
    net, first = lstm(), lstm(batch_first=True)
    for shape in ((B, T), (T,), (T, B, 1), (T, B + 1)):
        with fails(ValueError, f"{name} has shape {shape}, expected (7, 4)"):
            net(X, **{name: np.ones(shape, bool)})
    with fails(ValueError, f"{name} has shape (4, 7), expected (7, 4)"):
        first(X, **{name: np.ones((B, T), bool)})
    with fails(ValueError, f"{name} has shape (7, 1), expected (7,)"):
        net(X[:, 0], **{name: np.ones((T, 1), bool)})
    for kind in (int, np.float32, np.int8, object):
        with fails(TypeError, f"{name} has dtype"):
            net(X, **{name: np.ones((T, B), kind)})


@EVERY_KIND
def test_dy(kind: str) -> None:
    _, _, tape = KINDS[kind](I, H).record(X)
    for shape in ((T, B, H + 1), (T, B), (B, T, H)):
        with fails(ValueError, f"dy has shape {shape}, expected (7, 4, 6)"):
            tape.backward(zeros(*shape))
    with fails(TypeError, "dy has dtype float64"):
        tape.backward(np.zeros((T, B, H)))
    tape.backward(zeros(T, B, H))


def unwriteable(*shape: int) -> Any:
    """A read-only array."""
    array = zeros(*shape)
    array.flags.writeable = False
    return array


def test_out_of_a_call() -> None:
    for call in (lstm(), lstm().freeze()):
        with fails(ValueError, "out has shape (4, 7, 6), expected (7, 4, 6)"):
            call(X, out=zeros(B, T, H))
        with fails(TypeError, "out has dtype float64"):
            call(X, out=np.zeros((T, B, H)))
        with fails(TypeError, "out must be a NumPy array to write into, got list"):
            call(X, out=zeros(T, B, H).tolist())
        with fails(ValueError, "out is read-only"):
            call(X, out=unwriteable(T, B, H))
        with fails(ValueError, "expected an aligned array with a contiguous last axis"):
            call(X, out=zeros(T, B, 2 * H)[..., ::2])


def test_out_of_backward() -> None:
    net = lstm()
    _, _, tape = net.record(X, keep=True)
    grads = tape.backward()
    some = dict(list(grads.params.items())[1:]) | {"bias": zeros(1)}
    with fails(ValueError, "missing ['weight_ih_l0'], of no parameter ['bias']"):
        tape.backward(out=some)
    for bad in (zeros(4 * H), None):
        with pytest.raises((ValueError, TypeError), match=r"out\['weight_hh_l0'\]"):
            tape.backward(out=grads.params | {"weight_hh_l0": bad})
    with fails(ValueError, "expected an aligned C-contiguous array"):
        tape.backward(out=grads.params | {"weight_hh_l0": zeros(H, 4 * H).T})
    with fails(ValueError, "accumulate=True adds to the gradients in out"):
        tape.backward(accumulate=True)
    with fails(TypeError, "out is of type list"):
        tape.backward(out=list(grads.params.values()))
    _, _, other = net.record(X[:3])
    with fails(ValueError, "out.x has shape (7, 4, 10), expected (3, 4, 10)"):
        other.backward(out=grads)
    other.backward(out=grads.params)


def test_streams() -> None:
    for make in (lstm(bidirectional=True).stream, lstm(bidirectional=True).freeze().stream):
        with fails(ValueError, "this LSTM is bidirectional"):
            make()
    with fails(ValueError, "batch is 0, expected at least 1"):
        lstm().stream(batch=0)
    with fails(TypeError, "batch must be a whole number, got float"):
        lstm().stream(batch=1.0)
    stream = lstm().stream(batch=B)
    for shape in ((B, I + 1), (B + 1, I), (I,), (1, B, I)):
        with fails(ValueError, f"x has shape {shape}, expected (4, 10)"):
            stream.step(zeros(*shape))
    with fails(ValueError, "mask has shape (1,), expected (4,)"):
        stream.reset(np.ones(1, bool))
    with fails(TypeError, "mask has dtype int64"):
        stream.reset(np.ones(B, np.int64))
    with fails(ValueError, "out has shape (6,), expected (4, 6)"):
        stream.step(X[0], out=zeros(H))


def test_sizes_beyond_memory() -> None:
    for sizes in ((2**62, 1), (1, 2**31), (1, 2**62), (2, 3, 2**62), (2**45, 2**10)):
        with pytest.raises(MemoryError):
            rnnfast.LSTM(*sizes)
        if len(sizes) == 2:
            with pytest.raises(MemoryError):
                rnnfast.GRUCell(*sizes)
    with pytest.raises(MemoryError):
        lstm().stream(batch=2**60)


@pytest.mark.parametrize("shape", [(2**55, 1, I), (1, 2**55, I), (2**30, 2**25, I), (2**57, I)])
@EVERY_KIND
def test_broadcast_inputs_beyond_memory(kind: str, shape: tuple[int, ...]) -> None:
    for last in (zeros(I), zeros(1)):
        huge = np.broadcast_to(last, shape)
        for batch_first in (False, True):
            net = KINDS[kind](I, H, bidirectional=True, batch_first=batch_first)
            for call in (net, net.record, net.freeze()):
                with pytest.raises(MemoryError):
                    call(huge)
    flags = np.broadcast_to(np.True_, shape[:-1])
    with pytest.raises(MemoryError):
        net(huge, lengths=np.broadcast_to(np.int64(1), shape[1:-1]), mask=flags, resets=flags)


def test_a_mask_beyond_memory() -> None:
    with pytest.raises(ValueError, match="mask has shape"):
        lstm()(X, mask=np.broadcast_to(np.True_, (2**55, B)))


@EVERY_KIND
def test_not_finite_numbers_stay_in_their_row(kind: str) -> None:
    net = KINDS[kind](I, H, 2, dtype="float64")
    x, state, dy = normal(T, B, I), states(kind, 2, B, H), normal(T, B, H)
    y, _, tape = net.record(x, state)
    dx = tape.backward(dy).x
    for bad in (np.nan, np.inf, -np.inf):
        x[2, 1] = bad
        y_bad, _, tape = net.record(x, state)
        dx_bad = tape.backward(dy).x
        others = [0, 2, 3]
        np.testing.assert_array_equal(y_bad[:, others], y[:, others])
        np.testing.assert_array_equal(dx_bad[:, others], dx[:, others])
        np.testing.assert_array_equal(y_bad[:2], y[:2])
        assert not np.isnan(bad) or np.isnan(y_bad[2:, 1]).all()


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
DTYPES = st.sampled_from(["float32", "float64", "int64", "bool", "uint8", ">f4", "O"])
ARRAYS = st.builds(np.zeros, SHAPES, DTYPES)
NETS = {(kind, first): KINDS[kind](3, 2, batch_first=first) for kind in KINDS for first in (False, True)}


@given(net=st.sampled_from(sorted(NETS)), x=ARRAYS, options=st.data())
def test_any_arrays_give_a_result_of_the_right_shape_or_a_named_error(net: Any, x: Any, options: Any) -> None:
    names = ("state", "lengths", "mask", "resets", "out")
    given_options = {name: options.draw(st.none() | ARRAYS, label=name) for name in names}
    try:
        y, _ = NETS[net](x, **given_options)
    except (ValueError, TypeError) as error:
        assert re.match("(x|state|lengths|mask|resets|out)", str(error)), error
    else:
        assert y.shape == (*x.shape[:-1], 2) and y.dtype == x.dtype == np.float32


@given(dtype=DTYPES, shape=SHAPES)
def test_only_matching_arrays_run(dtype: Any, shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, dtype)
    fits = x.dtype == np.float32 and x.ndim in (2, 3) and x.shape[-1] == 3
    try:
        NETS["gru", False](x)
    except (ValueError, TypeError):
        assert not fits
    else:
        assert fits


def test_unknown_backend() -> None:
    with fails(ValueError, "backend= names no backend: 'fast', expected one of c, "):
        rnnfast.GRU(I, H, backend="fast")
    assert BACKEND in rnnfast.backends()


@pytest.mark.parametrize("name", ["bias", "batch_first", "bidirectional"])
@EVERY_CLASS
def test_switches_are_true_or_false(kind: str, name: str) -> None:
    with fails(TypeError, f"{name} must be True or False, got str"):
        CLASSES[kind](I, H, **{name: "false"})
    with fails(TypeError, "reset_after must be True or False, got int"):
        rnnfast.GRU(I, H, reset_after=1)  # type: ignore[arg-type]


def test_the_parameters_cannot_be_replaced() -> None:
    with pytest.raises(AttributeError):
        lstm().parameters = {}


def test_of_threads_that_share_a_tape_one_is_served() -> None:
    net = rnnfast.LSTM(I, 32, seed=0, backend=BACKEND)
    x = normal(50, 8, I).astype(np.float32)
    y, _, tape = net.record(x, dropout_seed=0)
    expected = net.record(x, dropout_seed=0)[2].backward(y)
    served, start = [], threading.Barrier(4)

    def serve() -> None:
        start.wait()
        with suppress(RuntimeError):
            served.append(tape.backward(y))

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 1
    np.testing.assert_array_equal(served[0].params["weight_hh_l0"], expected.params["weight_hh_l0"])
