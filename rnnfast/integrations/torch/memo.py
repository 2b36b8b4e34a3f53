"""What is known of one of PyTorch's modules from its last calls, so that the next has little to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_, itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, get_num_threads, is_grad_enabled
from torch.autograd import forward_ad

from rnnfast.calls.prepared import FORMS_KEPT, TRAINING
from rnnfast.integrations.torch import bridge
from rnnfast.integrations.torch.around import is_saving_seen
from rnnfast.integrations.torch.call import Call
from rnnfast.integrations.torch.calls import Runner
from rnnfast.integrations.torch.forms import PLAIN
from rnnfast.integrations.torch.function import recurrence
from rnnfast.integrations.torch.layers import Module, against, attributes_of, names_of, net_of, parameters_of
from rnnfast.integrations.torch.records import Same
from rnnfast.integrations.torch.runners import runner_for

_functions_are_seen = torch._C._is_torch_function_mode_enabled


class Seen(NamedTuple):
    """A call that was made, for the next on tensors that are the same but for their numbers."""

    tensors: int
    """How many there are beside x."""
    same: Same
    call: Call
    bridge: Any
    """The bridge of then, None where there was none."""
    plan: Any
    """What it runs of this, None: nothing, Python does."""


Calls = dict[tuple[Any, ...], Seen]
"""By the shape of x and what else a call may differ in while its tensors are the same."""


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


def repeated(calls: Calls, runner: Any, x: Any, hx: Any, training: bool, named: Mapping[str, Tensor | None]) -> Any:
    """Return what a module's class would, where these calls have one that is the same; else None.

    `named`: what is registered as the module's parameters, None where there is none of a name.
    """
    if type(x) not in PLAIN or forward_ad._current_level >= 0:
        return None
    if _functions_are_seen() and not is_saving_seen():
        with torch._C.DisableTorchFunction():  # a default device, which has each look at a tensor take a microsecond
            return repeated(calls, runner, x, hx, training, named)
    seen = calls.get((x.shape, x.requires_grad, hx is None, is_grad_enabled(), training))
    if seen is None or seen.bridge is not bridge.loaded:
        return None
    if seen.plan is not None and (found := bridge.loaded.run(seen.plan, x, hx, named)) is not None:
        return found
    parameters = [parameter for parameter in named.values() if parameter is not None]
    if hx is None:
        tensors = (*parameters,)
    elif not runner.two_states:
        tensors = hx, *parameters
    elif type(hx) is tuple or type(hx) is list:
        tensors = *hx, *parameters
    else:
        return None
    call = seen.call
    if len(tensors) != seen.tensors or not seen.same(x, *tensors):
        return None
    if call.form.how == TRAINING:
        call = call.renewed()
    if call.recorded:
        return runner.as_given(recurrence(call, x, *tensors))
    y, final, _ = call.run(x, tensors)
    return runner.as_given((y, *final))


def note(calls: Calls, x: Tensor, hx: Any, training: bool, tensors: Sequence[Tensor], call: Call) -> None:
    """Keep a call on these tensors, x first, for `repeated`."""
    if len(calls) >= FORMS_KEPT:
        calls.clear()
    key = tuple(x.shape), x.requires_grad, hx is None, is_grad_enabled(), training
    same = call.form.sameness(tensors, call.states)
    calls[key] = Seen(len(tensors) - 1, same, call, bridge.loaded, bridge.plan_of(call, tensors))
