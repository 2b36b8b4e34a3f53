"""Models whose parameters do not change any more: their weights are rearranged once, for inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from torch import Tensor, contiguous_format, get_num_threads, inference_mode, is_grad_enabled, nn

from rnnfast.integrations.torch import on_cuda
from rnnfast.integrations.torch.accelerate import accelerate, is_accelerated
from rnnfast.integrations.torch.again import Calls, note, repeated
from rnnfast.integrations.torch.call import Call
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.forward import Forward
from rnnfast.integrations.torch.layers import Module, against, names_of, net_of
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.modules import Extended
from rnnfast.integrations.torch.runners import frozen_runner
from rnnfast.net.description import Net

ModelT = TypeVar("ModelT", bound=nn.Module)


class FrozenLayer(Layer):
    """A module as it was when it was frozen, whatever becomes of its parameters and options."""

    __slots__ = ("_net", "_runners", "_weights")

    def __init__(self, net: Net, weights: list[Tensor]) -> None:
        super().__init__()
        self._net, self._weights = net, weights
        self._runners: dict[int, tuple[Runner, Calls]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._net, self._weights)

    def again(self, module: Module, x: Any, hx: Any) -> Any:
        """Return as that of every layer, where no gradients can be asked for."""
        found = self._runners.get(get_num_threads())
        if found is None or is_grad_enabled():
            return None
        return repeated(found[1], found[0], x, hx, module.training, {})

    def remember(self, module: Module, x: Tensor, hx: Any, tensors: Sequence[Tensor], call: Call) -> None:
        """Have `again` make calls like this one."""
        if not is_grad_enabled():
            note(self._runners[get_num_threads()][1], x, hx, module.training, tensors, call)

    def read(self, module: Module) -> tuple[Runner | None, Sequence[Any]]:
        """Return what runs the module's calls on as many threads as PyTorch uses now, and what may want gradients.

        None where nothing does, as a layer may come from a machine whose device, or what runs it there, this one lacks.
        """
        threads, net, weight = get_num_threads(), self._net, self._weights[0]
        if threads not in self._runners:
            there = on_cuda.is_there(weight)
            if there and on_cuda.against(net.cell, net.hidden_size, weight, one_step=net.one_step) is not None:
                return None, ()
            self._runners[threads] = frozen_runner(self._net, self._weights, threads), {}
        runner, _ = self._runners[threads]
        if not is_grad_enabled():
            return runner, ()
        if module._modules:  # parametrizations, which may learn
            return runner, [*module.parameters()]
        return runner, [parameter for parameter in module._parameters.values() if parameter is not None]


def freeze(model: ModelT) -> ModelT:
    """Accelerate a model for inference: weights are copied and rearranged once, and used until `restore`; the model.

    Changes of the parameters are not seen any more: call `freeze` again after them. A call that autograd would record,
    or with dropout, raises RuntimeError: use `model.eval()` and `torch.inference_mode()`. Layers that are not served
    run as before, as in `accelerate`; one that moves to another device after this, or is loaded where nothing of
    rnnfast runs it, is PyTorch's there, with the parameters that it has then.

    >>> import torch
    >>> model = freeze(torch.nn.Sequential(torch.nn.GRU(3, 4)).eval())
    >>> with torch.inference_mode():
    ...     y, h = model(torch.ones(5, 2, 3))
    """
    for module in accelerate(model).modules():
        if is_accelerated(module):
            layer = _frozen(module) if against(module) is None else Layer()
            if isinstance(module, Extended):
                module._layer = layer
            else:
                module.__dict__["forward"] = Forward(module, layer)
    return model


def _frozen(module: Module) -> FrozenLayer:
    with inference_mode(False):
        weights = [getattr(module, name).detach().clone(memory_format=contiguous_format) for name in names_of(module)]
    return FrozenLayer(net_of(module, weights[0].dtype), weights)
