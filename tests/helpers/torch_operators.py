"""Arguments of the operators `torch.ops.rnnfast` for tests."""

from __future__ import annotations

from typing import Any

import torch

from rnnfast.integrations.torch.checked import net_of
from rnnfast.integrations.torch.schemas import Inputs, Options

HIDDEN = 3
PLAIN = Options("lstm", HIDDEN, 1, True, False, "zero", 0.0, 0.0, 0.0, 0)
CALLS: dict[str, tuple[Options, str]] = {
    "lstm": (PLAIN._replace(num_layers=2, bidirectional=True), "states"),
    "lstm without states": (PLAIN, ""),
    "lstm, dropout, hold": (
        PLAIN._replace(num_layers=2, dropout=0.5, recurrent_dropout=0.25, masked_output="hold"),
        "seed lengths mask resets",
    ),
    "lstm_proj": (PLAIN._replace(cell="lstm_proj", proj_size=2, num_layers=2), "states"),
    "gru": (PLAIN._replace(cell="gru", bias=False), "states lengths"),
    "gru_before": (PLAIN._replace(cell="gru_before", bidirectional=True), "states resets"),
    "rnn_tanh": (PLAIN._replace(cell="rnn_tanh"), "states mask"),
    "rnn_relu": (PLAIN._replace(cell="rnn_relu", num_layers=2, input_dropout=0.5), "seed"),
}
"""Calls of all kinds: options, and what is given besides x and parameters."""


def arguments_of(
    call: str,
    steps: int = 4,
    batch: int = 3,
    features: int = 2,
    *,
    dtype: torch.dtype = torch.float64,
    grad: bool = True,
) -> tuple[Any, ...]:
    """Return the arguments of a call, random numbers, leaves that need gradients if `grad`."""
    options, given = CALLS[call]
    generator = torch.Generator().manual_seed(5)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=dtype, generator=generator).requires_grad_(grad)

    net = net_of(options, features, dtype)
    parameters = [numbers(*shape) for shape in net.shapes.values()]
    x, states = numbers(steps, batch, features), [None, None]
    if "states" in given:
        states = [numbers(net.num_layers * net.num_directions, batch, size) for size in net.state_sizes]
        states += [None] * (2 - len(states))
    flags = torch.rand((2, steps, batch), generator=generator) > 0.3
    lengths = torch.arange(batch) % steps + 1 if "lengths" in given else None
    mask, resets = flags[0] if "mask" in given else None, ~flags[1] if "resets" in given else None
    seed = torch.tensor(11) if "seed" in given else None
    return *Inputs(x, parameters, states[0], states[1], lengths, mask, resets, seed), *options


def leaves_of(arguments: tuple[Any, ...]) -> list[torch.Tensor]:
    """Return the tensors of a call that gradients lead to: x, parameters, states."""
    x, parameters, h0, c0, *_ = arguments
    return [tensor for tensor in (x, *parameters, h0, c0) if tensor is not None]


def backward_arguments(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of `backward` after a call: gradients of ones, of c_n none."""
    y, h_n, c_n, reserve = torch.ops.rnnfast.record(*arguments)
    given = arguments[2] is not None
    needed = [True, given, given and c_n.dim() > 1, True]
    return torch.ones_like(y), torch.ones_like(h_n), None, reserve, needed, *arguments
