"""Accelerated layers beside PyTorch's own code on all samples that PyTorch's tests of these modules have, and more."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch_layers import CELLS, EITHER_ROUTE, SEQUENCES, assert_same_call, normal, packed, state_of  # noqa: E402

pytestmark = EITHER_ROUTE

DTYPES = [torch.float32, torch.float64]
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
BOTH = (False, True)


def constructors(kind: str) -> list[dict[str, Any]]:
    """The options of the samples in torch.testing's module database: two layers, biases, axes, directions."""
    own = [{"nonlinearity": "relu"}, {"nonlinearity": "tanh"}] if kind == "rnn" else [{}]
    names = ("bias", "batch_first", "bidirectional")
    return [
        dict(zip(names, values, strict=True)) | options | {"num_layers": 2}
        for options in own
        for values in itertools.product(BOTH, repeat=3)
    ]


@EVERY_DTYPE
@pytest.mark.parametrize("kind", SEQUENCES)
def test_unbatched_samples(kind: str, dtype: Any) -> None:
    for options in constructors(kind):
        same, other = (SEQUENCES[kind](2, hidden, dtype=dtype, **options) for hidden in (2, 3))
        assert_same_call(same, normal(3, 2, dtype=dtype))
        assert_same_call(other, normal(3, 2, dtype=dtype), state_of(other, dtype=dtype))


@EVERY_DTYPE
@pytest.mark.parametrize("kind", SEQUENCES)
def test_packed_samples(kind: str, dtype: Any) -> None:
    for options in constructors(kind):
        module = SEQUENCES[kind](2, 2, dtype=dtype, **options)
        assert_same_call(module, packed(normal(5, 2, 2, dtype=dtype), [5, 3]))
        assert_same_call(module, packed(normal(5, 5, 2, dtype=dtype), [5, 3, 3, 2, 2]))


@EVERY_DTYPE
@pytest.mark.parametrize("kind", CELLS)
def test_cell_samples(kind: str, dtype: Any) -> None:
    for options in [{}, {"bias": False}, *([{"nonlinearity": "relu"}] if kind == "rnn" else [])]:
        module = CELLS[kind](5, 10, dtype=dtype, **options)
        for batch in ((), (3,)):
            assert_same_call(module, normal(*batch, 5, dtype=dtype), state_of(module, *batch, dtype=dtype))
            assert_same_call(module, normal(*batch, 5, dtype=dtype))


@EVERY_DTYPE
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_projected_samples(dtype: Any) -> None:
    for options in constructors("lstm"):
        module = torch.nn.LSTM(2, 3, proj_size=2, dtype=dtype, **options)
        assert_same_call(module, normal(3, 2, dtype=dtype))
        assert_same_call(module, normal(3, 2, dtype=dtype), state_of(module, dtype=dtype))
        batch = 4 if options["batch_first"] else 5
        assert_same_call(module, normal(4, 5, 2, dtype=dtype), state_of(module, batch, dtype=dtype))
        assert_same_call(module, packed(normal(5, 3, 2, dtype=dtype), [2, 5, 3]))


@EVERY_DTYPE
@pytest.mark.parametrize("kind", SEQUENCES)
def test_batched_samples(kind: str, dtype: Any) -> None:
    for options in constructors(kind):
        module = SEQUENCES[kind](3, 5, dtype=dtype, **options)
        assert_same_call(module, normal(4, 6, 3, dtype=dtype))
        batch = 4 if options["batch_first"] else 6
        assert_same_call(module, normal(4, 6, 3, dtype=dtype), state_of(module, batch, dtype=dtype))


@settings(max_examples=60)
@given(data=st.data())
def test_any_options_and_calls(data: st.DataObject) -> None:
    draw = data.draw
    kind, dtype = draw(st.sampled_from(sorted(SEQUENCES))), draw(st.sampled_from(DTYPES))
    options = {name: draw(st.booleans()) for name in ("bias", "batch_first", "bidirectional")}
    inputs, hidden, layers = (draw(st.integers(1, most)) for most in (5, 9, 3))
    module = SEQUENCES[kind](inputs, hidden, layers, dtype=dtype, **options)
    form = draw(st.sampled_from(["batch", "alone", "packed"]))
    steps, batch = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    if form == "alone":
        x: Any = normal(steps, inputs, dtype=dtype)
    elif form == "packed":
        lengths = draw(st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
        x = packed(normal(max(lengths), batch, inputs, dtype=dtype), lengths)
    else:
        leading = (batch, steps) if module.batch_first else (steps, batch)
        x = strided(draw, normal(*leading, inputs, dtype=dtype))
    state = None
    if draw(st.booleans()):
        state = state_of(module, *(() if form == "alone" else (batch,)), dtype=dtype)
    assert_same_call(module, x, state)


def strided(draw: Any, x: Any) -> Any:
    """The same shape, perhaps with other strides."""
    how = draw(st.sampled_from(["dense", "swapped", "every other", "expanded", "features apart"]))
    if how == "swapped":
        return x.detach().swapaxes(0, 1).contiguous().swapaxes(0, 1)
    if how == "every other":
        return torch.cat([x, x], 1).detach()[:, ::2][:, : x.shape[1]]
    if how == "expanded":
        return x.detach()[:1].expand(x.shape)
    return x.detach().mT.contiguous().mT if how == "features apart" else x.detach()
