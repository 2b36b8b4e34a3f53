"""Calls of a module that were made, for the next on tensors that are the same but for their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, is_grad_enabled
from torch.autograd import forward_ad

from rnnfast.calls.prepared import FORMS_KEPT, TRAINING
from rnnfast.integrations.torch import bridge
from rnnfast.integrations.torch.around import is_saving_seen
from rnnfast.integrations.torch.call import Call
from rnnfast.integrations.torch.forms import PLAIN
from rnnfast.integrations.torch.function import recurrence
from rnnfast.integrations.torch.records import Same

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
