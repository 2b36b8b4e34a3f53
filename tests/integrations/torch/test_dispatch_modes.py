"""Accelerated layers under modes that see every operator, TorchDispatchMode: counters, tracers, fake tensors."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402
from torch_layers import CELLS, EITHER_ROUTE, EVERY_KIND, SEQUENCES, assert_close, flat, normal, packed  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE

OURS = {"lstm": rft.LSTM, "gru": rft.GRU, "rnn": rft.RNN}


class Seen(TorchDispatchMode):
    """A mode that keeps the operators' names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator."""
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("cls", [*SEQUENCES.values(), *OURS.values()])
def test_modes_that_see_every_operator_see_ours(cls: type) -> None:
    module, x, other = rft.accelerate(cls(3, 4)), normal(5, 2, 3), normal(5, 2, 3, seed=1)

    def step(x: Any) -> Any:
        results = flat(module(x))
        return [*results, *torch.autograd.grad(results[0].sum(), [x, *module.parameters()])]

    graph = make_fx(step)(x)
    assert "rnnfast.record" in graph.code and "rnnfast.backward" in graph.code
    assert all(torch.equal(one, two) for one, two in zip(graph(other), step(other), strict=True))
    expected = module(rows := packed(x, [2, 5]))
    with Seen() as seen:
        found = module(rows)
    assert_close(found, expected)
    assert seen.names and not any(name.startswith("rnnfast") for name in seen.names)


def test_sparse_tensors_are_shown_pytorchs_operators() -> None:
    cell, x = rft.accelerate(torch.nn.GRUCell(3, 4)), torch.eye(2, 3)
    with torch.no_grad(), Seen() as seen:
        assert_close(cell(x.to_sparse()), cell(x))
    assert seen.names.count("rnnfast.infer.default") == 1


def test_what_no_operator_has_is_refused_where_operators_are_to_be_seen() -> None:
    with Seen(), pytest.raises(TypeError, match="a TorchDispatchMode is active"):
        rft.LSTM(3, 4, truncate=2)(normal(5, 2, 3))
    with Seen(), pytest.raises(ValueError, match="x has 9 features, this LSTM was made for 3"):
        rft.LSTM(3, 4, truncate=2)(normal(5, 2, 9))


@EVERY_KIND
def test_tensors_without_numbers_have_results_without_numbers(kind: str) -> None:
    with FakeTensorMode():
        module, x = rft.accelerate(SEQUENCES[kind](3, 4)), torch.ones(5, 2, 3)
        y, _ = module(x)
        y.sum().backward()
    assert type(y) is FakeTensor and y.shape == (5, 2, 4)
    assert module.weight_hh_l0.grad.shape == module.weight_hh_l0.shape


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")  # which has nothing to do with the flag set
@pytest.mark.parametrize(
    ("cls", "options"),
    [
        *((cls, {}) for cls in (*SEQUENCES.values(), *CELLS.values())),
        (torch.nn.LSTM, {"num_layers": 2, "bidirectional": True, "bias": False}),
        (torch.nn.LSTM, {"num_layers": 2, "proj_size": 2}),
    ],
)
@pytest.mark.parametrize("needed", ["nothing", "parameters", "x", "all", "states"])
def test_floating_point_operations_are_counted_as_pytorchs(cls: Any, options: dict[str, Any], needed: str) -> None:
    plain = cls(3, 4, **options).requires_grad_(needed in ("parameters", "all"))
    x = normal(2, 3) if cls in CELLS.values() else normal(5, 2, 3)
    x.requires_grad_(needed in ("x", "all"))
    states, counts = None, []
    if needed == "states":
        states = [one.detach().requires_grad_() for one in flat(plain(x))[-(2 if "LSTM" in cls.__name__ else 1) :]]
        states = tuple(states) if len(states) > 1 else states[0]
    for module in (plain, rft.accelerate(copy.deepcopy(plain))):
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            y = flat(module(x, states))[0]
            if y.requires_grad:
                y.sum().backward()
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] > 0
