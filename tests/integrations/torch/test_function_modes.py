"""Accelerated layers under modes that see every function, TorchFunctionMode, a default device among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._device import DeviceContext  # noqa: E402
from torch_layers import CELLS, EITHER_ROUTE, SEQUENCES, flat, normal, packed  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE

OURS = {"lstm": rft.LSTM, "gru": rft.GRU, "rnn": rft.RNN}
OPERATOR = "rnnfast.forward.default"


class Seen(TorchFunctionMode):
    """A mode that keeps the functions' names, and may have ours give twice what it gives."""

    def __init__(self, factor: int = 1) -> None:
        super().__init__()
        self.names: list[str] = []
        self._factor = factor

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call one."""
        name = str(func) if isinstance(func, torch._ops.OpOverload) else func.__name__
        self.names.append(name)
        found = func(*args, **(kwargs or {}))
        return [self._factor * one for one in found] if name == OPERATOR else found


@contextmanager
def nowhere() -> Iterator[None]:
    """PyTorch's factories make tensors without memory, unless told where."""
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


def of_one_way(module: Any, x: Any) -> tuple[list[Any], Any]:
    """Return results and gradients of a call with the same random numbers, and what autograd has of it."""
    torch.manual_seed(0)
    results = flat(module(x))
    found = [*results, *torch.autograd.grad(sum(one.sum() for one in results), [x, *module.parameters()])]
    return found, results[0].grad_fn


@pytest.mark.parametrize("cls", [*SEQUENCES.values(), *CELLS.values(), *OURS.values()])
def test_a_mode_that_sees_every_function_sees_our_operator(cls: type) -> None:
    module = rft.accelerate(cls(3, 4))
    x = normal(2, 3) if cls in CELLS.values() else normal(5, 2, 3)
    expected, _ = of_one_way(module, x)
    for _ in range(2):
        with Seen() as seen:
            found, _ = of_one_way(module, x)
        assert seen.names.count(OPERATOR) == 1
        assert all(map(torch.equal, found, expected))
        with Seen(2), nowhere():
            twice = flat(module(x))
        assert all(torch.equal(one, 2 * other) for one, other in zip(twice, expected, strict=False))
        assert all(map(torch.equal, of_one_way(module, x)[0], expected))


def test_dropout_is_the_same_before_a_mode() -> None:
    module, x = rft.accelerate(torch.nn.GRU(3, 4, 2, dropout=0.5)), normal(5, 2, 3)
    expected, _ = of_one_way(module, x)
    with Seen():
        assert all(map(torch.equal, of_one_way(module, x)[0], expected))


def test_what_no_operator_has_is_pytorchs_or_runs_unseen() -> None:
    x = normal(5, 2, 3)
    with Seen() as seen:
        rft.accelerate(torch.nn.LSTM(3, 4))(packed(x, [2, 5]))
    assert "lstm" in seen.names and OPERATOR not in seen.names
    for module, given in (rft.LSTM(3, 4, truncate=2), x), (rft.GRU(3, 4, reset_after=False), packed(x, [2, 5])):
        expected = flat(module(given))
        with Seen() as seen:
            assert all(map(torch.equal, flat(module(given)), expected))
        assert OPERATOR not in seen.names


@pytest.mark.parametrize("kind", SEQUENCES)
def test_the_default_device_of_new_tensors_changes_nothing(kind: str) -> None:
    module = rft.accelerate(SEQUENCES[kind](3, 4, num_layers=2, dropout=0.5))
    cut = OURS[kind](3, 4, truncate=2)
    x = normal(5, 2, 3)
    calls = [(module, x), (module, packed(x, [2, 5])), (cut, x)]
    found = []
    for setting in (torch.enable_grad, nowhere):
        torch.manual_seed(0)
        with setting():
            results = [flat(one(given)) for one, given in calls]
            found += [[*y, *torch.autograd.grad(y[0].sum(), x, retain_graph=True)] for y in results]
    assert all(torch.equal(one, other) for one, other in zip(flat(found[:3]), flat(found[3:]), strict=True))


@pytest.mark.parametrize("cls", [*SEQUENCES.values(), *CELLS.values(), *OURS.values()])
def test_a_default_device_is_asked_nothing_by_calls_like_one_before(cls: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every look at a tensor costs it a microsecond; and what runs calls is what runs them without it."""
    module, asked, kept = rft.accelerate(cls(3, 4)), [], DeviceContext.__torch_function__
    monkeypatch.setattr(DeviceContext, "__torch_function__", lambda *given: asked.append(given) or kept(*given))
    x = normal(2, 3) if cls in CELLS.values() else normal(5, 2, 3)
    expected, node = of_one_way(module, x)
    with nowhere():
        for mode in (torch.enable_grad, torch.no_grad):
            with mode():
                module(x)
                del asked[:]
                module(x)
                assert asked == []
        found, another = of_one_way(module, x)
    assert type(another) is type(node) and all(map(torch.equal, found, expected))


def test_hooks_that_save_tensors_make_theirs_where_the_default_device_says() -> None:
    module, x, made = rft.accelerate(torch.nn.GRU(3, 4)), normal(5, 2, 3), []
    module(x)
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda one: made.append(torch.ones(1)) or one, lambda one: one)
    with nowhere(), hooks:
        module(x)
    assert made and {one.device.type for one in made} == {"meta"}
