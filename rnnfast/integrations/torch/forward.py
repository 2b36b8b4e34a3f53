"""The forward that accelerated modules have: ours where a call is served, else PyTorch's own."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch

from rnnfast.integrations.torch import traced
from rnnfast.integrations.torch.layers import Module
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.served import served

_is_tracing = torch._C._get_tracing_state


class Forward:
    """The forward of one module, which it does not keep alive; a copy of the module has one of its own.

    >>> from rnnfast.integrations.torch import accelerate
    >>> gru = accelerate(torch.nn.GRU(3, 4))
    >>> type(gru.forward).__name__, gru(torch.ones(5, 2, 3))[0].shape
    ('Forward', torch.Size([5, 2, 4]))
    """

    def __init__(self, module: Module, layer: Layer | None = None) -> None:
        self.module, self._layer = weakref.ref(module), layer or Layer()

    def __call__(self, input: Any, hx: Any = None) -> Any:
        """Run the module. Arguments, results and errors as those of its class."""
        module: Any = self.module()
        if module is None:
            raise RuntimeError(
                "this is the forward of a layer that rnnfast ran and that is gone: keep the layer, which its forward "
                "does not do, or accelerate the one that you call as well"
            )
        if torch.compiler.is_compiling():
            found = traced.served(module, input, hx)
            if found is NotImplemented and traced.is_exporting():
                return type(module).forward(module, input, hx)
            return traced.untraced(self._run, module, input, hx) if found is NotImplemented else found
        if traced.is_seen():
            found = traced.served(module, input, hx)
            return type(module).forward(module, input, hx) if found is NotImplemented else found
        if (found := self._layer.again(module, input, hx)) is not None:
            return found
        if _is_tracing() is not None:
            return type(module).forward(module, input, hx)
        return self._run(module, input, hx)

    def _run(self, module: Module, input: Any, hx: Any) -> Any:
        found = served(self._layer, module, input, hx)
        return type(module).forward(module, input, hx) if found is NotImplemented else found

    def of(self, module: Module) -> Forward:
        """Return the forward of a shallow copy of the module; one that is frozen has the same weights."""
        return type(self)(module, copy.copy(self._layer))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.module(), self._layer)

    def __deepcopy__(self, memo: dict[int, Any]) -> Forward:
        module = self.module()
        return type(self)(memo.get(id(module), module), copy.deepcopy(self._layer, memo))

    @property
    def __code__(self) -> Any:
        """Code object that says where the source is, as torch.export asks of a forward."""
        return type(self).__call__.__code__


def refuse_script() -> None:
    """Refuse what torch.jit.script asks of a module before it compiles anything."""
    raise RuntimeError(
        "rnnfast runs this layer, which torch.jit.script cannot compile: call "
        "rnnfast.integrations.torch.restore(model) before it"
    )
