"""Arrays that modules are given: any strides, repeated numbers, and other libraries' arrays seen without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import KINDS, assert_same, normal, states
from sequences import OPTIONS, SEQUENCE_OPTIONS, B, H, I, T, everything

from rnnfast.arrays.host import as_array, strided


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
