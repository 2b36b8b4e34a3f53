"""PyTorch's recurrent modules for the tests: a module and its accelerated copy, called on the same, and compared."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import rnnfast.integrations.torch as rft

SEQUENCES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
CELLS = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell, "rnn": torch.nn.RNNCell}
EVERY_KIND = pytest.mark.parametrize("kind", SEQUENCES)
EITHER_ROUTE = pytest.mark.parametrize(
    "route", ["python", pytest.param("bridge", marks=pytest.mark.slow)], indirect=True
)
"""Runs tests once with Python around each call and once with the compiled bridge."""
TOKENS = torch.arange(10).view(2, 5) % 7
"""Of `Tagger`."""
TOLERANCE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-9, "atol": 1e-11}}


class Tagger(torch.nn.Module):
    """Layers that stand in a model, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 3)
        self.lstm = torch.nn.LSTM(3, 4, bidirectional=True, batch_first=True)
        self.cells = torch.nn.ModuleList([torch.nn.GRUCell(8, 8)])
        self.again, self.head = self.cells[0], torch.nn.Linear(8, 2)

    def forward(self, tokens: Any) -> Any:
        """Scores of two tags for every token."""
        y, _ = self.lstm(self.embedding(tokens))
        return self.head(self.again(y.flatten(0, 1)).view(y.shape))


def made(kind: str, **options: Any) -> Any:
    """An accelerated layer of 3 inputs and 4 units."""
    torch.manual_seed(0)
    return rft.accelerate(SEQUENCES[kind](3, 4, **options))


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    """Random numbers that want a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=dtype, generator=generator).requires_grad_()


def state_of(module: Any, *batch: int, dtype: torch.dtype = torch.float32) -> Any:
    """A random state of a module, h or (h, c)."""
    if isinstance(module, torch.nn.RNNCellBase):
        leading, own = batch, module.hidden_size
    else:
        leading = (module.num_layers * (2 if module.bidirectional else 1), *batch)
        own = module.proj_size or module.hidden_size
    h, c = normal(*leading, own, dtype=dtype, seed=1), normal(*leading, module.hidden_size, dtype=dtype, seed=2)
    return (h, c) if isinstance(module, torch.nn.LSTM | torch.nn.LSTMCell) else h


def packed(x: torch.Tensor, lengths: list[int], batch_first: bool = False) -> PackedSequence:
    """x with these lengths, in any order."""
    return pack_padded_sequence(x, torch.tensor(lengths), batch_first=batch_first, enforce_sorted=False)


def flat(results: Any) -> list[torch.Tensor]:
    """The tensors of nested results, in order; of packed sequences the data."""
    if isinstance(results, PackedSequence):
        return [results.data]
    if isinstance(results, torch.Tensor):
        return [results]
    return [tensor for part in results for tensor in flat(part)]


def gradients(results: Any, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of a sum of all results with random weights, the same whatever the results' strides."""
    loss = sum((tensor * normal(*tensor.shape, seed=9).to(tensor.dtype)).sum() for tensor in flat(results))
    return list(torch.autograd.grad(loss, leaves))


def ran_here(results: Any) -> bool:
    """Whether results that autograd recorded come from rnnfast."""
    seen, waiting = set(), [tensor.grad_fn for tensor in flat(results)]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if node.name() == "RecurrenceBackward":
                return True
            waiting += [following for following, _ in node.next_functions]
    return False


def accelerated_copy(module: Any) -> Any:
    """A copy of a module that rnnfast runs."""
    twin = rft.accelerate(copy.deepcopy(module))
    assert rft.report(twin) == {}
    return twin


def assert_close(got: Any, expected: Any) -> None:
    """Results that are equal within rounding, in structure, shapes and dtypes too."""
    got, expected = flat(got), flat(expected)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE[other.dtype])


def assert_same_call(module: Any, x: Any, hx: Any = None, twin: Any = None) -> None:
    """Results, states and every gradient of a module and of its accelerated copy."""
    twin = twin or accelerated_copy(module)
    given = [x.data if isinstance(x, PackedSequence) else x, *([] if hx is None else flat(hx))]
    found = []
    for one in (module, twin):
        leaves = [tensor.detach().requires_grad_() for tensor in given]
        seen = PackedSequence(leaves[0], *x[1:]) if isinstance(x, PackedSequence) else leaves[0]
        state = None if hx is None else tuple(leaves[1:]) if isinstance(hx, tuple) else leaves[1]
        results = one(seen, state)
        found.append((results, gradients(results, leaves + list(one.parameters()))))
    (expected, expected_gradients), (got, got_gradients) = found
    assert ran_here(got) and not ran_here(expected)
    assert type(got) is type(expected)
    assert_close(got, expected)
    assert_close(got_gradients, expected_gradients)
