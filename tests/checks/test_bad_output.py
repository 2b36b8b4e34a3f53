"""Bad arrays to write into: results of a call and of a backward, and gradients to add to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bad_values import B, H, T, X, fails, lstm, zeros


def unwriteable(*shape: int) -> Any:
    """A read-only array."""
    array = zeros(*shape)
    array.flags.writeable = False
    return array


def test_out_of_a_call() -> None:
    for call in (lstm(), lstm().freeze()):
        with fails(ValueError, "out has shape (4, 7, 6), expected (7, 4, 6)"):
            call(X, out=zeros(B, T, H))
        with fails(TypeError, "out has dtype float64"):
            call(X, out=np.zeros((T, B, H)))
        with fails(TypeError, "out must be a NumPy array to write into, got list"):
            call(X, out=zeros(T, B, H).tolist())
        with fails(ValueError, "out is read-only"):
            call(X, out=unwriteable(T, B, H))
        with fails(ValueError, "expected an aligned array with a contiguous last axis"):
            call(X, out=zeros(T, B, 2 * H)[..., ::2])


def test_out_of_backward() -> None:
    net = lstm()
    _, _, tape = net.record(X, keep=True)
    grads = tape.backward()
    some = dict(list(grads.params.items())[1:]) | {"bias": zeros(1)}
    with fails(ValueError, "missing ['weight_ih_l0'], of no parameter ['bias']"):
        tape.backward(out=some)
    for bad in (zeros(4 * H), None):
        with pytest.raises((ValueError, TypeError), match=r"out\['weight_hh_l0'\]"):
            tape.backward(out=grads.params | {"weight_hh_l0": bad})
    with fails(ValueError, "expected an aligned C-contiguous array"):
        tape.backward(out=grads.params | {"weight_hh_l0": zeros(H, 4 * H).T})
    with fails(ValueError, "accumulate=True adds to the gradients in out"):
        tape.backward(accumulate=True)
    with fails(TypeError, "out is of type list"):
        tape.backward(out=list(grads.params.values()))
    _, _, other = net.record(X[:3])
    with fails(ValueError, "out.x has shape (7, 4, 10), expected (3, 4, 10)"):
        other.backward(out=grads)
    other.backward(out=grads.params)
