"""The public modules against torch.nn with the same parameters, in float64: outputs, final states, every gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from targets import ON_EVERY_TARGET, Target

import rnnfast
from rnnfast.problem import Array

torch = pytest.importorskip("torch", reason="torch is not installed")
torch.set_num_threads(1)

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "projected lstm": ("LSTM", {"proj_size": 5}),
    "gru": ("GRU", {}),
    "rnn tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn relu": ("RNN", {"nonlinearity": "relu"}),
}
ALL_NETS = pytest.mark.parametrize("net", NETS)
SIZES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "no bias": {"bias": False},
    "batch first": {"batch_first": True},
    "two directions": {"bidirectional": True},
    "stacked": {"num_layers": 3, "bidirectional": True, "batch_first": True},
}
STEPS, BATCH, INPUT, HIDDEN = 6, 4, 5, 9
"""Little for the emulator, and more units than a vector has numbers."""


def pair(net: str, target: Target, suffix: str = "", **options: Any) -> tuple[Any, Any]:
    """Our module and torch's with the same random parameters, twice the default range; suffix "Cell" for step cells."""
    name, kind = NETS[net][0] + suffix, NETS[net][1]
    target.skip_unless_able("lstm_proj" if "proj_size" in kind else None)
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(INPUT, HIDDEN, dtype=torch.float64, **kind, **options)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter *= 2
    ours = getattr(rnnfast, name)(INPUT, HIDDEN, dtype="float64", backend=str(target), **kind, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def random_like(tensors: Any) -> list[Any]:
    """A random tensor for each."""
    return [torch.randn_like(t) for t in tensors]


def parts(state: Any) -> tuple[Any, ...]:
    """The arrays or tensors of a state, of one kind or two."""
    return state if isinstance(state, tuple) else (state,)


def whole(state: list[Any]) -> Any:
    """What a module takes: h, or (h, c)."""
    return state[0] if len(state) == 1 else tuple(state)


def assert_close(ours: Any, theirs: Any, name: str) -> None:
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-10, err_msg=name)


def compare(ours: Any, theirs: Any, lengths: Array | None = None) -> None:
    """One forward and backward of each, from random x, states and gradients of y and of the final states."""
    time, batch = (1, 0) if theirs.batch_first else (0, 1)
    directions = 2 if theirs.bidirectional else 1
    x = torch.randn(*((BATCH, STEPS) if theirs.batch_first else (STEPS, BATCH)), INPUT, dtype=torch.float64)
    assert x.shape[time] == STEPS and x.shape[batch] == BATCH
    sizes = (theirs.proj_size or HIDDEN, HIDDEN)[: 2 if isinstance(theirs, torch.nn.LSTM) else 1]
    state = [torch.randn(theirs.num_layers * directions, BATCH, size, dtype=torch.float64) for size in sizes]
    for leaf in (x, *state):
        leaf.requires_grad_()

    if lengths is None:
        y, final = theirs(x, whole(state))
    else:
        pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
        packed = pack(x, torch.from_numpy(lengths), batch_first=theirs.batch_first, enforce_sorted=False)
        y, final = theirs(packed, whole(state))
        y, _ = pad(y, batch_first=theirs.batch_first, total_length=STEPS)
    dy, *d_final = random_like((y, *parts(final)))
    torch.autograd.backward((y, *parts(final)), (dy, *d_final))

    y_ours, final_ours, tape = ours.record(arrays(x), arrays(whole(state)), lengths=lengths)
    grads = tape.backward(dy.numpy(), arrays(whole(d_final)))
    assert_close(y_ours, y, "y")
    assert_states_close(final_ours, final, "final state")
    assert_gradients_close(grads, x, state, theirs)


def arrays(tensors: Any) -> Any:
    """NumPy views of one tensor or of a tuple of them."""
    return tuple(map(arrays, tensors)) if isinstance(tensors, tuple) else tensors.detach().numpy()


def assert_states_close(ours: Any, theirs: Any, name: str) -> None:
    for k, (got, expected) in enumerate(zip(parts(ours), parts(theirs), strict=True)):
        assert_close(got, expected, f"{name} {k}")


def assert_gradients_close(grads: Any, x: Any, state: list[Any], theirs: Any) -> None:
    assert_close(grads.x, x.grad, "x")
    assert_states_close(grads.state, tuple(s.grad for s in state), "state")
    for name, parameter in theirs.named_parameters():
        assert_close(grads.params[name], parameter.grad, name)


@ON_EVERY_TARGET
@ALL_NETS
@pytest.mark.parametrize("size", SIZES)
def test_same_numbers_as_torch(target: Target, net: str, size: str) -> None:
    compare(*pair(net, target, **SIZES[size]))


@ON_EVERY_TARGET
@ALL_NETS
@pytest.mark.parametrize("size", SIZES)
def test_lengths_are_torch_packed_sequences(target: Target, net: str, size: str) -> None:
    compare(*pair(net, target, **SIZES[size]), lengths=np.array([3, STEPS, 1, 3]))


@ON_EVERY_TARGET
@pytest.mark.parametrize("net", [name for name in NETS if name != "projected lstm"])  # torch's cell has none
def test_step_cells_are_torch_cells(target: Target, net: str) -> None:
    ours, theirs = pair(net, target, suffix="Cell")
    x = torch.randn(BATCH, INPUT, dtype=torch.float64, requires_grad=True)
    kinds = 2 if net == "lstm" else 1
    state = [torch.randn(BATCH, HIDDEN, dtype=torch.float64, requires_grad=True) for _ in range(kinds)]
    after = theirs(x, whole(state))
    d_after = random_like(parts(after))
    torch.autograd.backward(parts(after), d_after)

    after_ours, tape = ours.record(arrays(x), arrays(whole(state)))
    assert_states_close(after_ours, after, "state after the step")
    assert_gradients_close(tape.backward(d_state=arrays(whole(d_after))), x, state, theirs)
