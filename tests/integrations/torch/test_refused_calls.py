"""Calls with what PyTorch's modules lack, refused by the argument that is wrong, what was expected and what came."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_layers import EITHER_ROUTE, normal, packed  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE

T, B = 7, 3
X, H = torch.zeros(T, B, 3), torch.zeros(1, B, 4)
OF_LSTM = [
    (torch.zeros(T, B, 9), None, ValueError, "x has 9 features, this LSTM was made for 3"),
    (X[None], None, ValueError, rf"x has shape \(1, {T}, {B}, 3\), expected \(T, B, 3\) or"),
    (X.double(), None, TypeError, r"x has dtype torch.float64, .*: convert it with \.to\(torch.float32\)"),
    (X.bfloat16(), None, TypeError, "x has dtype torch.bfloat16, expected that of the parameters"),
    ([1.0], None, TypeError, "x is of type list, expected a tensor"),
    (X, H, TypeError, r"hx is of type Tensor, this LSTM has two states: pass the tuple \(h, c\)"),
    (X, (H, H, H), ValueError, "hx has 3 parts, this LSTM has two states"),
    (X, (H, None), TypeError, r"hx\[1\] is of type NoneType, expected a tensor"),
    (X, (H, H[:, :2]), ValueError, rf"hx\[1\] has shape \(1, 2, 4\), expected \(1, {B}, 4\)"),
    (X[:, 0], (H, H), ValueError, rf"hx\[0\] has shape \(1, {B}, 4\), expected \(1, 4\)"),
    (X, (H.double(), H), TypeError, r"hx\[0\] has dtype torch.float64, expected that of x, torch.float32"),
    (X.to_sparse(), None, TypeError, "x is a Tensor on cpu, its layout torch.sparse_coo, expected a Tensor on the CPU"),
    (X, (H, H.to("meta")), TypeError, r"hx\[1\] is a Tensor on meta, its layout torch.strided, expected"),
]


@pytest.mark.parametrize("ragged", [{"lengths": [1, 2, 3]}, {}])
@pytest.mark.parametrize(("x", "hx", "error", "match"), OF_LSTM, ids=range(len(OF_LSTM)))
def test_arguments_are_refused_by_name(x: Any, hx: Any, error: type[Exception], match: str, ragged: Any) -> None:
    module = rft.LSTM(3, 4, recurrent_dropout=0 if ragged else 0.5)
    module(X, **ragged)
    with pytest.raises(error, match=match):
        module(x, hx, **ragged)


@pytest.mark.parametrize("options", [{"reset_after": False}, {"truncate": 2}, {"input_dropout": 0.5}])
def test_arguments_of_nets_that_pytorch_lacks_are_refused_by_name(options: dict[str, Any]) -> None:
    module = rft.GRU(3, 4, batch_first=True, **options)
    for x, hx, match in (
        (normal(B, T, 9), None, "x has 9 features, this GRU was made for 3"),
        (packed(normal(T, B, 9), [1, 2, 5]), None, r"x.data has shape \(8, 9\), expected \(8, 3\)"),
        (packed(normal(T, B, 3), [1, 2, 5]), H[:, :2], rf"hx has shape \(1, 2, 4\), expected \(1, {B}, 4\)"),
        (normal(B, 0, 3), None, "x has no steps, expected at least one where lengths"),
    ):
        with pytest.raises(ValueError, match=match):
            module(x, hx)


def test_a_state_that_autocast_makes_fit_is_not_what_is_refused() -> None:
    with torch.autocast("cpu"), pytest.raises(ValueError, match="x has 9 features"):
        rft.GRU(3, 4)(torch.zeros(T, B, 9).bfloat16(), H.bfloat16(), lengths=[1, 2, 3])
