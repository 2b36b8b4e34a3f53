"""What a module's call on a CUDA device costs the host beside a net's own, counted over a driver that does nothing."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from null_device import NullDevice, counted  # noqa: E402
from torch_device import modules_on  # noqa: E402

import rnnfast  # noqa: E402
import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.backends.cuda import libraries  # noqa: E402
from rnnfast.integrations.torch import memo  # noqa: E402


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullDevice]:
    with modules_on(NullDevice(tmp_path_factory.mktemp("null"))) as device:
        yield device


def counts_of(device: NullDevice, call: Callable[[], Any]) -> tuple[int, ...]:
    """Launches, memory made zero, arrays and views of the fifth call."""
    for _ in range(4):
        call()
    with counted(device) as found:
        call()
    return found.launches, found.clears, found.arrays, found.views


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_calls_start_and_make_what_a_nets_own_do(
    kind: str, device: NullDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, module = getattr(rnnfast, kind)(40, 40).to("cuda"), getattr(rft, kind)(40, 40)
    x, dy = torch.zeros(3, 8, 40), torch.ones(3, 8, 40)
    net_x = x.clone()

    def train() -> None:
        module.zero_grad()
        module(x)[0].backward(dy)

    def infer() -> None:
        with torch.inference_mode():
            module(x)

    for _ in range(2):
        train(), infer()
    monkeypatch.setattr(memo, "note", None)  # calls that come again are no more looked at
    of_net = counts_of(device, lambda: net(net_x))
    assert counts_of(device, infer) == of_net and of_net[2:] == (2 + len(net.net.states), 0)
    launches, clears, arrays, views = counts_of(device, lambda: net.record(net_x)[2].backward(dy, need_x=False))
    parameters = [*module.parameters()]  # whose gradients are views of one array of the net's
    assert counts_of(device, train) == (launches, clears, arrays + len(parameters) - 1, views) and views == 0


def test_gradients_are_the_tensors_that_backward_made(device: NullDevice) -> None:
    """Autograd copies none of them, which would be a kernel each, and who keeps one does not keep the others."""
    made, new = [], libraries.Torch.new

    def noted(self: Any, *arguments: Any) -> Any:
        found = new(self, *arguments)
        made.append(found.address)
        return found

    module, x = rft.LSTM(40, 40, num_layers=2, bidirectional=True), torch.zeros(3, 8, 40)
    for _ in range(5):
        module.zero_grad()
        y, _ = module(x)
        with mock.patch.object(libraries.Torch, "new", noted):
            y.backward(torch.ones_like(y))
    gradients = [parameter.grad for parameter in module.parameters()]
    assert {gradient.data_ptr() for gradient in gradients} <= {*made}
    assert all(gradient.untyped_storage().nbytes() == gradient.nbytes for gradient in gradients)


def test_nothing_is_kept_of_what_is_gone(device: NullDevice) -> None:
    """Neither x nor results nor the parameters' memory, for which torch's allocator has use."""
    module = rft.LSTM(40, 40)
    x = torch.zeros(3, 8, 40)
    for _ in range(4):
        y, _ = module(x)
        y.sum().backward()
    memory = [weakref.ref(tensor.untyped_storage()) for tensor in (x, y, *module.parameters())]
    assert all(storage() is not None for storage in memory)
    del x, y
    module.to(torch.float64)
    gc.collect()
    assert not any(storage() for storage in memory)
