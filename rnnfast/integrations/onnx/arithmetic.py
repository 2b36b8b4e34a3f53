"""Operators that compute: products, sums and activations; of each a function that makes the call of a node."""

from __future__ import annotations

import math

import numpy as np

from rnnfast.integrations.onnx.graph import Node
from rnnfast.integrations.onnx.shaping import Call, Known
from rnnfast.nn.activation import Activation
from rnnfast.problem import Array

ACTIVATIONS = {"Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "log_softmax"}
"""Operators and what this library calls them."""
OF_ROWS = ("Softmax", "LogSoftmax")


def _binary(function: np.ufunc) -> Call:
    def make(node: Node, known: Known) -> Call:
        node.check_attributes()

        def call(a: Array, b: Array) -> Array:
            if a.dtype != b.dtype:
                raise TypeError(f"inputs of dtypes {a.dtype} and {b.dtype}, expected one for both: nothing is cast")
            return np.asarray(function(a, b))

        return call

    return make


add, mul, matmul = _binary(np.add), _binary(np.multiply), _binary(np.matmul)
"""Add, Mul and MatMul, shapes broadcast as NumPy's are."""


def gemm(node: Node, known: Known) -> Call:
    """Gemm: alpha A B + beta C of matrices, A and B transposed where transA and transB say so."""
    node.check_attributes("alpha", "beta", "transA", "transB")
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    trans_a, trans_b = node.attribute("transA", 0), node.attribute("transB", 0)

    def call(a: Array, b: Array, c: Array | None = None) -> Array:
        if a.ndim != 2 or b.ndim != 2:
            raise ValueError(f"A and B have shapes {a.shape} and {b.shape}, expected two axes")
        if len({array.dtype for array in (a, b, c) if array is not None}) > 1:
            raise TypeError("inputs of different dtypes, expected one for all: nothing is cast")
        y: Array = (a.T if trans_a else a) @ (b.T if trans_b else b)
        if alpha != 1:
            y *= y.dtype.type(alpha)
        if c is not None:
            y += c if beta == 1 else c * c.dtype.type(beta)
        return y

    return call


def activation(node: Node, known: Known) -> Call:
    """Tanh, Relu, Sigmoid; Softmax and LogSoftmax along axis, before opset 13 along all from there on."""
    function = Activation(ACTIVATIONS[node.operator])
    if node.operator not in OF_ROWS:
        node.check_attributes()
        return function
    node.check_attributes("axis")
    axis = node.attribute("axis", -1 if node.opset >= 13 else 1)

    def call(x: Array) -> Array:
        if not -x.ndim <= axis < max(x.ndim, 1):
            raise ValueError(f"attribute axis is {axis}, x has {x.ndim} axes")
        if node.opset < 13:
            return function(x.reshape(math.prod(x.shape[:axis]), -1)).reshape(x.shape)
        return function(x) if axis in (-1, x.ndim - 1) else np.moveaxis(function(np.moveaxis(x, axis, -1)), -1, axis)

    return call
