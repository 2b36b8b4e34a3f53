"""The calls as JAX's primitives: shapes of their results, and the handlers that they become."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir

from rnnfast.integrations.jax.call import Call
from rnnfast.integrations.jax.handlers import BACKWARD, FORWARD, PLATFORM

Names = tuple[str, ...]


def results_of(call: Call, recorded: bool = False) -> Names:
    """Return the names of a forward's results."""
    return ("y", *call.finals, *(["reserve"] if recorded else []))


def arrays_of(call: Call, names: Sequence[str], x: tuple[int, ...]) -> list[Any]:
    """Return shapes and dtypes of arrays of these names for x of that shape."""
    found: list[Any] = []
    for name in names:
        if name.removeprefix("d_") in call.tables:
            shapes = [call.net.shapes[name.removeprefix("d_") + suffix] for suffix in call.net.suffixes]
        else:
            shapes = [call.shape(name, x)]
        dtype = np.dtype(np.uint8) if name == "reserve" else call.net.dtype
        found += [jax.core.ShapedArray(shape, dtype) for shape in shapes]
    return found


def _primitive(name: str, target: str, names_of: Callable[..., tuple[Names, Names]]) -> Any:
    """Return a primitive whose operands and results are called what `names_of` says for its parameters."""
    primitive: Any = Primitive(name)
    primitive.multiple_results = True

    def shapes(x: Any, *others: Any, call: Call, **parameters: Any) -> list[Any]:
        if any(map(_varies, (x, *others))):
            raise NotImplementedError(
                "rnnfast.integrations.jax in jax.shard_map takes check_vma=False: pass that to it"
            )
        return arrays_of(call, names_of(call, **parameters)[1], x.shape)

    def lowered(context: Any, *operands: Any, call: Call, **parameters: Any) -> Any:
        return jax.ffi.ffi_lowering(target)(context, *operands, **call.attributes(*names_of(call, **parameters)))

    @functools.lru_cache(maxsize=256)
    def compiled(**parameters: Any) -> Any:
        return jax.jit(functools.partial(primitive.bind, **parameters))

    def run(*operands: Any, **parameters: Any) -> Any:
        with jax.disable_jit(False):  # a handler is called by compiled programs alone
            return compiled(**parameters)(*operands)

    primitive.def_abstract_eval(shapes)
    primitive.def_impl(run)
    mlir.register_lowering(primitive, lowered, platform=PLATFORM)
    mlir.register_lowering(primitive, _refused)
    return primitive


def _varies(array: Any) -> bool:
    """Return whether JAX tracks on which devices of a shard_map an array varies: it would miss a sum of gradients."""
    tracked = getattr(array, "mat", None)
    return bool(getattr(array, "vma", ()) if tracked is None else tracked.varying)


def _refused(*_: Any, **__: Any) -> Any:
    raise NotImplementedError(
        "rnnfast.integrations.jax runs on the CPU alone: place its arrays there by jax.device_put(..., "
        "jax.devices('cpu')[0]), or compile under jax.default_device of that"
    )


forward = _primitive("rnnfast_forward", FORWARD, lambda call: (call.operands, results_of(call)))
"""operands -> y, h_n and, of an LSTM, c_n. `call`: a `Call`."""
record = _primitive("rnnfast_record", FORWARD, lambda call: (call.operands, results_of(call, recorded=True)))
"""operands -> what `forward` gives, and the reserve."""
backward = _primitive(
    "rnnfast_backward",
    BACKWARD,
    lambda call, given, wanted: ((*call.operands, "reserve", *given), wanted),
)
"""operands, reserve, gradients `given` of the results -> those `wanted`, fields of rf_problem each."""
