"""`torch.compile` taken through recurrent modules that run here: PyTorch breaks the graph at each nn.RNN, LSTM and GRU.

Dynamo refuses them by class, before it looks at a forward. It is told to trace those that have ours, and no other, as
it traces any module.
"""

from __future__ import annotations

import functools
from typing import Any

from rnnfast.integrations.torch import traced

DYNAMO = "torch._dynamo"
OURS = __name__.rpartition(".")[0]
UNTRACED = "rnnfast has no operator for this call of a recurrent module, which runs as it does without a compiler"


def is_ours(module: Any) -> bool:
    """Return whether a call of this module runs code of this package."""
    forward = getattr(module, "forward", None)
    return str(getattr(forward, "__module__", "")).startswith(OURS)


def tell(dynamo: Any) -> None:
    """Have Dynamo trace recurrent modules that are ours, up to calls that no operator serves."""
    traced.untraced = dynamo.disable(traced.untraced)
    traced.untraced._torchdynamo_disable_msg = UNTRACED  # type: ignore[attr-defined]
    builder = dynamo.variables.builder.VariableBuilder
    if not hasattr(builder, "wrap_module"):  # another PyTorch's: the graph breaks, as ever
        return
    wrap = builder.wrap_module

    @functools.wraps(wrap)
    def wrap_module(self: Any, value: Any) -> Any:
        if not is_ours(value):
            return wrap(self, value)
        with dynamo.config.patch(allow_rnn=True):
            return wrap(self, value)

    builder.wrap_module = wrap_module
