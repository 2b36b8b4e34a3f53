"""`torch.compile` taken through recurrent modules of ours, where PyTorch breaks the graph at every nn.RNN, LSTM and GRU.

Dynamo refuses by class before it looks at a module's forward. What runs here it may trace, as it traces any module: the
refusal is lifted for these instances alone, once Dynamo is there, which PyTorch imports when something is compiled.
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

BUILDER = "torch._dynamo.variables.builder"
"""Where Dynamo decides about the values that it finds in traced code."""
OURS = __name__.rpartition(".")[0]


def is_ours(module: Any) -> bool:
    """Whether a call of this module runs code of this package."""
    return str(getattr(module.forward, "__module__", "")).startswith(OURS)


def let_through(builder: ModuleType) -> None:
    """Make Dynamo trace recurrent modules that are ours."""
    wrap = builder.VariableBuilder.wrap_module

    @functools.wraps(wrap)
    def wrap_module(self: Any, value: Any) -> Any:
        if not is_ours(value):
            return wrap(self, value)
        with builder.config.patch(allow_rnn=True):
            return wrap(self, value)

    builder.VariableBuilder.wrap_module = wrap_module


class _Watch(MetaPathFinder):
    """Sees the import of Dynamo coming, and sees to it that `let_through` follows."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what Python would find without it, made to do so, and look no more."""
        if name != BUILDER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                let_through(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Let modules of ours through from now on, or from when Dynamo is imported on."""
    if BUILDER in sys.modules:
        let_through(sys.modules[BUILDER])
    else:
        sys.meta_path.insert(0, _Watch())
