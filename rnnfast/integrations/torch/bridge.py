"""Plans of calls for the bridge, compiled code that runs them without Python in between, where it was built."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from rnnfast.backends.c.library import check, library
from rnnfast.backends.c.record import WEIGHTS
from rnnfast.calls.prepared import INFERENCE, TRAINING
from rnnfast.integrations.torch.around import NO_TRANSFORMS
from rnnfast.integrations.torch.call import NOT_DENSE, NOT_TWICE, Call, drawn_seed
from rnnfast.integrations.torch.form import MISFIT, Form
from rnnfast.integrations.torch.records import NOT_RAGGED

loaded: Any = None
"""The compiled module, of native/bridge.cpp; None: it was not built, or is turned off."""
SWITCH = "RNNFAST_TORCH_BRIDGE"
"""Environment variable that, set to 0, leaves all calls to Python."""


def use(module: Any) -> None:
    """Have this module run the calls of now on, None: Python."""
    global loaded
    if module is not None:
        ffi, lib = library()
        calls = [int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in ("rf_forward", "rf_backward")]
        offsets = {name: ffi.offsetof("rf_problem", name) for name in module.FIELDS}
        module.connect(*calls, ffi.sizeof("rf_problem"), offsets, NO_TRANSFORMS, NOT_TWICE, NOT_DENSE)
    loaded = module


def plan_of(call: Call, tensors: Sequence[Tensor]) -> Any:
    """Return a plan of calls on tensors that are like these but for their numbers; None: Python runs them."""
    form = call.form
    if loaded is None or not isinstance(form, Form) or call.packing is not None or call.ragged is not NOT_RAGGED:
        return None
    prepared, runner, layout = form.prepared, form.of, form.prepared.layout
    bound: Any = form.bound
    batch_first = layout.batch_first and layout.batch
    given: dict[str, Any] = {
        "recorded": call.recorded,
        "two_states": runner.two_states,
        "one_step": runner.one_step,
        "states": call.states,
        "x_axis_t": int(batch_first) if layout.time else -1,
        "x_axis_b": int(layout.time and not batch_first) if layout.batch else -1,
        "y_sizes": prepared.y_shape,
        "state_sizes": prepared.state_shapes,
        "tables": [WEIGHTS.index(name) for name in bound.template.tables] if bound.template.brings else (),
        "order": runner.order if bound.template.brings else (),
        "reserve_bytes": bound.reserve_size,
        "tensors": tuple(tensors),
        "draw": _drawn if form.how == TRAINING else None,
        "refuse": partial(check, variant=bound.variant),
        "misfit": partial(_refuse, form, call.states),
        "owner": form,
    }
    for name in ("forward", "backward", "keeping"):
        needed = name == "forward" or form.how != INFERENCE
        given[name] = _record(bound, backward=name != "forward", keep=name == "keeping") if needed else (b"", 0)
    return loaded.plan(given)


def _record(bound: Any, *, backward: bool, keep: bool) -> tuple[bytes, int]:
    """Return a record without arrays, and the bytes of scratch that it takes."""
    slot, ffi = bound.slot(backward=backward, keep=keep), bound.template.ffi
    slot.record.state_grad_norms, slot.record.overwrite = ffi.NULL, True
    return bytes(ffi.buffer(slot.record)), slot.size


def _drawn() -> int:
    return int(drawn_seed())


def _refuse(form: Form, states: int, tensors: Sequence[Tensor]) -> None:
    """Raise RuntimeError for inputs of a backward that have not the form that they had in forward."""
    parameters = tensors[1 + states :]
    raise RuntimeError(MISFIT if form.of.fits(parameters) else form.of.misfits(parameters))
