"""Copies of accelerated layers, deep, shallow, pickled and in files: accelerated, and themselves."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402
from torch_layers import (  # noqa: E402
    CELLS,
    EITHER_ROUTE,
    EVERY_KIND,
    SEQUENCES,
    TOKENS,
    Tagger,
    assert_close,
    flat,
    normal,
    ran_here,
)

import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch.memo import Layer  # noqa: E402

pytestmark = EITHER_ROUTE


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


def test_copies_with_other_options_do_not_learn_anew_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    module, learnt, learn = rft.accelerate(nn.GRU(3, 4)), [], Layer._learnt
    twin, x = copy.copy(module), normal(5, 2, 3)
    twin.batch_first = True
    monkeypatch.setattr(Layer, "_learnt", lambda *given: learnt.append(given) or learn(*given))
    for one in (module, twin) * 3:
        one(x)
    assert len(learnt) == 2


class Remade(nn.GRUCell):
    """A subclass that takes its state as it comes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it."""
        self.__dict__.update(state)


def test_a_deep_copy_runs_itself_whatever_its_class_does_with_its_state() -> None:
    module, x = rft.accelerate(Remade(3, 4)), normal(2, 3)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        module.weight_ih.zero_()
    found = twin(x)
    assert ran_here(found)
    assert_close(found, rft.restore(twin)(x))


def test_a_forward_of_a_module_that_is_gone_says_so() -> None:
    module, twin = rft.accelerate(nn.GRU(3, 4)), nn.GRU(3, 4)
    twin.__dict__["forward"] = module.__dict__["forward"]
    del module
    for call in (twin, rft.accelerate(nn.GRU(3, 4)).forward):
        with pytest.raises(RuntimeError, match="that is gone: keep the layer, .* or accelerate the one that you call"):
            call(normal(5, 2, 3))
    assert rft.report(rft.accelerate(twin)) == {} and ran_here(twin(normal(5, 2, 3)))
