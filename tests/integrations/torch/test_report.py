"""Layers and options that are not served: reported, and run as before."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch_layers import (  # noqa: E402
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    assert_same_call,
    normal,
    ran_here,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


@EVERY_KIND
def test_options_that_change_are_seen(kind: str) -> None:
    module = SEQUENCES[kind](3, 4, num_layers=2)
    twin = rft.accelerate(copy.deepcopy(module))
    assert_same_call(module, normal(2, 5, 3), twin=twin)
    module.batch_first = twin.batch_first = True
    assert_same_call(module, normal(2, 5, 3), twin=twin)
    twin.dropout = 0.5
    assert not torch.equal(twin(normal(2, 5, 3))[0], twin(normal(2, 5, 3))[0])
    twin.dropout = 1.0
    assert rft.report(twin)[""].startswith("it has an option that is not served: dropout is 1.0")
    assert not ran_here(twin(normal(2, 5, 3)))


@EVERY_KIND
@pytest.mark.parametrize("name, value", [("bias", False), ("num_layers", 1), ("bidirectional", True)])
def test_options_that_do_not_go_with_the_parameters_are_pytorchs(kind: str, name: str, value: Any) -> None:
    module = rft.accelerate(SEQUENCES[kind](4, 4, num_layers=2))
    module(normal(5, 2, 4))
    setattr(module, name, value)
    assert rft.report(module)[""].startswith("its parameters have shapes [(")
    if kind != "lstm":  # of which PyTorch runs some
        with pytest.raises(RuntimeError, match=r"Expected more weights|invalid slice"):
            module(normal(5, 2, 4))


class Own(nn.LSTM):
    """A subclass with a forward of its own."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Twice the output."""
        y, state = super().forward(input, hx)
        return 2 * y, state


class Renamed(nn.GRU):
    """A subclass whose forward is PyTorch's."""


def test_what_is_not_served_is_reported_and_runs_as_before() -> None:
    bound = nn.GRU(3, 4)
    bound.forward = lambda x: x  # type: ignore[method-assign]
    mixed = nn.GRU(3, 4)
    mixed.weight_hh_l0 = nn.Parameter(mixed.weight_hh_l0.double())
    model = nn.ModuleDict(
        {
            "own": Own(3, 4),
            "bound": bound,
            "brain": nn.RNNCell(3, 4, dtype=torch.bfloat16),
            "nowhere": nn.LSTM(3, 4, device="meta"),
            "mixed": mixed,
            "base": nn.RNNBase("GRU", 3, 4),
            "renamed": Renamed(3, 4),
            "linear": nn.Linear(3, 4),
        }
    )
    found = rft.report(rft.accelerate(model))
    assert found == {
        "own": "its class, Own, has a forward of its own",
        "bound": "a forward of its own is bound to it",
        "brain": "its parameters are torch.bfloat16, float32 and float64 are served",
        "nowhere": "its parameters are on meta, where PyTorch's own code runs",
        "mixed": "its parameters are torch.float32 and torch.float64, expected one dtype",
        "base": "it is a RNNBase, which is none of LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell",
    }
    x = normal(5, 2, 3)
    assert ran_here(model["renamed"](x)) and not ran_here(model["own"](x))
    assert model["bound"](x) is x
    assert model["nowhere"](x.to("meta"))[0].device.type == "meta"
    rft.restore(model)
    assert model["bound"](x) is x
