"""thinc's LSTM by rnnfast: results of thinc's own operations, gradients, bits, and what is refused."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from differences import numeric_gradient

from rnnfast.backends.c.library import is_built
from rnnfast.problem import Array

pytest.importorskip("thinc", reason="thinc is not installed")
pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

from thinc.api import NumpyOps  # noqa: E402

from rnnfast.integrations.thinc import RnnfastOps  # noqa: E402
from rnnfast.integrations.thinc.kept import PLACES_KEPT  # noqa: E402
from rnnfast.integrations.thinc.nets import net_for  # noqa: E402

SIZES = {
    "one": (1, 1, 3, 2, [1]),
    "ragged": (1, 1, 5, 4, [4, 3, 3, 1]),
    "both directions": (1, 2, 3, 1, [3, 2, 2, 2, 1]),
    "layers": (3, 1, 4, 9, [2, 2, 2]),
    "layers of both directions": (2, 2, 7, 5, [5, 5, 2, 1, 1, 1]),
    "wide": (2, 2, 33, 17, [6] * 9 + [2] * 4),
    "long": (1, 2, 8, 3, [1] * 70),
}
"""Layers, directions, H, I and how many rows each step has."""
EVERY_SIZE = pytest.mark.parametrize("size", SIZES)
Arguments = tuple[Array, Array, Array, Array, Array]


def arguments(size: str, dtype: str = "float32") -> Arguments:
    """Parameters, H0, C0, X and size_at_t, random, states too."""
    layers, directions, hidden, inputs, sizes = SIZES[size]
    rng, columns = np.random.default_rng(5), [inputs] + [hidden * directions] * (layers - 1)
    count = sum(directions * 4 * hidden * (width + hidden + 2) for width in columns)
    shapes = (count,), (layers, directions, hidden), (layers, directions, hidden), (sum(sizes), inputs)
    params, h, c, x = ((0.5 * rng.standard_normal(shape)).astype(dtype) for shape in shapes)
    return params, h, c, x, np.array(sizes, np.int32)


def gradients(given: Arguments, dy: Array) -> tuple[Array, Array]:
    """Of X and of the parameters."""
    ops = RnnfastOps()
    _, state = ops.lstm_forward_training(*given)
    return ops.backprop_lstm(dy, given[4], given[0], state)


@EVERY_SIZE
def test_outputs_are_those_of_thincs_own_operations(size: str) -> None:
    given = arguments(size)
    expected = NumpyOps().lstm_forward_inference(*given)
    y = RnnfastOps().lstm_forward_inference(*given)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    recorded, state = RnnfastOps().lstm_forward_training(*given)
    assert np.array_equal(recorded, y) and state


@pytest.mark.parametrize("size", ["one", "ragged", "both directions", "layers of both directions"])
def test_gradients_are_finite_differences(size: str) -> None:
    given = arguments(size, "float64")
    y = RnnfastOps().lstm_forward_inference(*given)
    dy = np.random.default_rng(2).standard_normal(y.shape)

    def loss() -> float:
        return float(np.sum(dy * RnnfastOps().lstm_forward_inference(*given)))

    dx, d_params = gradients(given, dy)
    np.testing.assert_allclose(d_params, numeric_gradient(loss, given[0]), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dx, numeric_gradient(loss, given[3]), rtol=1e-6, atol=1e-8)


@EVERY_SIZE
def test_gradients_are_those_of_pytorch(size: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    params, h, c, x, sizes = given = arguments(size)
    layers, directions, hidden, inputs, _ = SIZES[size]
    lstm = torch.nn.LSTM(inputs, hidden, layers, bidirectional=directions == 2)
    pieces = pieces_of(params, lstm)
    lstm.load_state_dict({name: torch.from_numpy(array) for name, array in pieces.items()})
    inputs_there = torch.from_numpy(x).requires_grad_()
    packed = torch.nn.utils.rnn.PackedSequence(inputs_there, torch.from_numpy(sizes.astype(np.int64)))
    # The cells begin with what is called H0, as in thinc's own operations.
    start = [torch.from_numpy(part.reshape(-1, 1, hidden)).repeat(1, sizes[0], 1) for part in (c, h)]
    y, _ = lstm(packed, tuple(start))
    dy = np.random.default_rng(2).standard_normal(y.data.shape).astype(np.float32)
    y.data.backward(torch.from_numpy(dy))
    dx, d_params = gradients(given, dy)
    np.testing.assert_allclose(dx, inputs_there.grad.numpy(), rtol=1e-4, atol=1e-5)
    for name, found in pieces_of(d_params, lstm).items():
        np.testing.assert_allclose(found, lstm.get_parameter(name).grad.numpy(), rtol=1e-4, atol=2e-5, err_msg=name)


def pieces_of(params: Array, lstm: Any) -> dict[str, Array]:
    """thinc's parameters by PyTorch's names, gates f i o g made into i f g o."""
    found, begin = {}, 0
    suffixes = [name.removeprefix("weight_ih") for name, _ in lstm.named_parameters() if "weight_ih" in name]
    for suffix in suffixes:
        for name in ("weight_ih", "bias_ih", "weight_hh", "bias_hh"):
            shape = lstm.get_parameter(name + suffix).shape
            f, i, o, g = np.split(params[begin : begin + shape.numel()].reshape(shape), 4)
            found[name + suffix], begin = np.concatenate([i, f, g, o]), begin + shape.numel()
    assert begin == len(params)
    return found


@EVERY_SIZE
def test_a_sequence_has_the_same_bits_alone(size: str) -> None:
    params, h, c, x, sizes = arguments(size)
    together = RnnfastOps().lstm_forward_inference(params, h, c, x, sizes)
    begins = np.cumsum(sizes) - sizes
    for row in range(sizes[0]):
        places = begins[sizes > row] + row
        alone = RnnfastOps().lstm_forward_inference(params, h, c, x[places], np.ones(len(places), np.int32))
        assert np.array_equal(alone, together[places])


def test_nan_stays_in_its_sequence() -> None:
    params, h, c, x, sizes = arguments("ragged")
    clean = RnnfastOps().lstm_forward_inference(params, h, c, x, sizes)
    x[0] = np.nan  # the first sequence at the first step; it stands first in every step
    found = RnnfastOps().lstm_forward_inference(params, h, c, x, sizes)
    own = np.cumsum(sizes) - sizes
    assert np.isnan(found[own]).all()
    others = np.delete(np.arange(len(x)), own)
    assert np.array_equal(found[others], clean[others])


def test_backward_leaves_what_it_was_given_and_serves_again() -> None:
    ops, (params, h, c, x, sizes) = RnnfastOps(), arguments("layers of both directions")
    kept = [array.copy() for array in (params, h, c, x, sizes)]
    y, state = ops.lstm_forward_training(params, h, c, x, sizes)
    other, _ = ops.lstm_forward_training(-params, h, c, x, sizes)  # the same net meanwhile, with other parameters
    assert not np.array_equal(other, y)
    first, again = (ops.backprop_lstm(y, sizes, params, state) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip((params, h, c, x, sizes), kept, strict=True))
    assert first[1].flags.writeable and not np.shares_memory(first[1], params)


def test_arrays_with_gaps_and_other_integers() -> None:
    params, h, c, x, sizes = given = arguments("both directions")
    expected = RnnfastOps().lstm_forward_inference(*given)
    dx, d_params = gradients(given, expected)
    bytes_between = np.empty(x.nbytes + 1, np.uint8)
    bytes_between[1:] = x.view(np.uint8).ravel()
    unaligned = bytes_between[1:].view(np.float32).reshape(x.shape)
    assert not unaligned.flags.aligned
    assert np.array_equal(RnnfastOps().lstm_forward_inference(params, h, c, unaligned, sizes), expected)
    gaps = [np.repeat(array, 2, axis=-1)[..., ::2] for array in (params, h, c, x, expected)]
    unusual: Any = (*gaps[:4], sizes.astype(np.uint8))
    assert np.array_equal(RnnfastOps().lstm_forward_inference(*unusual), expected)
    assert np.array_equal(RnnfastOps().lstm_forward_inference(*unusual), expected)
    for found, array in zip(gradients(unusual, gaps[4]), (dx, d_params), strict=True):
        assert np.array_equal(found, array)


@EVERY_SIZE
def test_parameters_may_change_between_any_two_calls(size: str) -> None:
    params, h, c, x, sizes = given = arguments(size)
    fresh = [RnnfastOps().lstm_forward_training(value, *given[1:])[0] for value in (params.copy(), 2 * params)]
    order = [0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0]  # new, known, packed, used packed, changed, ...
    first = params.copy()
    for number in order:
        params[:] = (1 + number) * first
        assert np.array_equal(RnnfastOps().lstm_forward_inference(*given), fresh[number])
    params[-1] += 1  # a single bias, the last one
    changed = RnnfastOps().lstm_forward_inference(*given)
    assert np.array_equal(changed, RnnfastOps().lstm_forward_training(params.copy(), h, c, x, sizes)[0])
    assert not np.array_equal(changed, fresh[0])


def test_bits_decide_whether_parameters_changed() -> None:
    params, h, c, x, sizes = arguments("one")
    net = net_for(params, h, c, x)
    params[:2] = np.nan, 0
    assert net.kept.packed(params) is None and net.kept.packed(params) is None
    engine = net.kept.packed(params)
    assert engine is not None and net.kept.packed(params.reshape(1, -1)[0]) is engine
    params[1] = -0.0
    assert net.kept.packed(params) is None


def test_packed_weights_go_with_the_memory_that_they_came_from() -> None:
    params, h, c, x, _ = arguments("long")
    kept = net_for(params, h, c, x).kept
    before = len(kept._seen)
    views = [params[:], params[:], params[:]]
    assert [kept.packed(view) is None for view in views] == [True, True, False]
    del views
    gc.collect()
    assert len(kept._seen) == before + 1 and kept.packed(params) is not None
    del params
    gc.collect()
    assert len(kept._seen) == before


def test_no_more_than_some_addresses_are_remembered() -> None:
    params, h, c, x, _ = arguments("one")
    kept = net_for(params, h, c, x).kept
    many = [params.copy() for _ in range(3 * PLACES_KEPT)]
    assert all(kept.packed(array) is None for array in many)
    assert len(kept._seen) <= PLACES_KEPT


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]])
def test_nothing_is_run_over_no_rows(sizes: list[int]) -> None:
    params, h, c, x, _ = arguments("both directions")
    given = params, h, c, x[:0], np.array(sizes, np.int32)
    y, state = RnnfastOps().lstm_forward_training(*given)
    dx, d_params = RnnfastOps().backprop_lstm(y, given[4], params, state)
    assert (y.shape, dx.shape) == ((0, 6), (0, 1)) and not d_params.any() and d_params.shape == params.shape


def test_steps_without_rows_at_the_end_change_nothing() -> None:
    params, h, c, x, sizes = given = arguments("both directions")
    longer = np.append(sizes, [0, 0])
    expected = RnnfastOps().lstm_forward_inference(*given)
    assert np.array_equal(RnnfastOps().lstm_forward_inference(params, h, c, x, longer), expected)


def test_threads_at_the_same_time() -> None:
    given = arguments("wide")
    y = RnnfastOps().lstm_forward_inference(*given)
    expected = gradients(given, y)
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: RnnfastOps().lstm_forward_inference(*given), range(24)):
            assert np.array_equal(again, y)
        for found in pool.map(lambda _: gradients(given, y), range(24)):
            assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


WRONG = {
    "X has 12 rows, expected 11": (ValueError, {"x": np.ones((12, 4), "f")}),
    "X has 11 rows, expected 1099511627777": (ValueError, {"sizes": np.array([2**40, 1])}),
    r"X \(11, 4, 1\), expected": (ValueError, {"x": np.ones((11, 4, 1), "f")}),
    "H0 has shape": (ValueError, {"h": np.ones((1, 5), "f")}),
    "C0 has shape": (ValueError, {"c": np.ones((1, 2, 5), "f")}),
    "params has shape": (ValueError, {"params": np.ones(221, "f")}),
    "3 directions, expected 1 or 2": (ValueError, {"h": np.ones((1, 3, 5), "f")}),
    "grows or is negative": (ValueError, {"sizes": np.array([3, 4, 3, 1])}),
    "grows or is negative: sort": (ValueError, {"sizes": np.array([12, -1])}),
    "size_at_t is float64": (TypeError, {"sizes": np.array([4.0, 3.0, 3.0, 1.0])}),
    "size_at_t is int64 of shape": (TypeError, {"sizes": np.array([[4, 3, 3, 1]])}),
    "X has dtype float64": (TypeError, {"x": np.ones((11, 4))}),
    "H0 has dtype float64": (TypeError, {"h": np.ones((1, 1, 5))}),
    "C0 has dtype float64": (TypeError, {"c": np.ones((1, 1, 5))}),
    "params has dtype '<f2'": (TypeError, {"params": np.ones(220, np.float16)}),
    "params has dtype '>f4'": (TypeError, {"params": np.ones(220, ">f4")}),
    "X is None": (TypeError, {"x": None}),
}


@pytest.mark.parametrize("said", WRONG)
def test_refused(said: str) -> None:
    error, changed = WRONG[said]
    given = dict(zip(("params", "h", "c", "x", "sizes"), arguments("ragged"), strict=True)) | changed
    for run in (RnnfastOps().lstm_forward_inference, RnnfastOps().lstm_forward_training):
        with pytest.raises(error, match=said):
            run(*given.values())


def test_refused_gradients() -> None:
    ops, given = RnnfastOps(), arguments("ragged")
    y, state = ops.lstm_forward_training(*given)
    with pytest.raises(ValueError, match="dY has shape"):
        ops.backprop_lstm(y[:-1], given[4], given[0], state)
    with pytest.raises(TypeError, match="dY has dtype float64"):
        ops.backprop_lstm(y.astype(np.float64), given[4], given[0], state)
    _, others = NumpyOps().lstm_forward_training(*given)
    for wrong in (others, (), None):
        with pytest.raises(TypeError, match="run forward and backward on the same"):
            ops.backprop_lstm(y, given[4], given[0], wrong)
