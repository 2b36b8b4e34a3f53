"""Weights files that C and Python both read, and such that both refuse: arrays, and what they say of their parts."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

import rnnfast
from rnnfast import nn
from rnnfast.problem import Array

T, B, I, H, O = 5, 2, 2, 3, 4  # noqa: E741 (sizes of the input and the output)
Part = dict[str, Any]
NET: Part = {"name": "net", "kind": "LSTM", "options": {"input_size": I, "hidden_size": H}}
HEAD: Part = {"name": "head", "kind": "Linear", "options": {"in_features": H, "out_features": O}}
WORDS: Part = {"name": "words", "kind": "Embedding", "options": {"num_embeddings": 7, "embedding_dim": I}}
LSTM, GRU, RNN = (kind(I, H, seed=0).state_dict() for kind in (rnnfast.LSTM, rnnfast.GRU, rnnfast.RNN))
LINEAR, ONES = nn.Linear(H, O, seed=1).state_dict(), np.ones((1, H), "float32")
TABLE = {"weight": np.arange(7.0 * I, dtype="float32").reshape(7, I)}


def of(name: str, arrays: dict[str, Array]) -> dict[str, Array]:
    """Arrays as a file calls those of a part."""
    return {f"{name}.{key}" if name else key: array for key, array in arrays.items()}


BOTH = of("net", LSTM) | of("head", LINEAR)


def record(*parts: Part, version: Any = 1, **more: Any) -> str:
    """What a file says of its parts."""
    return json.dumps({"version": version, "parts": [*parts]} | more)


def net(**options: Any) -> Part:
    """The LSTM with other options."""
    return NET | {"options": NET["options"] | options}


def renamed(part: Part, name: str) -> Part:
    """A part with another name."""
    return part | {"name": name}


def activation(name: str, **options: Any) -> Part:
    """An activation, which may have options that it should not."""
    return {"name": name, "kind": "activation", "options": options}


def cell(kind: str, **options: Any) -> Part:
    """Another net of the same sizes."""
    return {"name": "net", "kind": kind, "options": NET["options"] | options}


def head(**options: Any) -> Part:
    """The linear layer with other options."""
    return HEAD | {"options": HEAD["options"] | options}


LONG, DEEP = "x" * 10_000, "[" * 100_000
READ: dict[str, tuple[dict[str, Array], str]] = {
    "both": (BOTH, record(NET, HEAD)),
    "alone": (LSTM, record(renamed(NET, ""))),
    "a layer alone": (LINEAR, record(renamed(HEAD, ""))),
    "more is said": (BOTH, record(NET | {"note": [1.5e-3, None]}, HEAD, by={"me": [True, "é"]})),
    "training": (BOTH, record(net(input_dropout=1e-3, recurrent_dropout=0, batch_first=False), HEAD)),
    "dtypes": (BOTH, record(net(dtype="float32"), head(dtype="float32"))),
    "hold": (BOTH, record(net(masked_output="hold"), HEAD)),
    "begins with an activation": (BOTH, record(activation("first", function="relu"), NET, HEAD)),
    "begins with a softmax": (BOTH, record(activation("first", function="softmax"), NET, HEAD)),
    "activations alone after a net": (of("net", LSTM), record(NET, activation("a", function="log_softmax"))),
    "words": (BOTH | of("words", TABLE), record(WORDS, NET, HEAD)),
    "gru": (of("net", GRU), record(cell("GRU", reset_after=False))),
    "rnn": (of("net", RNN), record(cell("RNN", nonlinearity="linear"))),
    "names": (
        of("a b/ü\0", LSTM) | of(LONG, LINEAR),
        record(renamed(NET, "a b/ü\0"), renamed(HEAD, LONG)),
    ),
    "names of words": (
        of("weight", LSTM) | of("__metadata__", LINEAR),
        record(renamed(NET, "weight"), renamed(HEAD, "__metadata__")),
    ),
    "others' arrays": (BOTH | {"adam.net.bias": np.ones(3), "epoch": np.ones(1, "int64")}, record(NET, HEAD)),
    "learned states": (
        BOTH | of("net", {"h0": np.ones((1, H), "float32"), "c0": np.ones((1, 1, H), "float32")}),
        record(NET, HEAD),
    ),
    "many": (of("net", LSTM), record(NET, *(activation(f"a{n}", function="tanh") for n in range(1023)))),
}
REFUSED: dict[str, tuple[dict[str, Array], str]] = {
    "too many": (of("net", LSTM), record(NET, *(activation(f"a{n}", function="tanh") for n in range(1024)))),
    "no parts": (BOTH, record()),
    "parts are no list": (BOTH, json.dumps({"version": 1, "parts": {}})),
    "no kind": (BOTH, record(NET, {"name": "head", "options": HEAD["options"]})),
    "no name": (BOTH, record(NET, {"kind": "Linear", "options": HEAD["options"]})),
    "no options": (BOTH, record(NET, {"name": "head", "kind": "Linear"})),
    "version 0": (BOTH, record(NET, HEAD, version=0)),
    "version 2": (BOTH, record(NET, HEAD, version=2)),
    "version true": (BOTH, record(NET, HEAD, version=True)),
    "version 1.0": (BOTH, record(NET, HEAD, version=1.0)),
    "deep": (BOTH, DEEP),
    "NaN": (BOTH, record(NET, HEAD, note=math.nan)),
    "more behind": (BOTH, record(NET, HEAD) + "}"),
    "options twice": (BOTH, record(NET, HEAD).replace('"kind": "LSTM"', '"kind": "LSTM", "options": {"bias": false}')),
    "an option twice": (BOTH, record(NET, HEAD).replace('"input_size": 2', '"input_size": 2, "input_size": 2')),
    "parts twice": (BOTH, record(NET, HEAD)[:-1] + ', "parts": []}'),
    "kind twice": (BOTH, record(NET, HEAD).replace('"kind": "LSTM"', '"kind": "GRU", "kind": "LSTM"')),
    "a dot": (of("a.b", LSTM), record(renamed(NET, "a.b"))),
    "dots": (of(".", LSTM), record(renamed(NET, "."))),
    "half a character": (of("net", LSTM), record(NET, activation("\ud800", function="tanh"))),
    "no name among several": (LSTM | of("head", LINEAR), record(renamed(NET, ""), HEAD)),
    "nobody and net": (LSTM | of("net", LINEAR), record(renamed(NET, ""), renamed(HEAD, "net"))),
    "one name": (BOTH, record(NET, renamed(HEAD, "net"))),
    "an array too much": (BOTH | {"net.weight_ih_l1": BOTH["net.weight_ih_l0"]}, record(NET, HEAD)),
    "an array of an activation": (of("net", LSTM) | {"a.x": np.ones(1)}, record(NET, activation("a", function="tanh"))),
    "an array with dots": (BOTH | {"net.a.b": np.ones(1)}, record(NET, HEAD)),
    "a bias too much": (BOTH, record(NET, head(bias=False))),
    "an array missing": ({k: v for k, v in BOTH.items() if k != "head.bias"}, record(NET, HEAD)),
    "no weights": (of("net", LSTM), record(NET, HEAD)),
    "another shape": (BOTH | {"head.bias": np.ones((O, 1), "float32")}, record(NET, HEAD)),
    "another dtype": (BOTH | {"head.bias": np.ones(O)}, record(NET, HEAD)),
    "a part of another dtype": (BOTH | of("head", nn.Linear(H, O, dtype="float64").state_dict()), record(NET, HEAD)),
    "half precision": ({k: v.astype("float16") for k, v in BOTH.items()}, record(NET, HEAD)),
    "a dtype that is not so": (BOTH, record(NET, head(dtype="float64"))),
    "a dtype that is none": (BOTH, record(net(dtype="float16"), HEAD)),
    "states of another dtype": (BOTH | {"net.h0": np.ones((1, H))}, record(NET, HEAD)),
    "states of other shapes": (BOTH | {"net.h0": np.ones((2, H), "float32")}, record(NET, HEAD)),
    "states of one row": (BOTH | {"net.h0": np.ones(H, "float32")}, record(NET, HEAD)),
    "c0 of a GRU": (of("net", GRU) | {"net.c0": ONES}, record(cell("GRU"))),
    "h0 of a layer": (BOTH | {"head.h0": np.ones((1, O), "float32")}, record(NET, HEAD)),
    "sizes that differ": (BOTH, record(HEAD, NET)),
    "words in the middle": (BOTH | of("words", TABLE), record(NET, HEAD, WORDS)),
    "words behind an activation": (of("words", TABLE), record(activation("a", function="relu"), WORDS)),
    "another kind": (BOTH, record(NET | {"kind": "LSTMCell"}, HEAD)),
    "another case": (BOTH, record(NET | {"kind": "lstm"}, HEAD)),
    "no function": (BOTH, record(NET, HEAD, activation("a"))),
    "another function": (BOTH, record(NET, HEAD, activation("a", function="gelu"))),
    "an option of nobody": (BOTH, record(net(peepholes=True), HEAD)),
    "nonlinearity of an LSTM": (BOTH, record(net(nonlinearity="tanh"), HEAD)),
    "reset_after of an LSTM": (BOTH, record(net(reset_after=True), HEAD)),
    "reset_after of an RNN": (of("net", RNN), record(cell("RNN", reset_after=True))),
    "another nonlinearity": (of("net", RNN), record(cell("RNN", nonlinearity="gelu"))),
    "hidden_size of a layer": (BOTH, record(NET, head(hidden_size=3))),
    "batch_first of a layer": (BOTH, record(NET, head(batch_first=False))),
    "bias of words": (of("words", TABLE), record(WORDS | {"options": WORDS["options"] | {"bias": False}})),
    "bias of an activation": (BOTH, record(NET, HEAD, activation("a", function="tanh", bias=True))),
    "dtype of an activation": (BOTH, record(NET, HEAD, activation("a", function="tanh", dtype="float32"))),
    "no size": (BOTH, record({"name": "net", "kind": "LSTM", "options": {"input_size": I}}, HEAD)),
    **{
        f"{name}={value!r}": (BOTH, record(net(**{name: value}), HEAD))
        for name, values in {
            "input_size": (0, -2, 2.0, "2", True, None, 2**31, 10**400),
            "num_layers": (0, 2, 2**31 - 1, 2**40),
            "bias": (1, 0, "true", None),
            "bidirectional": (True, 1),
            "batch_first": (1, "no", None),
            "masked_output": ("keep", None, True, ""),
            "dropout": (1, -1e-9, 1e400, "0.5", None, True),
            "input_dropout": (1.5,),
            "recurrent_dropout": ([0.5], -1),
        }.items()
        for value in values
    },
    **{f"in_features={value!r}": (BOTH, record(NET, head(in_features=value))) for value in (0, 4, 3.0, -0.0)},
}  # fmt: skip
