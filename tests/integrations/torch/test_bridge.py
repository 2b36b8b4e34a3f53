"""The compiled bridge beside Python's way, which it stands in for: equal bits, the same refusals, no memory lost."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch_layers import CELLS, EVERY_KIND, SEQUENCES, flat, normal, state_of  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch import bridge  # noqa: E402

BOTH = pytest.mark.parametrize("route", ["python", "bridge"], indirect=True)
BRIDGE = pytest.mark.parametrize("route", ["bridge"], indirect=True)


def is_compiled(results: Any) -> bool:
    """Whether the bridge ran the call that gave these."""
    return not hasattr(flat(results)[0].grad_fn, "saved_tensors")


def on_both_routes(compiled: Any, call: Callable[[], list[Any]]) -> tuple[list[Any], list[Any]]:
    """What a call returns on each route, the second time, with the same random numbers."""
    found = []
    for module in (None, compiled):
        bridge.use(module)
        call()
        torch.manual_seed(3)
        found.append(call())
    return found[0], found[1]


def all_gradients(module: Any, x: Any, state: Any) -> list[Any]:
    """Results, gradients of all that there are, and of a part of it alone."""
    results = flat(module(x, state))
    assert is_compiled(results) == (bridge.loaded is not None)
    loss = sum((tensor * tensor).sum() for tensor in results)
    leaves = [x, *([] if state is None else flat(state)), *module.parameters()]
    every = torch.autograd.grad(loss, leaves, retain_graph=True)
    alone = [torch.autograd.grad(loss, leaf, retain_graph=True)[0] for leaf in (leaves[0], leaves[-1])]
    return [*results, *every, *alone, *torch.autograd.grad(loss, leaves)]


@EVERY_KIND
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "bidirectional": True, "batch_first": True},
        {"num_layers": 3, "bias": False, "dtype": torch.float64},
        {"num_layers": 2, "dropout": 0.5},
    ],
)
def test_bits_of_sequences_are_those_of_python(kind: str, options: dict[str, Any], compiled_bridge: Any) -> None:
    module, dtype = rft.accelerate(SEQUENCES[kind](3, 20, **options)), options.get("dtype", torch.float32)
    shape = (2, 5) if module.batch_first else (5, 2)
    apart = torch.randn(4, *shape, 3, dtype=dtype)[1].transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    for x, rows in ((normal(*shape, 3, dtype=dtype), (2,)), (apart, (2,)), (normal(5, 3, dtype=dtype), ())):
        for state in (None, state_of(module, *rows, dtype=dtype)):
            found = on_both_routes(compiled_bridge, lambda x=x, state=state: all_gradients(module, x, state))
            assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [True, False])
def test_bits_of_cells_are_those_of_python(kind: str, bias: bool, compiled_bridge: Any) -> None:
    module = rft.accelerate(CELLS[kind](3, 20, bias=bias))
    for rows in ((), (4,)):
        for state in (None, state_of(module, *rows)):
            x = normal(*rows, 3)
            found = on_both_routes(compiled_bridge, lambda x=x, state=state: all_gradients(module, x, state))
            assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_bits_of_projections_and_of_what_is_large(compiled_bridge: Any) -> None:
    """Large: results and scratch of more than the bytes from which on pages are huge."""
    projecting = rft.accelerate(nn.LSTM(3, 20, proj_size=7, bidirectional=True, num_layers=2))
    for module, x in ((projecting, normal(5, 2, 3)), (rft.accelerate(nn.GRU(8, 128)), normal(300, 64, 8))):
        found = on_both_routes(compiled_bridge, lambda module=module, x=x: all_gradients(module, x, None))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_bits_without_gradients_and_of_frozen_layers(mode: Any, compiled_bridge: Any) -> None:
    module, x = nn.LSTM(3, 20, 2).eval(), normal(5, 2, 3).detach()
    for changed in (rft.accelerate, rft.freeze):
        module = changed(module)

        def call(module: Any = module) -> list[Any]:
            with mode():
                return flat(module(x)) + flat(module(x, state_of(module, 2)))

        found = on_both_routes(compiled_bridge, call)
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
        assert all(tensor.is_inference() == (mode is torch.inference_mode) for tensor in found[1])


@BRIDGE
def test_random_numbers_are_drawn_as_often_as_by_python(route: str, compiled_bridge: Any) -> None:
    after = []
    for used in (None, compiled_bridge):
        bridge.use(used)
        module, x = rft.accelerate(nn.GRU(3, 4, 2, dropout=0.5)), normal(5, 2, 3)
        torch.manual_seed(0)
        for _ in range(3):
            module(x)
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            assert not is_compiled(module(x))
        after.append(torch.rand(1))
    assert after[0] == after[1]


@BOTH
def test_states_of_another_form_at_backward_are_refused(route: str) -> None:
    module, x = rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3)
    for data in (torch.zeros(1, 4, 2).mT, torch._neg_view(torch.zeros(1, 2, 4)), torch.zeros(1, 3, 4)):
        h = normal(1, 2, 4)
        y, _ = module(x, h)
        h.data = data
        with pytest.raises(RuntimeError, match="data of another form since the forward: call forward again"):
            y.sum().backward()
    y, _ = module(x)
    x.data = torch.zeros(5, 3, 2).mT
    with pytest.raises(RuntimeError, match="data of another form since the forward: call forward again"):
        y.sum().backward()


@BOTH
@pytest.mark.parametrize("which", ["forward", "backward", "keeping"])
def test_what_the_library_refuses_is_said_as_in_python(which: str, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that lies about its scratch."""
    from rnnfast.backends.c import bound

    def lying(*args: Any, backward: bool, keep: bool = False) -> Any:
        slot = made(*args, backward=backward, keep=keep)
        if {"forward": not backward, "backward": backward and not keep, "keeping": keep}[which]:
            slot.record.workspace_bytes = 1
        return slot

    made = bound.Slot
    monkeypatch.setattr(bound, "Slot", lying)
    module, x = rft.accelerate(nn.GRU(3, 5)), normal(11, 7, 3)  # a form of call that no other test has prepared
    with pytest.raises(RuntimeError, match="librnnfast: workspace_bytes is less than this call needs"):
        module(x)[0].sum().backward(retain_graph=which == "keeping")


@BOTH
@pytest.mark.filterwarnings("ignore:Anomaly Detection", "ignore:Error detected in RecurrenceBackward")
def test_anomaly_mode_names_the_call(route: str) -> None:
    module, x = rft.accelerate(nn.GRU(3, 4)), torch.full((5, 2, 3), float("nan"))
    with torch.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="'RecurrenceBackward' returned nan"):
        module(x)[0].sum().backward()


@BOTH
def test_nodes_are_called_and_hooked_as_others_are(route: str) -> None:
    module, x, seen = rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3), []
    y, h = module(x)
    assert y.grad_fn is h.grad_fn and is_compiled(y) == (route == "bridge")
    assert [following.name() for following, _ in y.grad_fn.next_functions[-5:]] == [
        "torch::autograd::AccumulateGrad"
    ] * 5
    y.grad_fn.register_hook(lambda made, given: seen.append((len(made), [one is None for one in given])))
    y.grad_fn.register_prehook(lambda given: seen.append([one is None for one in given]))
    h.register_hook(lambda gradient: 2 * gradient)
    y.retain_grad()
    (y.sum() + h.sum()).backward()
    assert seen[0] == [False, False] and len(seen) == 2 and torch.equal(y.grad, torch.ones_like(y))


@BOTH
def test_sparse_gradients_are_refused(route: str) -> None:
    module, x = rft.accelerate(nn.GRU(3, 20)), normal(5, 2, 3)
    y, h_n = module(x)
    for result in (y, h_n):
        with pytest.raises(RuntimeError, match=r"sparse tensor, expected a dense one: call to_dense\(\)"):
            result.backward(torch.ones_like(result).to_sparse(), retain_graph=True)
    (y.sum() + h_n.sum()).backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())


@BOTH
def test_an_earlier_error_in_the_graph_leaves_a_call_usable(route: str) -> None:
    module, x = rft.accelerate(nn.LSTM(3, 4)), normal(5, 2, 3)
    y, _ = module(x)

    def fail(gradient: Any) -> None:
        raise KeyError("of the hook")

    handle = y.register_hook(fail)
    with pytest.raises(KeyError, match="of the hook"):
        y.sum().backward(retain_graph=True)
    handle.remove()
    y.sum().backward()
    assert x.grad is not None


@BOTH
def test_many_threads_share_a_module(route: str) -> None:
    module, x = rft.accelerate(nn.LSTM(16, 16, 2)), normal(20, 4, 16).detach()
    module(x.clone().requires_grad_())

    def gradients() -> list[Any]:
        own = x.clone().requires_grad_()
        y, state = module(own)
        return [y, *torch.autograd.grad(y.square().sum() + state[1].sum(), [own, *module.parameters()])]

    expected, wrong = gradients(), []

    def work() -> None:
        for _ in range(30):
            if not all(torch.equal(one, other) for one, other in zip(gradients(), expected, strict=True)):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc to tell of memory")
@BRIDGE
def test_no_memory_is_lost_over_ten_thousand_calls(route: str) -> None:
    """Forward and backward, forward alone, refused ones, and plans that are made and dropped."""
    module, cell, x, h = rft.accelerate(nn.LSTM(8, 8)), rft.accelerate(nn.GRUCell(8, 8)), normal(4, 2, 8), normal(2, 8)

    def calls(count: int) -> None:
        for n in range(count):
            y, (_, c) = module(x)
            if n % 4:
                torch.autograd.grad(y.sum() + c.sum(), [x, *module.parameters()])
            cell(x[0], h)
            if n % 50 == 0:
                rft.accelerate(rft.restore(module))
                with pytest.raises(RuntimeError):
                    module(x, (h, h, h))
        gc.collect()

    calls(2000)
    before = resident()
    calls(10_000)
    assert resident() - before < 2 << 20
