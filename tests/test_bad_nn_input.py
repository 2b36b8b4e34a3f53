"""Bad input of rnnfast.nn: every array and option that does not fit is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnfast import nn

F32, F64 = np.zeros((2, 3), np.float32), np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.Linear(3, 2)(F64),
            TypeError,
            r"x has dtype float64, this Linear computes in float32: .*astype\('float32'\)",
        ),
        (lambda: nn.Linear(3, 2)(F32.astype(">f4")), TypeError, "x has dtype '>f4'"),
        (lambda: nn.Linear(4, 2)(F32), ValueError, r"x has shape \(2, 3\), this Linear was made for \(..., 4\)"),
        (lambda: nn.Linear(3, 2)(np.float32(1)), ValueError, r"x has shape \(\)"),
        (lambda: nn.Linear(3, 3).record(F32)[1].backward(F64), TypeError, "dy has dtype float64"),
        (lambda: nn.Linear(0, 2), ValueError, "in_features is 0, expected at least 1"),
        (lambda: nn.Linear(3, 2.5), TypeError, "out_features must be a whole number, got float"),
        (lambda: nn.Linear(3, 2, dtype="float16"), TypeError, "expected 'float32' or 'float64'"),
        (lambda: nn.Linear(3, 2, dtype=">f8"), TypeError, "this machine's byte order"),
        (lambda: nn.Embedding(5, 2)(np.array([0, 5])), ValueError, "index holds values from 0 to 5, expected 0 to 4"),
        (lambda: nn.Embedding(5, 2)(np.array([-1])), ValueError, "index holds values from -1"),
        (lambda: nn.Embedding(5, 2)(F32), TypeError, "index has dtype float32, expected integers"),
        (lambda: nn.Embedding(5, 3).record([1, 2])[1].backward(F64), TypeError, "dy has dtype float64"),
        (lambda: nn.cross_entropy(F32, [0, 3]), ValueError, "targets holds values from 0 to 3, expected 0 to 2"),
        (lambda: nn.cross_entropy(F32, [0, 1, 2]), ValueError, r"targets has shape \(3,\), expected \(2,\)"),
        (lambda: nn.cross_entropy(F32, [0.0, 1.0]), TypeError, "targets has dtype float64, expected integers"),
        (lambda: nn.cross_entropy([[1, 2]], [0]), TypeError, "expected float32 or float64"),
        (lambda: nn.cross_entropy(F32, [0, 1], mask=[1, 0]), TypeError, "mask has dtype int64, expected bool"),
        (lambda: nn.cross_entropy(F32, [0, 1], out=F64.copy()), TypeError, "out has dtype float64"),
        (lambda: nn.cross_entropy(F32, [0, 1], out=F32.T.copy().T), ValueError, "out has strides"),
        (lambda: nn.cross_entropy(F32[:, :0], [0, 1]), ValueError, "at least one class"),
        (lambda: nn.Adam({"w": F32}, lr=0.0), ValueError, "lr is 0.0"),
        (lambda: nn.Adam({"w": F32}, betas=(0.9, 1.0)), ValueError, r"betas\[1\] is 1.0"),
        (lambda: nn.Adam({"w": F32.T}), ValueError, "w must be a writeable C-contiguous array"),
        (lambda: nn.Adam({"w": F32}).step({"v": F32}), ValueError, r"missing \['w'\], of no parameter \['v'\]"),
        (lambda: nn.Adam({"w": F32}).step({"w": F64}), TypeError, "has dtype float64, this Adam computes in float32"),
        (lambda: nn.Adam({"w": F32}).step({"w": F32.T}), ValueError, r"grads\['w'\] has shape"),
        (lambda: nn.Linear(2**31, 2**31), MemoryError, "has more bytes than can be addressed"),
        (lambda: nn.Embedding(10**30, 2), MemoryError, "has more bytes than can be addressed"),
        (lambda: nn.grad_norm({"w": [1.0]}), TypeError, r"grads\['w'\] must be a float32 or float64 array"),
        (lambda: nn.clip_grad_norm({"w": np.ones(2, int)}, 1.0), TypeError, r"grads\['w'\] must be a float32"),
        (lambda: nn.clip_grad_norm({"w": np.broadcast_to(F32, (4, 2, 3))}, 1.0), ValueError, "is read-only"),
        (lambda: nn.clip_grad_norm({"w": F32}, 0.0), ValueError, "max_norm is 0.0"),
        (lambda: nn.clip_grad_norm({"w": F32}, float("nan")), ValueError, "max_norm is nan"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
