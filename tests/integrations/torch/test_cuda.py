"""Modules on a CUDA device, emulated: results and all gradients against PyTorch's own, call after call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from torch_device import KINDS, device_with_clusters, made, modules_on, state_of, step  # noqa: E402
from torch_layers import assert_close, assert_same_call, flat, gradients, normal, packed  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def device() -> Iterator[Any]:
    with modules_on(device_with_clusters()) as device:
        yield device


@EVERY_KIND
def test_calls_with_parameters_of_now_give_what_pytorchs_do(kind: str, device: Any) -> None:
    """The first call, one that is noted, and one that a script runs."""
    module, twin = made(kind)
    assert "; rnnfast's cuda backend runs those of layers on cpu" in rft.report(twin).route
    for seed in range(3):
        assert_same_call(module, normal(2, 2, 3, seed=seed), twin=twin)
        step(module, twin)


@pytest.mark.parametrize(
    "options",
    [{"num_layers": 2, "bidirectional": True, "batch_first": True}, {"bias": False, "batch_first": True}],
    ids=["two layers", "no bias"],
)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_options_and_states_that_are_given(kind: str, options: dict[str, Any], device: Any) -> None:
    module, twin = made(kind, **options)
    assert_same_call(module, normal(2, 2, 3), state_of(module, 2), twin=twin)


def test_directions_that_share_their_parameters(device: Any) -> None:
    module, _ = made("lstm", bidirectional=True)
    for name in rft.LSTM(3, 5).state_dict():
        setattr(module, f"{name}_reverse", getattr(module, name))
    twin = rft.accelerate(copy.deepcopy(module))
    assert twin.weight_ih_l0_reverse is twin.weight_ih_l0
    assert_same_call(module, normal(2, 2, 3), twin=twin)


def test_one_sequence_alone(device: Any) -> None:
    module, twin = made("lstm")
    h, c = state_of(module, 1)
    assert_same_call(module, normal(3, 3), (h[:, 0].detach(), c[:, 0].detach()), twin=twin)


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences(batch_first: bool, device: Any) -> None:
    module, twin = made("lstm", batch_first=batch_first)
    x = normal(3, 3, 3)
    for lengths in ([1, 3, 2], [3, 3, 3]):
        sequence = packed(x, lengths, batch_first)
        assert_same_call(module, sequence, state_of(module, 3), twin=twin)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_inference_records_nothing(context: Callable[[], Any], device: Any) -> None:
    module, twin = made("gru")
    x = normal(2, 2, 3)
    for _ in range(3):
        with context():
            found = flat(twin(x))
        assert not any(tensor.requires_grad for tensor in found)
        assert_close(found, [tensor.detach() for tensor in flat(module(x))])
        step(module, twin)


RAGGED = [
    {"lengths": torch.tensor([1, 3])},
    {"mask": torch.tensor([[1, 1], [1, 0], [0, 1]]).bool(), "resets": torch.tensor([[0, 0], [1, 0], [0, 1]]).bool()},
]


@pytest.mark.parametrize("given", RAGGED, ids=["lengths", "mask and resets"])
def test_what_pytorchs_modules_lack(given: dict[str, Any]) -> None:
    """Against the CPU, where dropout draws the same."""
    torch.manual_seed(0)
    module, x = rft.GRU(3, 5, num_layers=2, dropout=0.5, input_dropout=0.3, recurrent_dropout=0.2), normal(3, 2, 3)
    twin = copy.deepcopy(module)

    def results(one: Any) -> list[Any]:
        torch.manual_seed(3)
        made = one(x, **given)
        return [*flat(made), *gradients(made, [x, *one.parameters()])]

    right = results(module)
    with modules_on(device_with_clusters()):
        found = results(twin)
        assert "cuda backend" in rft.report(twin).route
    assert_close(found, right)
    assert not all(torch.equal(a, b) for a, b in zip(found, right, strict=True))  # bits of another backend


def test_frozen_layers_keep_their_weights(device: Any) -> None:
    module, twin = made("lstm")
    rft.freeze(twin.eval())
    step(twin)
    x = normal(2, 2, 3).detach()
    with torch.inference_mode():
        for _ in range(2):
            assert_close(twin(x), module(x))
        assert not torch.equal(rft.restore(twin)(x)[0], module(x)[0])


def test_no_rows_and_one_that_was_not_dense(device: Any) -> None:
    module, twin = made("gru")
    assert_same_call(module, normal(2, 0, 3), twin=twin)
    x = normal(3, 2, 2).detach().transpose(0, 2)
    assert_close(twin(x), module(x))
