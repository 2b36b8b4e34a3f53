"""What is known of one of PyTorch's modules from its last calls, so that the next has little to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_, itemgetter
from typing import Any, NamedTuple

from torch import Tensor, get_num_threads

from rnnfast.integrations.torch.again import Calls, note, repeated
from rnnfast.integrations.torch.call import Call
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.layers import Module, against, attributes_of, names_of, net_of, parameters_of
from rnnfast.integrations.torch.runners import runner_for


class Memo(NamedTuple):
    """State of a module when it was last looked at."""

    attributes: Callable[[dict[str, Any]], Any] = len
    """Takes what `options` holds out of the module's dict."""
    options: Any = None
    threads: int = 0
    runner: Runner | None = None
    names: Sequence[str] = ()
    """Under which its parameters are registered, those that are None as well; (): not all of them, or not in order."""
    calls: Calls = {}


class Layer:
    """Knowledge of one module, learnt again where its options or number of threads are others.

    >>> import torch
    >>> gru = torch.nn.GRU(3, 4)
    >>> runner, parameters = Layer().read(gru)
    >>> runner.net.cell, runner.fits(parameters)
    ('gru', True)
    """

    __slots__ = ("_memo",)

    def __init__(self) -> None:
        self._memo = Memo()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has all to learn."""
        return type(self), ()

    def again(self, module: Module, x: Any, hx: Any) -> Any:
        """Return what the module's class would, where a call like this one was made before; else None."""
        attributes, options, threads, runner, names, calls = self._memo
        values = module.__dict__
        named = values["_parameters"]
        if attributes(values) == options and threads == get_num_threads() and [*named] == names:
            return repeated(calls, runner, x, hx, values["training"], named)
        return None

    def remember(self, module: Module, x: Tensor, hx: Any, tensors: Sequence[Tensor], call: Call) -> None:
        """Have `again` make calls like this one if its tensors, x first, are the module's and its caller's own."""
        memo, own = self._memo, [own for own in module._parameters.values() if own is not None]
        if [*module._parameters] == memo.names and all(map(is_, own, tensors[len(tensors) - len(own) :])):
            note(memo.calls, x, hx, module.training, tensors, call)

    def read(self, module: Module) -> tuple[Runner | None, Sequence[Any]]:
        """Return what runs the module's calls, None if nothing here does, and its parameters of now, without gaps."""
        attributes, options, threads, runner, *_ = self._memo
        parameters = parameters_of(module)
        changed = attributes(module.__dict__) != options or threads != get_num_threads()
        if runner is None or changed or not runner.fits(parameters):
            return self._learnt(module, parameters)
        return runner, parameters

    def _learnt(self, module: Module, parameters: Sequence[Any]) -> tuple[Runner | None, Sequence[Any]]:
        """Return as `read` what a module with these parameters is that changed."""
        threads, runner, attributes = get_num_threads(), None, itemgetter(*attributes_of(module))
        if against(module, parameters) is None:
            parameters = [parameter.contiguous() for parameter in parameters]
            runner = runner_for(net_of(module, parameters[0].dtype), parameters, threads)
        named = module._parameters
        in_order = tuple(name for name in named if named[name] is not None) == names_of(module)
        self._memo = Memo(attributes, attributes(module.__dict__), threads, runner, [*named] if in_order else (), {})
        if runner is None:
            return None, ()
        return (runner, parameters) if runner.fits(parameters) else (None, ())
