"""`torch.export` of accelerated models: one operator a layer, any T and B, and files that another process runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch.export import Dim, export  # noqa: E402
from torch_models import MODELS, Between, Stacked, numbers, outputs_of, trained  # noqa: E402

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # what torch.export copies graphs with
COUNTS = {"between": 1, "tagger": 1, "stacked": 1, "started": 1, "looped": 4}
"""Calls of layers in a call of a model."""
AXES = dict.fromkeys(COUNTS, (0, 1)) | {"tagger": (1, 0)}
"""Where T and B stand in the models' inputs."""


def exported(name: str, *, strict: bool = False, train: bool = False) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    make, inputs = MODELS[name]
    model = rft.accelerate(make()).train(train)
    steps, batch = AXES[name]
    shapes = {batch: Dim("batch")} if name == "looped" else {steps: Dim("steps"), batch: Dim("batch")}
    return model, export(model, (inputs(7, 13),), dynamic_shapes=(shapes,), strict=strict)


def assert_runs_alike(program: Any, model: nn.Module, name: str) -> None:
    for sizes in ((7, 13), (7 if name == "looped" else 9, 15)):
        x = MODELS[name][1](*sizes)
        found, expected = outputs_of(program(x)), outputs_of(model(x))
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def operators_in(program: Any) -> list[str]:
    return [str(node.target) for node in program.graph.nodes if "rnnfast" in str(node.target)]


@pytest.mark.parametrize(("name", "strict"), [*((name, False) for name in MODELS), ("between", True)])
def test_models_of_any_length_and_batch(name: str, strict: bool) -> None:
    model, program = exported(name, strict=strict)
    assert_runs_alike(program.module(), model, name)
    for graph, operator in ((program, "forward"), (program.run_decompositions(), "infer")):
        assert operators_in(graph) == [f"rnnfast.{operator}.default"] * COUNTS[name]


def test_an_exported_model_can_be_trained() -> None:
    model, program = exported("stacked", train=True)
    module, x = program.module(), numbers(9, 15)
    found = trained(module, [*module.parameters()], x)
    names = [name for name, _ in model.named_parameters()]
    assert [name for name, _ in module.named_parameters()] == names
    torch.testing.assert_close(found, trained(model, [*model.parameters()], x), rtol=0, atol=0)


RUN = """
import sys, torch, rnnfast.integrations.torch as rft
rft.accelerate(torch.nn.GRU(3, 4))(torch.ones(5, 2, 3))
assert "torch._dynamo" not in sys.modules  # whose import takes a second or more
program, x, expected = torch.export.load(sys.argv[1]), *torch.load(sys.argv[2])
found = program.module()(x)[0]
assert torch.equal(found, expected), (found - expected).abs().max()
"""


def test_a_saved_program_runs_in_another_process(tmp_path: Path) -> None:
    model, program = exported("between")
    x = numbers(9, 15)
    torch.export.save(program, tmp_path / "model.pt2")
    torch.save((x, model(x)[0].detach()), tmp_path / "numbers.pt")
    files = [str(tmp_path / name) for name in ("model.pt2", "numbers.pt")]
    subprocess.run([sys.executable, "-c", RUN, *files], cwd=tmp_path, check=True, timeout=300)


def test_states_are_inputs_like_others() -> None:
    model = rft.accelerate(Between())
    x, state = numbers(7, 4), (torch.randn(1, 4, 5), torch.randn(1, 4, 5))
    program = export(model, (x, state))
    torch.testing.assert_close(outputs_of(program.module()(x, state)), outputs_of(model(x, state)), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:The tensor attributes self._flat_weights:UserWarning")  # which PyTorch's GRU sets
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("make", [lambda: rft.accelerate(nn.GRU(3, 4)), lambda: rft.GRU(3, 4)], ids=["torch's", "own"])
def test_what_has_no_operator_is_exported_as_pytorchs_own(make: Callable[[], Any], strict: bool) -> None:
    layer, x = make().half(), numbers(5, 2).half()
    program = export(layer, (x,), strict=strict)
    assert operators_in(program) == [] and torch.equal(program.module()(x)[0], layer(x)[0])


def test_dropout_is_drawn_anew_by_the_program() -> None:
    _, program = exported("stacked", train=True)
    module, x = program.module(), numbers(7, 13)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(*(module(x) for _ in range(2) if torch.manual_seed(1)))


def test_a_layer_alone() -> None:
    layer = rft.accelerate(Stacked().gru).eval()
    x = numbers(5, 2)
    torch.testing.assert_close(outputs_of(export(layer, (x,)).module()(x)), outputs_of(layer(x)), rtol=0, atol=0)
