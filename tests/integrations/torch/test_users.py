"""What users of PyTorch's layers rely on, of accelerated ones: hooks, methods, parametrizations, wrappers, threads."""

from __future__ import annotations

import copy
import pickle

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, parametrize  # noqa: E402
from torch_layers import (  # noqa: E402
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    assert_close,
    assert_same_call,
    flat,
    normal,
    ran_here,
)

import rnnfast.integrations.torch as rft  # noqa: E402

pytestmark = EITHER_ROUTE


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
