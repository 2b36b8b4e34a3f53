"""The modules that have what PyTorch's lack, beside PyTorch's and beside rnnfast's own."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch_layers import (  # noqa: E402
    EITHER_ROUTE,
    SEQUENCES,
    assert_close,
    assert_same_call,
    flat,
    gradients,
    normal,
    packed,
    state_of,
)

import rnnfast  # noqa: E402
import rnnfast.integrations.torch as rft  # noqa: E402
from rnnfast.integrations.torch.call import drawn_seed  # noqa: E402

pytestmark = EITHER_ROUTE

OURS = {"lstm": rft.LSTM, "gru": rft.GRU, "rnn": rft.RNN}
OWN = {"lstm": rnnfast.LSTM, "gru": rnnfast.GRU, "rnn": rnnfast.RNN}
EVERY_KIND = pytest.mark.parametrize("kind", OURS)
T, B = 7, 3


def pair(kind: str, **options: Any) -> tuple[Any, Any]:
    """A module, and rnnfast's own net with the same parameters."""
    torch.manual_seed(0)
    module = OURS[kind](3, 4, dtype=torch.float64, **options)
    options = {name: value for name, value in options.items() if name not in ("memory", "truncate")}
    own = OWN[kind](3, 4, dtype="float64", backend="c", **options)
    own.load_state_dict({name: value.numpy() for name, value in module.state_dict().items()})
    return module, own


@EVERY_KIND
def test_without_more_they_are_pytorchs(kind: str) -> None:
    options = {"num_layers": 2, "bidirectional": True, "batch_first": True}
    module, plain = OURS[kind](3, 4, **options), SEQUENCES[kind](3, 4, **options)
    module.load_state_dict(plain.state_dict())
    assert isinstance(module, SEQUENCES[kind]) and rft.report(module) == {}
    assert_same_call(plain, normal(2, 5, 3), state_of(plain, 2), twin=module)
    assert_same_call(plain, packed(normal(2, 5, 3), [3, 5], batch_first=True), twin=module)
    for twin in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        rft.accelerate(module),
        rft.restore(module),
    ):
        assert torch.equal(twin(normal(2, 5, 3))[0], module(normal(2, 5, 3))[0])


@EVERY_KIND
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"masked_output": "hold"},
        {"num_layers": 2, "bidirectional": True},
        {"truncate": 2},
        {"memory": "checkpoint"},
    ],
)
def test_lengths_masks_and_resets(kind: str, batch_first: bool, options: dict[str, Any]) -> None:
    module, own = pair(kind, batch_first=batch_first, **options)
    rng, cuts = np.random.default_rng(1), {k: options[k] for k in ("memory", "truncate") if k in options}
    axes = (B, T) if batch_first else (T, B)
    ragged = {"lengths": np.array([7, 2, 5]), "mask": rng.random(axes) < 0.8, "resets": rng.random(axes) < 0.2}
    x, state = normal(*axes, 3, dtype=torch.float64), state_of(module, B, dtype=torch.float64)
    for names in (["lengths"], ["mask"], ["resets"], [*ragged]):
        given = {name: ragged[name] for name in names}
        results = module(x, state, **{name: torch.from_numpy(array) for name, array in given.items()})
        hx = tuple(part.detach().numpy() for part in flat(state))
        y, final, tape = own.record(x.detach().numpy(), hx if kind == "lstm" else hx[0], **given, **cuts)
        assert_close(results, [torch.from_numpy(a) for a in (y, *(final if kind == "lstm" else (final,)))])
        leaves = [x, *flat(state), *module.parameters()]
        dy, *d_state = [normal(*tensor.shape, seed=9).double().detach().numpy() for tensor in flat(results)]
        grads = tape.backward(dy, tuple(d_state) if kind == "lstm" else d_state[0])
        assert_close(gradients(results, leaves), [torch.from_numpy(array) for array in grads.arrays])
        with torch.no_grad():
            assert_close(module(x, state, **given), [tensor.detach() for tensor in flat(results)])


@EVERY_KIND
def test_dropouts_of_sequences(kind: str) -> None:
    module, own = pair(kind, input_dropout=0.3, recurrent_dropout=0.4)
    x = normal(T, B, 3, dtype=torch.float64)
    torch.manual_seed(5)
    y, _ = module(x)
    torch.manual_seed(5)
    seed = int(drawn_seed())
    expected, _, tape = own.record(x.detach().numpy(), dropout_seed=seed)
    assert_close(y, torch.from_numpy(expected))
    assert_close(
        gradients(y, [x]), [torch.from_numpy(tape.backward(normal(T, B, 4, seed=9).detach().double().numpy()).x)]
    )
    module.eval()
    assert_close(module(x)[0], torch.from_numpy(own(x.detach().numpy())[0]))


def test_the_reset_gate_before_the_product() -> None:
    module, own = pair("gru", reset_after=False)
    x = normal(T, B, 3, dtype=torch.float64)
    assert_close(module(x)[0], torch.from_numpy(own(x.detach().numpy())[0]))
    twin = pickle.loads(pickle.dumps(module))
    assert torch.equal(twin(x)[0], module(x)[0])
    module.reset_after = True
    plain = torch.nn.GRU(3, 4, dtype=torch.float64)
    plain.load_state_dict(module.state_dict())
    assert_close(module(x), plain(x))


@pytest.mark.parametrize("options", [{"truncate": 2}, {"memory": "checkpoint"}, {"truncate": 3, "memory": 10**9}])
def test_cut_calls_of_packed_sequences_and_kept_graphs(options: dict[str, Any]) -> None:
    module, own = pair("lstm", **options)
    x, lengths = normal(T, B, 3, dtype=torch.float64), [2, 7, 4]
    y, _ = module(packed(x, lengths))
    loss = y.data.square().sum()
    first, second = (torch.autograd.grad(loss, [x, *module.parameters()], retain_graph=True) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    y, _, tape = own.record(x.detach().numpy(), lengths=lengths, **options)
    grads = tape.backward(2 * y)
    assert_close(list(first), [torch.from_numpy(array) for array in (grads.x, *grads.params.values())])


def test_frozen_modules_take_lengths() -> None:
    module = rft.LSTM(3, 4)
    x = normal(T, B, 3).detach()
    with torch.no_grad():
        before = module(x, lengths=[1, 2, 3])[0]
        rft.freeze(module)
        module.weight_ih_l0.zero_()
        assert torch.equal(module(x, lengths=[1, 2, 3])[0], before)
        assert not torch.equal(rft.restore(module)(x, lengths=[1, 2, 3])[0], before)


@EVERY_KIND
@pytest.mark.parametrize(
    "options", [{}, {"truncate": 2, "batch_first": True}, {"num_layers": 2, "bidirectional": True}]
)
def test_no_steps_leave_the_state_as_it_was(kind: str, options: dict[str, Any]) -> None:
    module = OURS[kind](3, 4, **options)
    axes = (B, 0) if module.batch_first else (0, B)
    x, state, flags = normal(*axes, 3), state_of(module, B), torch.ones(axes, dtype=torch.bool)
    for ragged in ({"lengths": [0] * B}, {"mask": flags}, {"resets": flags}):
        y, final = module(x, state, **ragged)
        assert y.shape == (*axes, 4 * (1 + module.bidirectional))
        assert all(map(torch.equal, flat(final), flat(state)))
        assert all(gradient.count_nonzero() == 0 for gradient in gradients(y, [*module.parameters()]))
    assert not flat(module(x, lengths=[0] * B)[1])[0].any()


def test_refusals() -> None:
    module, x = rft.GRU(3, 4), normal(T, B, 3)
    with pytest.raises(ValueError, match="lengths go from 1 to 9, expected 0 to 7"):
        module(x, lengths=[1, 9, 1])
    with pytest.raises(TypeError, match="mask has dtype float32, expected bool or uint8"):
        module(x, mask=torch.ones(T, B))
    with pytest.raises(ValueError, match=rf"resets has shape \({T}, {B + 1}\), expected \({T}, {B}\)"):
        module(x, resets=torch.ones(T, B + 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="a PackedSequence says its lengths itself"):
        module(packed(x, [1, 2, 3]), lengths=[1, 2, 3])
    half = rft.GRU(3, 4, dtype=torch.bfloat16)
    assert half(x.bfloat16())[0].dtype is torch.bfloat16
    with pytest.raises(TypeError, match="cannot run this GRU .*: its parameters are torch.bfloat16"):
        half(x.bfloat16(), lengths=[1, 2, 3])
    with pytest.raises(ValueError, match="memory is 1 bytes"):
        rft.GRU(3, 4, memory=1)(x)
    for options in ({"input_dropout": 1.0}, {"recurrent_dropout": -1}, {"masked_output": "last"}, {"memory": "half"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            rft.GRU(3, 4, **options)
    for options in ({"reset_after": "no"}, {"memory": 1.5}, {"truncate": True}):
        with pytest.raises(TypeError, match=next(iter(options))):
            rft.GRU(3, 4, **options)
    with pytest.raises(ValueError, match="truncate is 0, expected at least 1"):
        rft.GRU(3, 4, truncate=0)
