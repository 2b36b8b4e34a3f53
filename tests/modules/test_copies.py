"""Copying and pickling, and arrays whose shape was changed behind a net's back."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nets import BACKEND, CELLS, EVERY_KIND, KINDS, normal

import rnnfast

T, B, I, H = 5, 2, 3, 4  # noqa: E741 (I is the input size)
X = normal(T, B, I).astype(np.float32)


def pickled(value: Any) -> Any:
    """What comes back of a pickle."""
    return pickle.loads(pickle.dumps(value))


COPIES = pytest.mark.parametrize("copied", [pickled, copy.deepcopy])


@COPIES
@EVERY_KIND
def test_modules(kind: str, copied: Callable[[Any], Any]) -> None:
    net = KINDS[kind](I, H, 2, bidirectional=True, dropout=0.5, masked_output="hold", seed=3)
    twin = copied(net)
    assert type(twin) is type(net) and twin.net == net.net and twin.backend == net.backend
    np.testing.assert_array_equal(twin(X)[0], net(X)[0])
    np.testing.assert_array_equal(twin.record(X)[0], net.record(X)[0])  # the same dropout comes next
    before = twin(X)[0]
    net.parameters["weight_ih_l0"] += 1
    np.testing.assert_array_equal(twin(X)[0], before)
    twin.parameters["weight_ih_l0"] += 1
    np.testing.assert_array_equal(twin(X)[0], net(X)[0])


def test_copies_keep_what_refers_to_the_parameters() -> None:
    cell = CELLS["gru"](I, H)
    twin, arrays = copy.deepcopy((cell, dict(cell.parameters)))
    assert all(twin.parameters[name] is array for name, array in arrays.items())
    assert copy.copy(cell).parameters is cell.parameters


@COPIES
@EVERY_KIND
def test_frozen_nets(kind: str, copied: Callable[[Any], Any]) -> None:
    fast = KINDS[kind](I, H).freeze()
    twin = copied(fast)
    np.testing.assert_array_equal(twin(X)[0], fast(X)[0])
    np.testing.assert_array_equal(twin.stream(B).step(X[0]), fast.stream(B).step(X[0]))
    assert not any(array.flags.writeable for array in twin.parameters.values())


def test_frozen_nets_keep_their_backend() -> None:
    with rnnfast.use_backend("reference"):
        fast = rnnfast.GRU(I, H).freeze()
    assert pickled(fast)._engine.choice == fast._engine.choice
    assert pickled(KINDS["gru"](I, H).freeze())._engine.choice.name == BACKEND.partition(":")[0]


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
def test_tapes_cannot_be_copied(copied: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="a tape can be neither copied nor pickled"):
        copied(KINDS["lstm"](I, H).record(X)[2])


@pytest.mark.parametrize("backend", [BACKEND, "reference"])
@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy, lambda stream: stream.copy()])
def test_copies_of_streams_go_on_alone(copied: Callable[[Any], Any], backend: str) -> None:
    with rnnfast.use_backend(backend):
        stream = rnnfast.LSTM(I, H, 2).freeze().stream(B)
    stream.step(X[0])
    twin = copied(stream)
    expected = stream.step(X[1])
    for part in stream.state:
        part += 1  # a copy
    stream.step(X[0])
    np.testing.assert_array_equal(twin.step(X[1]), expected)


def change_shape(array: Any) -> None:
    """Half as many rows, twice as long."""
    array.shape = (2 * H, 2 * H)


def change_dtype(array: Any) -> None:
    """Half as many numbers of twice the size."""
    array.dtype = np.float64


def resize(array: Any) -> None:
    """Its memory is given back."""
    array.resize((1, 1), refcheck=False)


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize("change", [change_shape, change_dtype, resize])
def test_parameters_that_were_changed_in_place(change: Callable[[Any], None], tmp_path: Any) -> None:
    net = pickled(KINDS["lstm"](H, H))  # whose arrays own their memory, so that they can be resized
    x = normal(T, B, H).astype(np.float32)
    tape, values = net.record(x)[2], net.state_dict()
    change(net.parameters["weight_hh_l0"])
    uses: list[Callable[[], Any]] = [
        lambda: net(x),
        lambda: net.record(x),
        tape.backward,
        net.freeze,
        net.stream,
        net.state_dict,
        lambda: net.load_state_dict(values),
        lambda: net.save(tmp_path / "net.npz"),
    ]
    for use in uses:
        with pytest.raises((ValueError, TypeError), match="^weight_hh_l0 has .* it was changed in place, where only"):
            use()


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_a_tape_does_not_see_a_new_shape_of_its_inputs() -> None:
    net, x, h = KINDS["gru"](I, H), X.copy(), np.zeros((1, B, H), np.float32)
    expected = net.record(X, h.copy())[2].backward().params
    lengths = np.full(B, T)
    tape = net.record(x, h, lengths=lengths)[2]
    x.shape, h.shape = (I, B, T), (H, B, 1)
    lengths[:] = 10**9
    for name, gradient in tape.backward().params.items():
        np.testing.assert_array_equal(gradient, expected[name])


def test_the_description_cannot_be_replaced() -> None:
    net = KINDS["gru"](I, H)
    with pytest.raises(AttributeError):
        net.net = KINDS["gru"](99, 99).net
