"""`torch.compile` of accelerated models: one graph, and the results of the same models without a compiler."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from functorch.compile import make_boxed_func  # noqa: E402
from torch import nn  # noqa: E402
from torch._dynamo.backends.common import aot_autograd  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence  # noqa: E402
from torch_models import MODELS, Between, Stacked, Started, numbers, outputs_of, trained  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

SIZES = ((7, 13), (9, 15))
"""T and B, other numbers than any size of the models."""


@pytest.fixture(autouse=True)
def fresh_dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    torch.manual_seed(0)
    yield
    torch._dynamo.reset()


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected) > 0
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_training_through_one_graph_for_all_sizes(name: str) -> None:
    make, inputs = MODELS[name]
    model = rft.accelerate(make())
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for steps, batch in SIZES:
            x, parameters = inputs(steps, batch), [*model.parameters()]
            assert_same(trained(compiled, parameters, x), trained(model, parameters, x))


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_records_nothing(name: str) -> None:
    make, inputs = MODELS[name]
    model, graphs = rft.accelerate(make()).eval(), []
    backend = aot_autograd(fw_compiler=lambda graph, _: graphs.append(graph) or make_boxed_func(graph.forward))
    compiled, x = torch.compile(model, fullgraph=True, backend=backend), inputs(*SIZES[0])
    with torch.no_grad():
        found = outputs_of(compiled(x))
        assert_same(found, outputs_of(model(x)))
    assert not any(output.requires_grad for output in found)
    assert operators_in(*graphs) == {"infer"}


def operators_in(*graphs: Any) -> set[str]:
    targets = {node.target for graph in graphs for node in graph.graph.nodes if node.op == "call_function"}
    return {target._opname for target in targets if getattr(target, "namespace", "") == "rnnfast"}


def test_states_given_and_absent() -> None:
    model = rft.accelerate(Between())
    compiled, parameters = torch.compile(model, fullgraph=True, backend="aot_eager"), [*model.parameters()]
    state = torch.randn(1, 4, 5, requires_grad=True), torch.randn(1, 4, 5, requires_grad=True)
    for arguments in ((numbers(7, 4),), (numbers(7, 4), state)):
        assert_same(trained(compiled, parameters, *arguments), trained(model, parameters, *arguments))


LAYERS = nn.LSTM(3, 4, batch_first=True), nn.LSTM(3, 4, proj_size=2), nn.GRUCell(3, 4)


@pytest.mark.parametrize("layer", LAYERS, ids=["LSTM", "projected", "GRUCell"])
def test_one_sequence_without_a_batch_axis(layer: nn.Module) -> None:
    rft.accelerate(layer)
    x = numbers(5, 1)[:, 0] if isinstance(layer, nn.LSTM) else numbers(1, 1)[0, 0]
    compiled, parameters = torch.compile(layer, fullgraph=True, backend="aot_eager"), [*layer.parameters()]
    assert_same(trained(compiled, parameters, x), trained(layer, parameters, x))


def test_dropout_follows_pytorchs_generator() -> None:
    model = rft.accelerate(Stacked())
    compiled, x = torch.compile(model, fullgraph=True, backend="aot_eager"), numbers(7, 4)
    torch.manual_seed(5)
    first, second = compiled(x), compiled(x)
    torch.manual_seed(5)
    assert torch.equal(compiled(x), first) and not torch.equal(second, first)
    torch.manual_seed(5)
    assert torch.equal(model(x), first) and torch.equal(model(x), second)


def test_a_graph_kept_gives_the_same_gradients_again() -> None:
    model = rft.accelerate(Between())
    compiled, parameters = torch.compile(model, fullgraph=True, backend="aot_eager"), [*model.parameters()]
    y, _ = compiled(numbers(7, 4))
    first, second = (torch.autograd.grad(y.sum(), parameters, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_a_second_derivative_is_refused() -> None:
    model = rft.accelerate(Between())
    x = numbers(7, 4).requires_grad_()
    y, _ = torch.compile(model, fullgraph=True, backend="aot_eager")(x)
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="double backward"):
        (gradient**2).sum().backward()


def test_autocast_computes_layers_in_float32() -> None:
    model = rft.accelerate(Between())
    compiled, x = torch.compile(model, fullgraph=True, backend="aot_eager"), numbers(7, 4)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = compiled(x)
        expected = model(x)
    assert y.dtype == torch.bfloat16 and state[0].dtype == torch.float32
    assert_same(outputs_of((y, state)), outputs_of(expected))


def test_new_weights_count_at_once() -> None:
    model = rft.accelerate(Between())
    compiled, x = torch.compile(model, fullgraph=True, backend="aot_eager"), numbers(7, 4)
    with torch.no_grad():
        before, _ = compiled(x)
        model.lstm.weight_hh_l0.data.mul_(3)
        after, _ = compiled(x)
        assert not torch.equal(before, after) and torch.equal(after, model(x)[0])


def test_hooks_and_parametrizations_are_traced() -> None:
    model = rft.accelerate(Between())
    nn.utils.parametrizations.weight_norm(model.lstm, "weight_hh_l0")
    model.lstm.register_forward_hook(lambda module, inputs, outputs: (outputs[0] * 2, outputs[1]))
    compiled, parameters = torch.compile(model, fullgraph=True, backend="aot_eager"), [*model.parameters()]
    x = numbers(7, 4)
    assert_same(trained(compiled, parameters, x), trained(model, parameters, x))


def ragged(steps: int, batch: int) -> dict[str, Any]:
    flags = torch.rand((2, steps, batch), generator=torch.Generator().manual_seed(1)) > 0.2
    return {"lengths": torch.arange(batch) % steps, "mask": flags[0], "resets": ~flags[1]}


@pytest.mark.parametrize(
    "layer",
    [
        rft.LSTM(3, 4, num_layers=2, dropout=0.3, recurrent_dropout=0.2, input_dropout=0.1, masked_output="hold"),
        rft.GRU(3, 4, reset_after=False, bidirectional=True),
    ],
    ids=["LSTM", "GRU"],
)
def test_lengths_mask_and_resets_are_tensors_like_others(layer: nn.Module) -> None:
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for sizes in SIZES:
            x, parameters = numbers(*sizes), [*layer.parameters()]
            found, expected = (trained(partial(run, **ragged(*sizes)), parameters, x) for run in (compiled, layer))
            assert_same(found, expected)


def test_a_batch_first_layer_takes_lists_as_well() -> None:
    layer = rft.LSTM(3, 4, batch_first=True)
    compiled, x, mask = torch.compile(layer, fullgraph=True, backend="aot_eager"), numbers(3, 5), torch.rand(3, 5) > 0.3
    given = {"lengths": [5, 0, 2], "mask": mask}
    assert_same(outputs_of(compiled(x, **given)), outputs_of(layer(x, **given)))
    lone = {"lengths": 4, "mask": mask[1]}
    assert_same(outputs_of(compiled(x[1], **lone)), outputs_of(layer(x[1], **lone)))


def test_what_has_no_operator_breaks_the_graph_and_runs_as_without_a_compiler() -> None:
    layer = rft.LSTM(3, 4, memory="checkpoint", truncate=2)
    compiled, parameters, x = torch.compile(layer, backend="aot_eager"), [*layer.parameters()], numbers(7, 4)
    assert_same(trained(compiled, parameters, x), trained(layer, parameters, x))


class Packs(nn.Module):
    """An LSTM on a packed sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4)

    def forward(self, x: Any, lengths: Any) -> Any:
        y, state = self.lstm(pack_padded_sequence(x * 2, lengths, enforce_sorted=False))
        return pad_packed_sequence(y)[0] + 1, state


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # which Dynamo looks at
def test_packed_sequences_break_the_graph_and_run_as_without_a_compiler() -> None:
    model, lengths = rft.accelerate(Packs()), torch.tensor([2, 7, 1, 3])
    parameters, x = [*model.parameters()], numbers(7, 4)
    compiled = torch.compile(model, backend="aot_eager")
    assert_same(trained(compiled, parameters, x, lengths), trained(model, parameters, x, lengths))
    torch._dynamo.reset()
    packed: PackedSequence = pack_padded_sequence(x, lengths, enforce_sorted=False)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="rnnfast has no operator for this call"):
        torch.compile(model.lstm, fullgraph=True, backend="aot_eager")(packed)


def test_wrong_input_gets_pytorchs_message() -> None:
    compiled = torch.compile(rft.accelerate(nn.GRU(3, 4)), backend="aot_eager")
    with pytest.raises(RuntimeError, match="input.size"):
        compiled(torch.randn(7, 4, 5))


def test_layers_that_are_not_ours_break_the_graph_as_ever() -> None:
    model, x = nn.Sequential(rft.accelerate(nn.RNNCell(3, 4)), nn.GRU(4, 4)), numbers(7, 4)[0]
    with pytest.raises(torch._dynamo.exc.Unsupported, match="GRU"):
        torch.compile(model, fullgraph=True, backend="aot_eager")(x)
    torch._dynamo.reset()
    compiled, parameters = torch.compile(model, backend="aot_eager"), [*model.parameters()]
    assert_same(trained(compiled, parameters, x), trained(model, parameters, x))
    assert not torch._dynamo.config.allow_rnn


def test_layers_break_it_again_once_they_are_restored() -> None:
    model, x = rft.accelerate(nn.Sequential(nn.GRU(3, 4))), numbers(7, 4)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    compiled(x)
    rft.restore(model)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="GRU"):
        compiled(x)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor compiles with g++, which is not there")
@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # inductor's own
def test_inductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model = rft.accelerate(Started())
    compiled = torch.compile(model, fullgraph=True, options={"compile_threads": 1})
    parameters, x = [*model.parameters()], numbers(7, 4)
    torch.testing.assert_close(trained(compiled, parameters, x), trained(model, parameters, x))
