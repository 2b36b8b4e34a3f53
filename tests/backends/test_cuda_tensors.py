"""Tensors of torch through whole calls in the emulator, in host memory: torch's views, products and new tensors."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

import rnnfast

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")
pytest.importorskip("torch", reason="torch is not installed")

from cuda_emulator import Emulator
from null_device import tensors_on
from ptx_device import PtxDevice

OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"batch_first": True, "masked_output": "hold", "recurrent_dropout": 0.4},
]


@pytest.mark.covering(2)
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=["one layer", "two directions", "held"])
@pytest.mark.parametrize("tier", ["B", "C", "D"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_tensors_give_what_arrays_do(
    kind: str, tier: str, options: dict[str, Any], ragged: bool, rng: np.random.Generator
) -> None:
    import torch

    emulator = emulator_of(tier)
    here, there = (getattr(rnnfast, kind)(3, 9, seed=1, backend=name, **options) for name in ("reference", None))
    count = here.net.num_layers * here.net.num_directions
    x, dy = (rng.normal(size=(5, 4, n)).astype(np.float32) for n in (3, here.net.output_size))
    states = [
        rng.normal(size=(count, x.shape[not here.net.batch_first], 9)).astype(np.float32) for _ in here.net.states
    ]
    steps, rows = x.shape[:2][:: -1 if here.net.batch_first else 1]
    lengths = rng.integers(0, steps + 1, rows) if ragged else None

    def through(net: Any, made: Any) -> list[Any]:
        state = tuple(map(made, states)) if len(states) > 1 else made(states[0])
        y, final, tape = net.record(made(x), state, lengths=lengths, dropout_seed=3)
        ran.append(tape.ran_on)
        grads = tape.backward(made(dy), state)
        finals = final if isinstance(final, tuple) else (final,)
        return [y, *finals, grads.x, *grads.states, *grads.params.values()]

    ran: list[str] = []
    right = through(here, lambda a: a)
    with tensors_on(emulator):
        found = through(there.to("cuda"), lambda a: torch.from_numpy(a.copy()))
    holds = ragged and here.net.masked_output == "hold"  # which clusters do not
    assert ran[1].startswith(f"cuda: tier {'C' if holds and tier == 'D' else tier}")
    for a, b in zip(found, right, strict=True):
        assert type(a) is torch.Tensor
        np.testing.assert_allclose(a.numpy(), b, rtol=2e-5, atol=2e-6)


TIERS = pytest.mark.parametrize("tier", ["B", "D"])


def emulator_of(tier: str) -> Any:
    """An emulated device on which small nets run on this tier."""
    device: Any = PtxDevice() if tier == "D" else Emulator()
    device.limits = replace(device.limits, threads=8, words=(40,) if tier == "B" else (1,), shared=1024, blocks=5)
    if tier == "D":
        device.global_memory.trusting = True
    return device


@TIERS
@pytest.mark.parametrize("need_x", [False, True])
def test_gradients_of_parameters_alone_are_added_to_what_is_given(tier: str, need_x: bool) -> None:
    import torch

    with tensors_on(emulator_of(tier)):
        net, x = rnnfast.LSTM(3, 6, seed=1).to("cuda"), torch.ones(3, 2, 3)
        dy = torch.ones(3, 2, 6)
        right = net.record(x)[2].backward(dy)
        given = {name: torch.zeros_like(gradient) for name, gradient in right.params.items()}
        for _ in range(2):
            found = net.record(x)[2].backward(dy, out=given, accumulate=True, need_x=need_x)
        assert (found.x is not None) == need_x and found.params is given
        for a, b in zip(found.arrays, right.arrays if need_x else [*right.states, *right.params.values()], strict=True):
            np.testing.assert_allclose(a, b * (2 if any(a is g for g in given.values()) else 1), rtol=1e-6)


def test_a_tape_keeps_what_it_read() -> None:
    import torch

    with tensors_on(emulator_of("D")):
        net, dy = rnnfast.LSTM(3, 6, seed=1).to("cuda"), torch.ones(2, 2, 6)
        x = torch.rand(2, 2, 3)
        right = net.record(x.clone())[2].backward(dy).params["weight_ih_l0"]
        _, _, tape = net.record(x)
        x.data = torch.zeros(5, 5, 5)
        others = [torch.full((2, 2, 3), 1e6) for _ in range(50)]
        assert torch.equal(tape.backward(dy).params["weight_ih_l0"], right) and len(others) == 50


def test_results_in_one_piece_of_memory_are_tensors_of_their_own() -> None:
    import torch

    with tensors_on(emulator_of("D")):
        _, (h, c) = rnnfast.LSTM(3, 6, seed=1).to("cuda")(torch.ones(2, 2, 3))
    w = torch.ones_like(c, requires_grad=True)
    loss = (c * w).sum()
    h.zero_()
    loss.backward()
    assert torch.equal(w.grad, c)


@pytest.mark.parametrize("own", [False, True])
def test_tensors_that_torch_negates_when_it_reads_them(own: bool, rng: np.random.Generator) -> None:
    """As imaginary parts of conjugates. One of a subclass is not seen in the way that torch's own are."""
    import torch

    class Own(torch.Tensor):
        @property
        def __cuda_array_interface__(self) -> dict[str, Any]:
            strides = tuple([4 * n for n in self.stride()])
            return {"data": (self.data_ptr(), False), "shape": tuple(self.shape), "strides": strides, "typestr": "<f4"}

    def made(*shape: int) -> Any:
        tensor = torch.complex(*torch.from_numpy(rng.normal(size=(2, *shape)).astype(np.float32))).conj().imag
        return tensor.as_subclass(Own) if own else tensor

    x, h, c, dy = made(5, 2, 3), made(1, 2, 6), made(1, 2, 6), made(5, 2, 6)
    assert x.is_neg() and (type(x) is Own) == own
    with tensors_on(Emulator()):
        net = rnnfast.LSTM(3, 6, seed=1).to("cuda")
        found = []
        for each in (lambda a: a, lambda a: a.detach().resolve_neg()):
            y, _, tape = net.record(each(x), (each(h), each(c)))
            found.append([y, *tape.backward(each(dy)).arrays])
        for a, b in zip(*found, strict=True):
            assert torch.equal(a, b)
        with pytest.raises(ValueError, match=r"out is a tensor that torch negates .* pass out.resolve_neg\(\)"):
            net(x.detach().resolve_neg(), out=made(5, 2, 6))


def test_parameters_are_freed_with_their_net() -> None:
    """torch refers to what it makes a tensor of in a way that the collector does not see, as NumPy does here."""
    import torch

    def as_tensor(array: Any, device: Any) -> Any:
        described = SimpleNamespace(given=array, __array_interface__=array.frame.__array_interface__)
        return torch.from_numpy(np.asarray(described))

    with tensors_on(Emulator()), mock.patch.object(torch, "as_tensor", as_tensor):
        net = rnnfast.LSTM(3, 6, seed=1, dtype="float64").to("cuda")
        arrays = [weakref.ref(net.parameters[name]) for name in net.net.shapes]
        net(torch.ones(3, 2, 3, dtype=torch.float64))
        del net
        gc.collect()
        assert [array() for array in arrays] == [None] * 4
