"""Programs that name the handlers themselves, with arrays of other sizes or types than the net's: refused, not run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnfast.backends.c.library import is_built
from rnnfast.net.description import Net

jax = pytest.importorskip("jax", reason="jax is not installed")

from rnnfast.integrations.jax import primitives  # noqa: E402
from rnnfast.integrations.jax.call import Call  # noqa: E402
from rnnfast.integrations.jax.handlers import BACKWARD, FORWARD  # noqa: E402

pytestmark = pytest.mark.skipif(not is_built(), reason="the C library was not built")

NETS = [
    Net("LSTM", "lstm_proj", 5, 7, num_layers=2, bidirectional=True, proj_size=3, input_dropout=0.5),
    Net("GRU", "gru_before", 5, 7, num_layers=2),
    Net("RNN", "rnn_relu", 5, 7, bidirectional=True),
]
EXTRAS = ("lengths", "mask", "resets")
STEPS, BATCH = 6, 4
TYPES = {"lengths": np.int32, "mask": bool, "resets": np.uint8, "dropout_seed": np.uint32, "reserve": np.uint8}
SHAPES = {"lengths": (BATCH,), "mask": (STEPS, BATCH), "resets": (STEPS, BATCH), "dropout_seed": (2,)}


def call_of(net: Net) -> Call:
    """Every operand that the net can have."""
    seed = ("dropout_seed",) if net.input_dropout else ()
    return Call(net, (*(f"{state}0" for state in net.states), *EXTRAS, *seed))


def names_of(call: Call, target: str) -> tuple[list[str], list[str]]:
    """Operands and results of a handler."""
    recorded = primitives.results_of(call, recorded=True)
    if target == FORWARD:
        return list(call.operands), list(recorded)
    given, states = ["dy", *(f"d{final}" for final in call.finals)], [f"d{state}0" for state in call.net.states]
    return [*call.operands, "reserve", *given], ["dx", *states, *(f"d_{table}" for table in call.tables)]


def arrays_of(call: Call, names: list[str]) -> list[Any]:
    """Of each name the shapes and dtypes that the handler expects."""
    found: list[Any] = []
    x = STEPS, BATCH, call.net.input_size
    for name in names:
        if name in SHAPES:
            found.append(jax.ShapeDtypeStruct(SHAPES[name], TYPES[name]))
        else:
            found += [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in primitives.arrays_of(call, [name], x)]
    return found


def ask(call: Call, target: str, operands: list[Any], results: list[Any]) -> None:
    """Have XLA run a handler on zeros of these forms."""
    words = call.attributes(*names_of(call, target))
    found = jax.ffi.ffi_call(target, results)(*[np.zeros(a.shape, a.dtype) for a in operands], **words)
    jax.block_until_ready(found)


@pytest.mark.parametrize("target", [FORWARD, BACKWARD])
@pytest.mark.parametrize("net", NETS, ids=lambda net: str(net.cell))
def test_every_array_is_of_the_size_and_type_that_its_net_needs(net: Net, target: str) -> None:
    """One after another is shorter by a number, or of integers of the same size; as they are, all are taken."""
    call = call_of(net)
    names = [call.expanded(some) for some in names_of(call, target)]
    arrays = [arrays_of(call, some) for some in names_of(call, target)]
    ask(call, target, *arrays)
    for side, position in [(s, n) for s in (0, 1) for n in range(len(arrays[s]))]:
        name, form = names[side][position], arrays[side][position]
        other = np.dtype(f"i{np.dtype(form.dtype).itemsize}")
        wrong = [jax.ShapeDtypeStruct(form.shape, "float32" if name == "lengths" else other)]
        if name not in ("reserve", "x", "weight_hh"):  # these say themselves how large they, or all others, are
            wrong.append(jax.ShapeDtypeStruct((*form.shape[:-1], form.shape[-1] - 1), form.dtype))
        for bad in wrong:
            changed = [list(some) for some in arrays]
            changed[side][position] = bad
            with pytest.raises(jax.errors.JaxRuntimeError, match=f"rnnfast: {name} is|x or weight_hh is of an unknown"):
                ask(call, target, *changed)
