"""Modules and calls on a CUDA device that are left to PyTorch's own code, with reasons, and those that come back."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch_device import device_with_clusters, modules_on  # noqa: E402
from torch_layers import assert_close, gradients, normal, ran_here  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.backends.cuda import backend  # noqa: E402
from rnnfast.integrations.torch import device_forms, on_cuda  # noqa: E402


@pytest.fixture
def device() -> Iterator[Any]:
    with modules_on(device_with_clusters()) as device:
        yield device


TIER = "rnnfast runs nets of its tier D alone, and this one is of tier C"
UNSERVED: dict[str, tuple[Callable[[], Any], str]] = {
    "large": (lambda: nn.LSTM(3, 300), f"{TIER}.*clusters hold up to 256 hidden units, not 300"),
    "float64": (lambda: nn.GRU(3, 4, dtype=torch.float64), f"{TIER}.*clusters compute in float32"),
    "few units": (lambda: nn.RNN(3, 4), f"{TIER}.*clusters take 16 hidden units or more"),
    "reset before": (lambda: rft.GRU(3, 4, reset_after=False), f"{TIER}.*clusters have no gru_before"),
    "projection": (lambda: nn.LSTM(3, 4, proj_size=2), "the cuda backend has no projection of h"),
    "cell": (lambda: nn.LSTMCell(3, 4), "PyTorch's own code runs single steps"),
    "half": (lambda: nn.GRU(3, 4, dtype=torch.float16), "its parameters are torch.float16"),
    "computed": (
        lambda: parametrizations.weight_norm(nn.GRU(3, 4), "weight_hh_l0"),
        "are computed anew for each call, where PyTorch's own code runs",
    ),
}


@pytest.mark.parametrize("name", UNSERVED)
def test_modules_that_are_not_served(name: str, device: Any) -> None:
    make, expected = UNSERVED[name]
    module = rft.accelerate(make())
    with pytest.raises(AssertionError, match=expected):
        raise AssertionError(rft.report(module)[""])
    assert "cuda backend" not in rft.report(module).route
    if name not in ("half", "reset before"):
        x = normal(2, 3) if name == "cell" else normal(5, 2, 3)
        assert not ran_here(module(x.to(next(module.parameters()).dtype)))


def test_without_a_backend_pytorchs_code_runs(device: Any) -> None:
    module = rft.accelerate(nn.GRU(3, 4))
    with mock.patch.object(backend, "reason", lambda cell: "numba-cuda is not installed"):
        assert rft.report(module)[""] == (
            "its parameters are on cpu, where rnnfast cannot run it: numba-cuda is not installed"
        )
        assert not ran_here(module(normal(5, 2, 3)))


def test_frozen_layers_without_a_backend_are_pytorchs(device: Any) -> None:
    """As those are that come, in a file, from a machine that has one."""
    frozen, x = rft.freeze(rft.accelerate(nn.GRU(3, 4)).eval()), normal(5, 2, 3).detach()
    loaded = pickle.loads(pickle.dumps(frozen))
    lacking = mock.Mock(return_value="numba-cuda is not installed")
    with mock.patch.object(backend, "reason", lacking), torch.inference_mode():
        assert torch.equal(loaded(x)[0], rft.restore(copy.deepcopy(frozen))(x)[0])


def test_where_kernels_cannot_be_made_pytorchs_code_runs(device: Any) -> None:
    with mock.patch.object(device, "kernel", side_effect=OSError("no compiler")):
        module = rft.accelerate(nn.GRU(3, 4))
        assert rft.report(module)[""].endswith("where rnnfast cannot make kernels: OSError: no compiler")
        assert not ran_here(module(normal(5, 2, 3)))


def test_other_devices_than_the_one_in_use_are_pytorchs(device: Any) -> None:
    weight = SimpleNamespace(device=torch.device("cuda", 1), dtype=torch.float32)
    said = on_cuda.against("lstm", 4, weight, one_step=False)  # type: ignore[arg-type]
    assert said is not None and said.endswith("the device that rnnfast uses is cuda:0")
    weight.device = torch.device("cuda", 0)
    assert on_cuda.against("lstm", 4, weight, one_step=False) is None  # type: ignore[arg-type]


def test_devices_without_clusters_are_pytorchs(device: Any) -> None:
    device.limits = replace(device.limits, capability=(8, 6))
    assert "clusters need compute capability 9.0" in rft.report(rft.accelerate(nn.LSTM(3, 4)))[""]


def test_devices_without_room_for_large_clusters_are_pytorchs(device: Any) -> None:
    """As the backend would run their nets another way."""
    large, small = nn.RNN(3, 129), nn.RNN(3, 128)
    assert rft.report(rft.accelerate(large)) == {}
    device.library.largest_cluster, device.limits = 8, replace(device.limits, blocks=4)
    with pytest.raises(AssertionError, match=f"{TIER}.*; this device runs no clusters of 9 blocks"):
        raise AssertionError(rft.report(large)[""])
    assert not ran_here(large(normal(2, 1, 3)))
    assert rft.report(rft.accelerate(small)) == {}


def test_calls_under_autocast_and_hooks_and_in_captured_graphs_are_pytorchs(device: Any) -> None:
    module, x = rft.LSTM(3, 4), normal(2, 1, 3)
    plain = copy.deepcopy(nn.LSTM(3, 4))
    plain.load_state_dict(module.state_dict())

    def runs_here() -> bool:
        return ran_here(module(x))

    for _ in range(2):  # a call that is known is looked at again
        with torch.autocast("cpu"):
            assert not runs_here()
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            assert not runs_here()
        with mock.patch.object(device_forms, "_is_captured", lambda: True):
            assert not runs_here()
        assert runs_here()
    y, _ = checkpoint(module, x, use_reentrant=False)
    assert_close(gradients(y, [x, *module.parameters()]), gradients(plain(x)[0], [x, *plain.parameters()]))


def test_what_only_rnnfast_has_is_refused_where_it_cannot_run(device: Any) -> None:
    module, x = rft.LSTM(3, 4), normal(2, 1, 3)
    with torch.autocast("cpu"), pytest.raises(TypeError, match="lacks: autocast is on"):
        module(x, lengths=[1])
    with pytest.raises(TypeError, match="truncate= cut calls on the CPU alone"):
        rft.LSTM(3, 4, truncate=1)(x)
    with pytest.raises(TypeError, match="runs nets of its tier D alone"):
        rft.GRU(3, 300)(x, lengths=[1])
    with pytest.raises(ValueError, match="lengths go from 3 to 3, expected 0 to 2"):
        module(x, lengths=torch.tensor([3]))
    assert not ran_here(rft.LSTM(3, 4, memory="checkpoint")(x))


def test_transforms_are_refused(device: Any) -> None:
    module, x = rft.GRU(3, 4), normal(2, 1, 3).detach()
    parameters = dict(module.named_parameters())

    def loss(x: Any, parameters: Any) -> Any:
        return torch.func.functional_call(module, parameters, (x,))[0].sum()

    for _ in range(2):  # before a call and after one
        for argument in range(2):
            with pytest.raises(RuntimeError, match=r"torch.func's transforms"):
                torch.func.grad(loss, argument)(x, parameters)
        assert ran_here(module(x))
    unserved = rft.accelerate(nn.GRU(3, 300))
    assert torch.func.grad(lambda x: unserved(x)[0].sum())(x).shape == x.shape
