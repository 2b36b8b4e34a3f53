"""`torch.compile` taken through recurrent modules that run here: PyTorch breaks the graph at each nn.RNN, LSTM and GRU.

Dynamo refuses them by class, before it looks at a forward. It is told to trace those that have ours, and no other, as
it traces any module; PyTorch imports Dynamo when something is compiled, and not before that is it told so.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from rnnfast.integrations.torch import traced

DYNAMO = "torch._dynamo"
OURS = __name__.rpartition(".")[0]
UNTRACED = "rnnfast has no operator for this call of a recurrent module, which runs as it does without a compiler"


def is_ours(module: Any) -> bool:
    """Whether a call of this module runs code of this package."""
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


class Watch(MetaPathFinder):
    """What sees Dynamo's import coming, and has `tell` follow it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what Python would find without it, of other modules None."""
        if name != DYNAMO:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                tell(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Tell Dynamo now, or as soon as it is there."""
    if DYNAMO in sys.modules:
        tell(sys.modules[DYNAMO])
    else:
        sys.meta_path.insert(0, Watch())
