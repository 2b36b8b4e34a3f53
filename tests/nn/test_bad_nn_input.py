"""Bad input of rnnfast.nn: every array and option that does not fit is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnfast import RNN, nn

F32, F64 = np.zeros((2, 3), np.float32), np.zeros((2, 3))
FROZEN = RNN(2, 3).freeze()


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
        (
            lambda: nn.cross_entropy(F32, [0, 1], out=F64.copy()),
            TypeError,
            "out has dtype '<f8', expected float32",
        ),
        (lambda: nn.cross_entropy(F32, [0, 1], out=F32.T.copy().T), ValueError, "out has strides"),
        (lambda: nn.cross_entropy(F32[:, :0], [0, 1]), ValueError, "at least one class"),
        (lambda: nn.Adam({"w": F32}, lr=0.0), ValueError, "lr is 0.0"),
        (lambda: nn.Adam({"w": F32}, betas=(0.9, 1.0)), ValueError, r"betas\[1\] is 1.0"),
        (lambda: nn.Adam({"w": F32.T}), ValueError, "w must be a C-contiguous array"),
        (lambda: nn.Adam(FROZEN.parameters), ValueError, "weight_ih_l0 is read-only, as a frozen net's parameters are"),
        (lambda: nn.Adam({"w": F32}).step({"v": F32}), ValueError, r"missing \['w'\], of no parameter \['v'\]"),
        (
            lambda: nn.Adam({"w": F32}).step({"w": F64}),
            TypeError,
            "has dtype '<f8', expected float32 as",
        ),
        (lambda: nn.Adam({"w": F32}).step({"w": F32.T}), ValueError, r"grads\['w'\] has shape"),
        (lambda: nn.Linear(2**31, 2**31), MemoryError, "has more bytes than can be addressed"),
        (lambda: nn.Embedding(10**30, 2), MemoryError, "has more bytes than can be addressed"),
        (lambda: nn.grad_norm({"w": [1.0]}), TypeError, r"grads\['w'\] is a list, expected a NumPy array"),
        (lambda: nn.clip_grad_norm({"w": np.ones(2, int)}, 1.0), TypeError, r"grads\['w'\] has dtype '<i8', expected"),
        (lambda: nn.clip_grad_norm({"w": np.broadcast_to(F32, (4, 2, 3))}, 1.0), ValueError, "is read-only"),
        (lambda: nn.clip_grad_norm({"w": F32}, 0.0), ValueError, "max_norm is 0.0"),
        (
            lambda: nn.clip_grad_value({"w": F32}, -1.0),
            ValueError,
            "max_value is -1.0, expected a finite number above 0",
        ),
        (lambda: nn.clip_grad_value({"w": np.broadcast_to(F32, (4, 2, 3))}, 1.0), ValueError, "is read-only"),
        (lambda: nn.Embedding.from_matrix(np.zeros(3)), ValueError, r"weight has shape \(3,\)"),
        (lambda: nn.Embedding.from_matrix([[1, 2]]), TypeError, "weight has dtype '<i8', expected float32 or float64"),
        (lambda: nn.Dropout(1.0), ValueError, "p is 1.0, expected a probability"),
        (lambda: nn.Dropout()([1, 2]), TypeError, "x has dtype '<i8'"),
        (lambda: nn.Dropout().record(F32)[1].backward(F64), TypeError, "dy has dtype '<f8', expected float32 as x has"),
        (lambda: nn.Dropout().record(F32, train=1), TypeError, "train must be True or False"),
        (lambda: nn.LogSoftmax()(F32[:, :0]), ValueError, "at least one class"),
        (lambda: nn.LogSoftmax().record(F32)[1].backward(F64), TypeError, "dy has dtype '<f8', expected float32"),
        (lambda: nn.mse(F32, F64), TypeError, r"target has dtype '<f8', expected float32 as prediction has: .*astype"),
        (lambda: nn.mse(F32, F32[:1]), ValueError, r"target has shape \(1, 3\), expected \(2, 3\)"),
        (
            lambda: nn.mse(F32, F32, mask=np.ones(3, bool)),
            ValueError,
            r"mask has shape \(3,\), expected the first axes",
        ),
        (lambda: nn.mse(F32, F32, mask=[1, 1]), TypeError, "mask has dtype int64, expected bool"),
        (
            lambda: nn.mse(F32, F32, out=F64.copy()),
            TypeError,
            "out has dtype '<f8', expected float32",
        ),
        (lambda: nn.cross_entropy(F32, [0, 1], mask=[True]), ValueError, r"mask has shape \(1,\)"),
        (lambda: nn.SGD({"w": F32}, momentum=1.0), ValueError, "momentum is 1.0"),
        (lambda: nn.SGD({"w": F32}, weight_decay=-0.1), ValueError, "weight_decay is -0.1, expected .* at least 0"),
        (
            lambda: nn.SGD({"w": F32}).step({"w": F64}),
            TypeError,
            "has dtype '<f8', expected float32 as",
        ),
        (lambda: nn.AdamW([F32]), TypeError, "parameters must be a mapping"),
        (lambda: nn.StepLR(nn.SGD({"w": F32}), 0), ValueError, "every is 0"),
        (
            lambda: nn.StepLR(nn.SGD({"w": F32}), 2, 1.0),
            ValueError,
            "factor is 1.0, expected a number above 0 and below 1",
        ),
        (lambda: nn.CosineLR(nn.SGD({"w": F32}), 2.0), TypeError, "epochs must be a whole number"),
        (lambda: nn.CosineLR(nn.SGD({"w": F32}), 2, lowest=-1), ValueError, "lowest is -1"),
        (
            lambda: nn.CosineLR(nn.SGD({"w": F32}, 0.1), 2, lowest=0.2),
            ValueError,
            "lowest is 0.2, expected at most 0.1, the optimiser's rate",
        ),
        (lambda: nn.PlateauLR(nn.SGD({"w": F32}), patience=0), ValueError, "patience is 0"),
        (lambda: nn.EarlyStopping({"w": F32}, min_delta=float("inf")), ValueError, "min_delta is inf"),
        (lambda: nn.EarlyStopping({"w": [1.0]}), TypeError, r"parameters\['w'\] is a list, expected a NumPy"),
        (lambda: setattr(nn.SGD({"w": F32}), "lr", -1), ValueError, "lr is -1"),
        (lambda: setattr(nn.Linear(2, 1), "parameters", {}), AttributeError, "parameters"),
        (lambda: nn.named(head=[F32]), TypeError, "head must be a mapping"),
        (lambda: nn.pad([]), ValueError, "sequences is empty"),
        (lambda: nn.pad([F32, F64]), TypeError, r"sequences\[1\] has dtype float64, sequences\[0\] has float32"),
        (lambda: nn.pad([F32, F32[:, :2]]), ValueError, r"sequences\[1\] has shape \(2, 2\), expected \(T, 3\)"),
        (lambda: nn.pad([[1, 2], 3]), ValueError, r"sequences\[1\] has shape \(\), expected \(T,\)"),
        (lambda: nn.Loader(), ValueError, "at least 1, in each"),
        (lambda: nn.Loader(F32, [0, 1, 2]), ValueError, r"the data hold \[2, 3\] examples, expected the same number"),
        (lambda: nn.Loader(1.0), ValueError, r"data\[0\] is a single value"),
        (lambda: nn.Loader([[1], [2.0]]), TypeError, r"data\[0\]\[1\] has dtype float64, data\[0\]\[0\] has int64"),
        (lambda: nn.Loader(F32, batch_size=0), ValueError, "batch_size is 0"),
        (lambda: nn.Loader(F32, drop_last=True), ValueError, "leaves nothing of 2 examples in batches of 32"),
        (lambda: nn.Loader(F32, buckets=2), ValueError, "hold no list of sequences to sort by length"),
        (lambda: nn.Loader([[1], [2]], buckets=2, shuffle=False), ValueError, "leave out shuffle=False"),
        (lambda: nn.fit(lambda b: (0.0, {}), [], nn.SGD({}), epochs=0), ValueError, "epochs is 0"),
        (lambda: nn.clip_grad_norm({"w": F32}, float("nan")), ValueError, "max_norm is nan"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
