"""A model from a file, bytes or a ModelProto: parsed, checked by ONNX itself, and its opset one that is known."""

from __future__ import annotations

import os
from typing import Any

import onnx

from rnnfast.integrations.onnx.graph import Graph, graph_of

OPSETS = 7, 26
"""The first and the last version of ONNX's operators whose meaning is known here."""


def read(model: Any) -> Graph:
    """Return the graph of a path, bytes or a ModelProto.

    Raises ValueError for what is damaged, breaks ONNX's rules or is not supported, which the caller adds the name of a
    file to; TypeError for what is no model; OSError where a file cannot be read.

    >>> read(b"no model")
    Traceback (most recent call last):
    ...
    ValueError: no ONNX model, or not the whole of it: Error parsing message...
    """
    if isinstance(model, (str, os.PathLike)):
        return _checked(_loaded(os.fspath(model)))
    if isinstance(model, bytes):
        return _checked(_parsed(model))
    if isinstance(model, onnx.ModelProto):
        return _checked(model)
    raise TypeError(f"model is of type {type(model).__name__}, expected a path, bytes or an onnx.ModelProto")


def _loaded(file: str) -> Any:
    with open(file, "rb") as opened:
        model = _parsed(opened.read())
    try:  # weights beside the file, never outside its folder
        onnx.load_external_data_for_model(model, os.path.dirname(os.path.abspath(file)))
    except Exception as error:  # of the many that a hostile name makes
        raise ValueError(f"its external data cannot be read: {error}") from error
    return model


def _parsed(data: bytes) -> Any:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # the DecodeError of protobuf
        raise ValueError(f"no ONNX model, or not the whole of it: {error}") from error
    return model


def _checked(model: Any) -> Graph:
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # ValidationError, and what bytes in place of texts make of the checker
        raise ValueError(f"breaks ONNX's rules: {str(error).strip().partition(chr(10))[0]}") from error
    first, last = OPSETS
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not first <= entry.version <= last:
            raise ValueError(f"is of opset {entry.version}, which is not supported, expected {first} to {last}")
    return graph_of(model)
