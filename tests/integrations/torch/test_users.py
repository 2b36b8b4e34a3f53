"""What users of PyTorch's layers rely on, of accelerated ones: copies, files, hooks, wrappers, refusals."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, parametrize  # noqa: E402
from torch_layers import (  # noqa: E402
    CELLS,
    EITHER_ROUTE,
    SEQUENCES,
    assert_close,
    assert_same_call,
    flat,
    normal,
    packed,
    ran_here,
    state_of,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE

EVERY_KIND = pytest.mark.parametrize("kind", SEQUENCES)


class Tagger(nn.Module):
    """Layers that stand in a model, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 3)
        self.lstm = nn.LSTM(3, 4, bidirectional=True, batch_first=True)
        self.cells = nn.ModuleList([nn.GRUCell(8, 8)])
        self.again, self.head = self.cells[0], nn.Linear(8, 2)

    def forward(self, tokens: Any) -> Any:
        """Scores of two tags for every token."""
        y, _ = self.lstm(self.embedding(tokens))
        return self.head(self.again(y.flatten(0, 1)).view(y.shape))


TOKENS = torch.arange(10).view(2, 5) % 7


def test_a_model_is_accelerated_as_it_is_and_restored() -> None:
    model = Tagger()
    before, names = model(TOKENS), [*model.state_dict()]
    assert rft.accelerate(model) is model and rft.report(model) == {}
    assert type(model.lstm) is nn.LSTM and type(model.again) is nn.GRUCell
    assert [*model.state_dict()] == names and len([*model.parameters()]) == 15
    assert ran_here(model(TOKENS))
    assert_close(model(TOKENS), before)
    assert rft.accelerate(model) is model
    assert rft.restore(model) is model and not ran_here(model(TOKENS))
    assert rft.report(model) == {"lstm": "it was not accelerated", "cells.0": "it was not accelerated"}
    assert torch.equal(model(TOKENS), before)


def test_a_block_in_which_a_model_is_accelerated() -> None:
    model = Tagger()
    rft.accelerate(model.lstm)
    with pytest.raises(KeyError), rft.accelerated(model) as same:
        assert same is model and rft.report(model) == {}
        raise KeyError
    assert rft.report(model) == {"cells.0": "it was not accelerated"}
    with pytest.raises(TypeError, match=r"model is of type list, expected a torch\.nn\.Module"):
        rft.accelerate([model])


def test_copies_and_pickles_are_accelerated_and_independent() -> None:
    model = rft.accelerate(Tagger())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert rft.report(twin) == {} and ran_here(twin(TOKENS))
        assert torch.equal(twin(TOKENS), model(TOKENS))
        with torch.no_grad():
            twin.lstm.weight_ih_l0.zero_()
        assert not torch.equal(twin(TOKENS), model(TOKENS))


def test_a_model_in_a_file_loads_accelerated_in_another_process(tmp_path: Path) -> None:
    model = nn.Sequential(nn.LSTM(3, 4, num_layers=2), nn.Identity())
    x = normal(5, 2, 3).detach()
    torch.save((rft.accelerate(model), x, model(x)[0]), tmp_path / "model.pt")
    program = """
import sys, torch
model, x, y = torch.load(sys.argv[1], weights_only=False)
found = model(x)[0]
assert torch.equal(found, y) and found.grad_fn.name() == "RecurrenceBackward"
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "model.pt")], cwd=tmp_path, check=True, timeout=120)


def test_state_dicts_go_both_ways() -> None:
    model, plain = rft.accelerate(Tagger()), Tagger()
    file = io.BytesIO()
    torch.save(plain.state_dict(), file)
    file.seek(0)
    model.load_state_dict(torch.load(file, weights_only=True))
    assert_close(model(TOKENS), plain(TOKENS))
    plain.load_state_dict(model.state_dict())


def test_a_model_is_freed_with_its_last_reference() -> None:
    gc.disable()
    try:
        model = rft.accelerate(nn.LSTM(3, 4))
        model(normal(5, 2, 3))[0].sum().backward()
        gone = [weakref.ref(model), weakref.ref(model.weight_hh_l0)]
        del model
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def test_parameters_that_were_replaced_are_not_kept_alive() -> None:
    model = rft.accelerate(nn.GRU(3, 4))
    model(normal(5, 2, 3))
    gone = weakref.ref(model.weight_hh_l0)
    model.weight_hh_l0 = nn.Parameter(torch.zeros(12, 4))
    model(normal(5, 2, 3))
    assert gone() is None


def replica(module: Any) -> Any:
    """What nn.DataParallel makes for another device, where it then puts the parameters."""
    twin = module._replicate_for_data_parallel()
    twin._parameters = dict(module._parameters)
    return twin


def from_state(module: Any) -> Any:
    """Another module of the same state."""
    twin = type(module).__new__(type(module))
    twin.__setstate__(copy.deepcopy(module.__getstate__()))
    return twin


@EVERY_KIND
@pytest.mark.parametrize("copied", [copy.copy, replica, from_state])
def test_a_shallow_copy_is_accelerated_and_runs_itself(kind: str, copied: Any) -> None:
    plain = SEQUENCES[kind](3, 4, num_layers=2, dropout=0.5)
    module = rft.accelerate(copy.deepcopy(plain))
    x, before = normal(5, 2, 3), module.eval()(normal(5, 2, 3))
    twins = [copied(plain), copied(module.train())]
    for twin in twins:
        twin.batch_first = True
        twin.eval()
        for weight in ("weight_hh_l0", "weight_ih_l1"):
            twin._parameters = {**twin._parameters, weight: nn.Parameter(getattr(twin, weight) / 2)}
        twin._flat_weights = [getattr(twin, name) for name in twin._flat_weights_names]
    assert rft.report(twins[1]) == {} and ran_here(twins[1](x)) and not ran_here(twins[0](x))
    assert_close(twins[1](x), twins[0](x))
    assert module.training and not module.batch_first
    assert all(map(torch.equal, flat(module.eval()(x)), flat(before)))
    rft.restore(module)
    assert ran_here(twins[1](x)) and not ran_here(module(x)) and not ran_here(rft.restore(twins[1])(x))


@pytest.mark.parametrize("kind", CELLS)
def test_a_shallow_copy_of_a_cell_runs_itself(kind: str) -> None:
    module = rft.accelerate(CELLS[kind](3, 4))
    twin, x = copy.copy(module), normal(2, 3)
    twin._parameters = {name: nn.Parameter(weight / 2) for name, weight in module._parameters.items()}
    found = twin(x)
    assert ran_here(found) and not torch.equal(flat(found)[0], flat(module(x))[0])
    assert_close(found, rft.restore(copy.deepcopy(twin))(x))
    del module
    assert ran_here(twin(x))


def test_a_shallow_copy_of_a_frozen_layer_is_frozen() -> None:
    module = rft.freeze(nn.GRU(3, 4).eval())
    twin, x = copy.copy(module), normal(5, 2, 3)
    with torch.inference_mode():
        expected = module(x)
        module.weight_hh_l0.zero_()
        assert all(map(torch.equal, twin(x), expected))


def test_a_forward_of_a_module_that_is_gone_says_so() -> None:
    module, twin = rft.accelerate(nn.GRU(3, 4)), nn.GRU(3, 4)
    twin.__dict__["forward"] = module.__dict__["forward"]
    del module
    with pytest.raises(RuntimeError, match="has the forward of one that rnnfast ran and that is gone: accelerate this"):
        twin(normal(5, 2, 3))
    assert rft.report(rft.accelerate(twin)) == {} and ran_here(twin(normal(5, 2, 3)))


@EVERY_KIND
def test_hooks_see_what_they_saw(kind: str) -> None:
    module, seen = rft.accelerate(SEQUENCES[kind](3, 4)), []
    module.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape))
    module.register_forward_hook(lambda module, given, results: (results[0] + 1, results[1]))
    module.register_full_backward_hook(lambda module, given, results: seen.append(results[0].shape))
    x = normal(5, 2, 3)
    y, _ = module(x)
    y.sum().backward()
    assert seen == [(5, 2, 3), (5, 2, 4)]
    plain = rft.restore(copy.deepcopy(module))
    assert_close(y, plain(x)[0])


@EVERY_KIND
def test_methods_of_the_layers(kind: str) -> None:
    module = rft.accelerate(SEQUENCES[kind](3, 4, num_layers=2))
    module.flatten_parameters()
    assert [len(weights) for weights in module.all_weights] == [4, 4]
    state = module.__getstate__()
    twin = SEQUENCES[kind].__new__(SEQUENCES[kind])
    twin.__setstate__(copy.deepcopy(state))
    assert repr(module) == repr(SEQUENCES[kind](3, 4, num_layers=2))
    module.reset_parameters()
    assert module.double()(normal(5, 2, 3, dtype=torch.float64))[0].dtype is torch.float64
    assert ran_here(module(normal(5, 2, 3, dtype=torch.float64)))
    assert module.half()(normal(5, 2, 3).half())[0].dtype is torch.float16
    assert list(rft.report(module).values()) == ["its parameters are torch.float16, float32 and float64 are served"]
    assert ran_here(module.float()(normal(5, 2, 3)))


@EVERY_KIND
def test_options_that_change_are_seen(kind: str) -> None:
    module = SEQUENCES[kind](3, 4, num_layers=2)
    twin = rft.accelerate(copy.deepcopy(module))
    assert_same_call(module, normal(2, 5, 3), twin=twin)
    module.batch_first = twin.batch_first = True
    assert_same_call(module, normal(2, 5, 3), twin=twin)
    twin.dropout = 0.5
    assert not torch.equal(twin(normal(2, 5, 3))[0], twin(normal(2, 5, 3))[0])
    twin.dropout = 1.0
    assert rft.report(twin)[""].startswith("it has an option that is not served: dropout is 1.0")
    assert not ran_here(twin(normal(2, 5, 3)))


@EVERY_KIND
@pytest.mark.parametrize("name, value", [("bias", False), ("num_layers", 1), ("bidirectional", True)])
def test_options_that_do_not_go_with_the_parameters_are_pytorchs(kind: str, name: str, value: Any) -> None:
    module = rft.accelerate(SEQUENCES[kind](4, 4, num_layers=2))
    module(normal(5, 2, 4))
    setattr(module, name, value)
    assert rft.report(module)[""].startswith("its parameters have shapes [(")
    if kind != "lstm":  # of which PyTorch runs some
        with pytest.raises(RuntimeError, match=r"Expected more weights|invalid slice"):
            module(normal(5, 2, 4))


@EVERY_KIND
def test_a_batch_of_none_and_no_steps(kind: str) -> None:
    module = SEQUENCES[kind](3, 4, num_layers=2)
    assert_same_call(module, normal(5, 0, 3))
    assert_same_call(module, normal(5, 0, 3), state_of(module, 0))
    with pytest.raises(RuntimeError, match="larger than 0"):
        rft.accelerate(module)(normal(0, 2, 3))
    with pytest.raises(RuntimeError, match="larger than 0"):
        module(normal(0, 3))


@pytest.mark.parametrize("kind", CELLS)
def test_a_batch_of_none_in_cells(kind: str) -> None:
    module = CELLS[kind](3, 4)
    assert_same_call(module, normal(0, 3), state_of(module, 0))


def test_errors_are_pytorchs() -> None:
    module, plain, cell = rft.accelerate(nn.LSTM(3, 4)), nn.LSTM(3, 4), nn.GRUCell(3, 4)
    h = torch.zeros(1, 2, 4)
    calls = [(normal(5, 2, 9),), (normal(2),), (normal(5, 2, 3), h), (normal(5, 2, 3), (h, h[:, :1]))]
    calls += [(normal(5, 2, 3), (h, h[0])), (normal(5, 2, 3).double(),), ([1.0],), (packed(normal(5, 2, 9), [5, 1]),)]
    calls += [(normal(5, 2, 3), (h, h.double())), (normal(5, 2, 3, 1).to_sparse(),)]
    for given in calls:
        with pytest.raises((RuntimeError, ValueError, AttributeError, TypeError, IndexError)) as expected:
            plain(*given)
        with pytest.raises(type(expected.value)) as got:
            module(*given)
        assert str(got.value) == str(expected.value)
    with pytest.raises(RuntimeError) as expected:
        cell(normal(2, 9))
    with pytest.raises(RuntimeError) as got:
        rft.accelerate(cell)(normal(2, 9))
    assert str(got.value) == str(expected.value)


@pytest.mark.parametrize("old", [False, True])
def test_weight_norm_and_other_parametrizations(old: bool) -> None:
    torch.manual_seed(0)
    module = nn.LSTM(3, 4)
    if old:
        with pytest.warns(FutureWarning, match="weight_norm"):
            nn.utils.weight_norm(module, "weight_hh_l0")
    else:
        parametrizations.weight_norm(module, "weight_hh_l0")
    twin = rft.accelerate(copy.deepcopy(module) if not old else pickle.loads(pickle.dumps(module)))
    assert rft.report(twin) == {}
    for _ in range(2):
        assert_same_call(module, normal(5, 2, 3), twin=twin)
        with torch.no_grad():
            for one in (module, twin):
                for parameter in one.parameters():
                    parameter.mul_(1.5)
    if not old:
        rft.accelerate(module)
        parametrize.remove_parametrizations(module, "weight_hh_l0")
        assert rft.report(module) == {} and ran_here(module(normal(5, 2, 3)))
        assert_close(module(normal(5, 2, 3)), rft.restore(copy.deepcopy(module))(normal(5, 2, 3)))


def test_functional_calls_use_the_parameters_that_they_bring() -> None:
    module = rft.accelerate(nn.GRU(3, 4))
    other = {name: torch.zeros_like(parameter) for name, parameter in module.named_parameters()}
    y, _ = torch.func.functional_call(module, other, (normal(5, 2, 3),))
    assert (y == 0).all() and not (module(normal(5, 2, 3))[0] == 0).any()


@pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::torch.jit.TracerWarning")
def test_torch_jit_traces_pytorchs_own_code_and_does_not_compile_ours() -> None:
    module, x = rft.accelerate(nn.LSTM(3, 4)), normal(5, 2, 3).detach()
    traced = torch.jit.trace(module, (x,))
    assert_close(traced(2 * x), rft.restore(copy.deepcopy(module))(2 * x))
    for model in (module, nn.Sequential(module), rft.GRU(3, 4), copy.deepcopy(module)):
        with pytest.raises(RuntimeError, match=r"torch\.jit\.script cannot compile: call .*restore\(model\)"):
            torch.jit.script(model)
    compiled = torch.jit.script(rft.restore(rft.accelerate(nn.Sequential(nn.GRU(3, 4)))))
    assert isinstance(compiled, torch.jit.ScriptModule)
    assert rft.report(rft.accelerate(compiled)) == {"0": "torch.jit compiled this GRU: accelerate the model instead"}


class Own(nn.LSTM):
    """A subclass with a forward of its own."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Twice the output."""
        y, state = super().forward(input, hx)
        return 2 * y, state


class Renamed(nn.GRU):
    """A subclass whose forward is PyTorch's."""


def test_what_is_not_served_is_reported_and_runs_as_before() -> None:
    bound = nn.GRU(3, 4)
    bound.forward = lambda x: x  # type: ignore[method-assign]
    mixed = nn.GRU(3, 4)
    mixed.weight_hh_l0 = nn.Parameter(mixed.weight_hh_l0.double())
    model = nn.ModuleDict(
        {
            "own": Own(3, 4),
            "bound": bound,
            "brain": nn.RNNCell(3, 4, dtype=torch.bfloat16),
            "nowhere": nn.LSTM(3, 4, device="meta"),
            "mixed": mixed,
            "base": nn.RNNBase("GRU", 3, 4),
            "renamed": Renamed(3, 4),
            "linear": nn.Linear(3, 4),
        }
    )
    found = rft.report(rft.accelerate(model))
    assert found == {
        "own": "its class, Own, has a forward of its own",
        "bound": "a forward of its own is bound to it",
        "brain": "its parameters are torch.bfloat16, float32 and float64 are served",
        "nowhere": "its parameters are on meta, where PyTorch's own code runs",
        "mixed": "its parameters are torch.float32 and torch.float64, expected one dtype",
        "base": "it is a RNNBase, which is none of LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell",
    }
    x = normal(5, 2, 3)
    assert ran_here(model["renamed"](x)) and not ran_here(model["own"](x))
    assert model["bound"](x) is x
    assert model["nowhere"](x.to("meta"))[0].device.type == "meta"
    rft.restore(model)
    assert model["bound"](x) is x


@pytest.mark.parametrize("layout", [torch.Tensor.to_mkldnn, torch.Tensor.to_sparse], ids=["oneDNN", "sparse"])
@pytest.mark.parametrize("which", ["x", "state", "parameter"])
@pytest.mark.parametrize("cls", [*SEQUENCES.values(), *CELLS.values()])
def test_tensors_of_other_layouts_are_pytorchs(cls: Any, which: str, layout: Any) -> None:
    """Most it refuses; a sparse x of a cell it runs."""
    plain, x = cls(3, 4).requires_grad_(False), torch.ones((5, 2, 3) if cls in SEQUENCES.values() else (2, 3))
    module, state, said = rft.accelerate(copy.deepcopy(plain)), None, []
    module(x)
    if which == "x":
        x = layout(x)
    elif which == "state":
        state = [layout(part.detach()) for part in flat(state_of(plain, 2))]
        state = tuple(state) if len(state) > 1 else state[0]
    else:
        for one in (plain, module):
            name, weight = [*one.named_parameters()][1]
            one._parameters[name] = nn.Parameter(layout(weight), requires_grad=False)
    reason = rft.report(module).get("", "")
    assert reason.startswith("a parameter has the layout torch.") == (which == "parameter")
    for one in (plain, module):
        try:
            said.append(flat(one(x, state)))
        except RuntimeError as error:
            said.append(str(error))
    if isinstance(said[0], str):
        assert said[0] == said[1]
    else:
        assert_close(said[1], said[0])


def test_tensors_of_other_classes_run_pytorchs_own_code() -> None:
    class Named(torch.Tensor):
        pass

    module, x = rft.accelerate(nn.GRU(3, 4)), normal(5, 2, 3).detach()
    y, _ = module(x.as_subclass(Named))
    assert type(y) is Named and not ran_here(y)
    assert_close(y.as_subclass(torch.Tensor), module(x)[0])
    assert ran_here(module(nn.Parameter(x)))


@EVERY_KIND
@pytest.mark.parametrize("size", [1, 3])
def test_numbers_that_pytorch_negates_when_they_are_read(kind: str, size: int) -> None:
    module = SEQUENCES[kind](size, size)
    x, state = normal(1, 1, size), state_of(module, 1)
    negative, *parts = [torch.complex(one, one).conj().imag for one in (x, *flat(state))]
    twin = rft.accelerate(copy.deepcopy(module))
    for one in (negative, *parts):
        assert one.is_neg() and one.is_contiguous() == (size == 1)
    for given in ((negative,), (x, tuple(parts) if kind == "lstm" else parts[0]), (torch._neg_view(x),)):
        results = [one(*given) for one in (module, twin)]
        assert_close(*results)
        losses = [torch.complex(y, y).conj().imag.square().sum() for y, _ in results]
        both = zip(losses, (module, twin), strict=True)
        assert_close(*[torch.autograd.grad(loss, [x, *one.parameters()], retain_graph=True) for loss, one in both])
    for one in (module, twin):
        one.weight_hh_l0 = nn.Parameter(torch._neg_view(one.weight_hh_l0.detach()))
    assert twin.weight_hh_l0.is_neg()
    assert_close(twin(x), module(x))


def test_threads_are_pytorchs_and_change_no_bit() -> None:
    import rnnfast

    module, x, before, here = rft.accelerate(nn.GRU(64, 64)), normal(9, 32, 64), torch.get_num_threads(), []
    set_for_all = rnnfast.get_num_threads()
    try:
        for threads in (1, 3, 1):
            torch.set_num_threads(threads)
            here.append([*flat(module(x)), *torch.autograd.grad(module(x)[0].sum(), [*module.parameters()])])
            assert module.forward._layer.read(module)[0].num_threads == threads
            assert rnnfast.get_num_threads() == set_for_all
    finally:
        torch.set_num_threads(before)
    for other in here[1:]:
        assert all(torch.equal(one, two) for one, two in zip(here[0], other, strict=True))
