"""Arguments of the operators that traced code calls: any strides, states and flags; those that are refused, by name."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_operators import HIDDEN, PLAIN, arguments_of, backward_arguments  # noqa: E402

from rnnfast.integrations.torch import fake, kernels, operators  # noqa: E402, F401
from rnnfast.integrations.torch.schemas import Inputs  # noqa: E402

ops = torch.ops.rnnfast


def with_gaps(tensor: Any) -> Any:
    """The same numbers, with others between them; None is None, a list each of its tensors, a number itself."""
    if isinstance(tensor, list):
        return [*map(with_gaps, tensor)]
    if not isinstance(tensor, torch.Tensor) or tensor.dim() == 0:
        return tensor
    wide = torch.ones((*tensor.shape, 2), dtype=tensor.dtype)
    wide[..., 0] = tensor
    return wide[..., 0]


@pytest.mark.parametrize("call", ["lstm", "lstm, dropout, hold", "gru_before"])
def test_gaps_in_any_tensor_change_no_bit(call: str) -> None:
    arguments = arguments_of(call, grad=False)
    y, h_n, c_n, reserve = ops.record(*arguments)
    assert all(map(torch.equal, ops.record(*map(with_gaps, arguments))[:3], (y, h_n, c_n)))
    needed = [True, True, c_n.dim() > 1, True]
    gradients = torch.randn_like(y), torch.randn_like(h_n), torch.randn_like(c_n) if c_n.dim() > 1 else None
    expected = ops.backward(*gradients, reserve, needed, *arguments)
    found = ops.backward(*map(with_gaps, gradients), reserve, needed, *map(with_gaps, arguments))
    assert all(map(torch.equal, found, expected))


def test_one_state_alone_has_zeros_beside_it() -> None:
    x, parameters, h0, c0, *rest = arguments_of("lstm", grad=False)
    for given, whole in (((h0, None), (h0, torch.zeros_like(c0))), ((None, c0), (torch.zeros_like(h0), c0))):
        both = [ops.forward(x, parameters, *states, *rest) for states in (given, whole)]
        assert all(map(torch.equal, *both))


def test_sequences_of_any_strides_give_the_same_bits() -> None:
    arguments = arguments_of("lstm", grad=False)
    x, rest = arguments[0], arguments[1:]
    expected = ops.forward(*arguments)
    wide = torch.zeros((*x.shape, 2), dtype=x.dtype)
    wide[..., 0] = x
    for view in (
        x.transpose(0, 1).contiguous().transpose(0, 1),
        wide[..., 0],
        x.transpose(0, 2).contiguous().transpose(0, 2),
    ):
        assert all(map(torch.equal, ops.forward(view, *rest), expected))


@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (3, 0)])
def test_empty_sequences_and_batches(steps: int, batch: int) -> None:
    arguments = arguments_of("lstm without states", steps=steps, batch=batch)
    y, h_n, _ = ops.forward(*arguments)
    assert y.shape == (steps, batch, HIDDEN) and not h_n.any()
    (y.sum() + h_n.sum()).backward()
    assert arguments[0].grad.shape == arguments[0].shape and not arguments[1][0].grad.any()


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"x": torch.zeros(4, 2)}, ValueError, r"x has shape \(4, 2\), expected \(T, B, I\)"),
        ({"x": torch.zeros(())}, ValueError, r"x has shape \(\), expected"),
        ({"x": torch.zeros(4, 3, 5)}, ValueError, "x has 5 features"),
        ({"x": torch.zeros(4, 3, 2, dtype=torch.float16)}, TypeError, "torch.float16, expected"),
        ({"parameters": []}, ValueError, "0 parameters were given, expected 16"),
        ({"h0": torch.zeros(4, 2, 3)}, ValueError, "h0 has shape"),
        ({"c0": torch.zeros(4, 3, 3, dtype=torch.float64)}, TypeError, "c0 has dtype torch.float64"),
        ({"lengths": torch.tensor([9, 0, 1])}, ValueError, "lengths go from 0 to 9"),
        ({"lengths": torch.ones(2, dtype=torch.int64)}, ValueError, "lengths has shape"),
        ({"mask": torch.ones(3, 4, dtype=torch.bool)}, ValueError, "mask has shape"),
        ({"resets": torch.ones(4, 3)}, TypeError, "resets"),
        ({"dropout": 1.5}, ValueError, "dropout"),
        ({"hidden_size": 4}, ValueError, r"weight_ih_l0 has shape \(12, 2\), expected \(16, 2\)"),
        ({"cell": "lru"}, ValueError, "cell is 'lru', expected one of 'rnn_tanh', "),
        ({"seed": torch.tensor(1.5)}, TypeError, "seed has dtype torch.float32, expected torch.int64"),
        ({"seed": torch.tensor([1])}, ValueError, r"seed has shape \(1,\), expected \(\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused_by_name(changed: dict[str, Any], error: type[Exception], match: str) -> None:
    arguments = arguments_of("lstm", dtype=torch.float32, grad=False)
    names = *Inputs._fields, *PLAIN._fields
    given = dict(zip(names, arguments, strict=True)) | changed
    with pytest.raises(error, match=match):
        ops.forward(*given.values())


@pytest.mark.parametrize("alone", [True, False])
def test_a_seed_is_checked_however_the_call_goes(alone: bool) -> None:
    given = dict(zip((*Inputs._fields, *PLAIN._fields), arguments_of("lstm", grad=False), strict=True))
    states = {"h0": None, "c0": None} if alone else {}
    with pytest.raises(TypeError, match="seed has dtype torch.int32"):
        ops.forward(*(given | states | {"seed": torch.tensor(1, dtype=torch.int32)}).values())


def test_a_parameter_of_another_dtype_is_refused() -> None:
    x, parameters, *rest = arguments_of("lstm", grad=False)
    parameters[1] = parameters[1].float()
    with pytest.raises(TypeError, match="weight_hh_l0 has dtype torch.float32, expected that of x, torch.float64"):
        ops.forward(x, parameters, *rest)


def test_flags_may_be_bytes() -> None:
    for call in ("lstm, dropout, hold", "gru_before", "rnn_tanh"):
        arguments = arguments_of(call, grad=False)
        flags = [one.byte() if isinstance(one, torch.Tensor) and one.dtype is torch.bool else one for one in arguments]
        assert all(map(torch.equal, ops.forward(*flags), ops.forward(*arguments)))


def test_a_state_that_the_cell_has_not_is_refused() -> None:
    given = dict(zip((*Inputs._fields, *PLAIN._fields), arguments_of("gru", grad=False), strict=True))
    with pytest.raises(ValueError, match="c0 was given, but the state of cell 'gru' is h alone: pass None"):
        ops.forward(*(given | {"c0": torch.zeros(1)}).values())


@pytest.mark.parametrize(
    ("position", "value", "match"),
    [
        (0, torch.zeros(4, 3, 7), "dy has shape"),
        (1, torch.zeros(4, 3, 3, dtype=torch.float64), "dh_n has dtype"),
        (2, torch.zeros(1), "dc_n has shape"),
        (3, torch.zeros(8, dtype=torch.uint8), "call forward again"),
        (3, torch.zeros(10**5), "reserve has dtype torch.float32, expected torch.uint8"),
        (3, torch.zeros(10**5, 1, dtype=torch.uint8), r"reserve has shape \(100000, 1\), expected \(n,\)"),
    ],
    ids=["dy", "dh_n", "dc_n", "reserve", "numbers", "axes"],
)
def test_bad_gradients_are_refused_by_name(position: int, value: Any, match: str) -> None:
    arguments = [*backward_arguments(arguments_of("lstm", dtype=torch.float32, grad=False))]
    arguments[position] = value
    with pytest.raises((ValueError, TypeError, RuntimeError), match=match):
        ops.backward(*arguments)


def test_a_gradient_of_a_state_that_the_cell_has_not_is_refused() -> None:
    dy, dh_n, _, *rest = backward_arguments(arguments_of("gru", grad=False))
    expected = ops.backward(dy, dh_n, None, *rest)
    assert all(map(torch.equal, ops.backward(dy, dh_n, dy.new_empty(0), *rest), expected))
    with pytest.raises(ValueError, match=r"dc_n has shape \(1, 3, 3\), expected \(0,\)"):
        ops.backward(dy, dh_n, dh_n, *rest)


def test_a_reserve_with_gaps_or_moved_gives_the_same_bits() -> None:
    dy, dh_n, dc_n, reserve, *rest = backward_arguments(arguments_of("lstm", grad=False))
    expected = ops.backward(dy, dh_n, dc_n, reserve, *rest)
    moved = torch.zeros(len(reserve) + 1, dtype=torch.uint8)[1:].copy_(reserve)
    gaps = torch.zeros(len(reserve), 2, dtype=torch.uint8)
    gaps[:, 0] = reserve
    for other in (moved, gaps[:, 0]):
        assert all(map(torch.equal, ops.backward(dy, dh_n, dc_n, other, *rest), expected))
