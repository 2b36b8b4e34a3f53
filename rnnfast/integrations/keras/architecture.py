"""The layers of a Keras model in the order in which they run: those of a Sequential, or of a functional plain chain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rnnfast.integrations.json_values import Value, shown

MODELS = ("Sequential", "Functional")
TENSOR = "__keras_tensor__"
KERAS = "keras"
"""What the modules of its own classes lie in; somebody else's of the same names have another or none."""
ADVICE = "expected a plain chain of layers, each called once, on what the one before it gives"
MASKS = ("NotEqual", "Any")
"""Operations by which functional models compute masks."""


@dataclass(frozen=True)
class Layer:
    """One layer: its class, its configuration, and where its weights are."""

    name: str
    kind: str
    config: Value
    group: str

    @property
    def place(self) -> str:
        """Name of the layer in messages."""
        return self.config.place


def layers_of(model: Value) -> list[Layer]:
    """Return the layers of a config.json. Raises ValueError for other models than `MODELS` and for what is no chain.

    >>> config = {"name": "a", "layers": [{"class_name": "Dropout", "config": {"name": "b"}}]}
    >>> [layer.group for layer in layers_of(Value({"class_name": "Sequential", "config": config}))]
    ['layers/dropout']
    """
    kind, config = model["class_name"].one_of(MODELS), model["config"]
    nodes = config["layers"].items()
    found, counts = dict[str, Layer](), dict[str, int]()
    for node in nodes:
        layer = _layer(node, counts)
        if layer.name in found:
            raise ValueError(f"{node.place} is called {shown(layer.name)}, as another layer")
        found[layer.name] = layer
    if kind == "Sequential":
        return list(found.values())
    return _chain(config, dict(zip(found, nodes, strict=True)), found)


def kind_of(node: Value, known: Sequence[str] | None = None) -> str:
    """Return the class of a layer. Raises ValueError for one of other modules than Keras's, or that is not known.

    >>> kind_of(Value({"class_name": "LSTM", "module": "keras.layers", "registered_name": None}))
    'LSTM'
    """
    kind = node["class_name"].text() if known is None else node["class_name"].one_of(known)
    if "module" in node and str(node["module"].value).partition(".")[0] != KERAS:
        own = shown(str(node["registered_name"].value)) if "registered_name" in node else shown(kind)
        raise ValueError(f"{node.place} is a class of its own, {own}, of which only Keras's are supported")
    return kind


def _layer(node: Value, counts: dict[str, int]) -> Layer:
    """Return a layer. Files call its weights after its class and how many of it there were before."""
    kind = kind_of(node)
    name = node["config"]["name"].text()
    count = counts[kind] = counts.get(kind, -1) + 1
    snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", kind)).lower()
    config = Value(node["config"].value, f"layer {shown(name)}")
    return Layer(name, kind, config, f"layers/{snake}{f'_{count}' if count else ''}")


def _chain(config: Value, nodes: dict[str, Value], found: dict[str, Layer]) -> list[Layer]:
    """Return the layers from a functional model's one input to its one output."""
    first, name = _end(config["input_layers"]), _end(config["output_layers"])
    chain: list[Layer] = []
    while True:
        if name not in found or len(chain) > len(found):
            raise ValueError(f"{shown(name)} is no layer of this model, or follows itself: {ADVICE}")
        chain.insert(0, found[name])
        if name == first:
            break
        name = _source(nodes[name], name)
    of_chain = {layer.name for layer in chain}
    for other, layer in found.items():
        if other not in of_chain and layer.kind not in MASKS:
            raise ValueError(f"{layer.place} is no part of the way from the input to the output: {ADVICE}")
    _check_masks(chain, nodes, found)
    return chain


def _end(tensors: Value) -> str:
    """Return the layer of the model's one input or output."""
    entries = tensors.items()
    if len(entries) == 1 and isinstance(entries[0].value, list):
        entries = entries[0].items()
    if len(entries) != 3 or not isinstance(entries[0].value, str) or [e.value for e in entries[1:]] != [0, 0]:
        raise ValueError(f"{tensors.place} names other than one tensor: {ADVICE}")
    return entries[0].text()


def _source(node: Value, name: str) -> str:
    """Return the layer whose output a layer is called on, all that it is given beside a mask."""
    calls = node["inbound_nodes"].items()
    if len(calls) != 1:
        raise ValueError(f"layer {shown(name)} is called {len(calls)} times: {ADVICE}")
    arguments = calls[0]["args"].items()
    source = _tensor(arguments[0]) if arguments else None
    if source is None or len(arguments) > 1:
        raise ValueError(f"layer {shown(name)} takes other than one tensor: {ADVICE}")
    for key in calls[0]["kwargs"].keys():  # noqa: SIM118
        value = calls[0]["kwargs"][key].value
        if not (value is None or key == "mask" or (key == "training" and value is False)):
            raise ValueError(f"layer {shown(name)} is called with {shown(key)}, which is not supported")
    return source


def _tensor(value: Value) -> str | None:
    """Return the layer that a tensor comes from, None for what is no tensor."""
    if not isinstance(value.value, dict) or "class_name" not in value or value["class_name"].value != TENSOR:
        return None
    layer, *rest = value["config"]["keras_history"].items()
    if [entry.value for entry in rest] != [0, 0]:
        raise ValueError(f"{value.place} is not the first output of a layer that is called once: {ADVICE}")
    return layer.text()


def _check_masks(chain: Sequence[Layer], nodes: dict[str, Value], found: dict[str, Layer]) -> None:
    """Raise ValueError where a layer is given another mask than that which comes with what it is called on."""
    expected: list[tuple[str, float]] = []  # whose numbers differ from what
    for before, layer in zip([None, *chain], chain, strict=False):
        kwargs = nodes[layer.name]["inbound_nodes"].items()[0]["kwargs"] if before is not None else Value({})
        if "mask" in kwargs and kwargs["mask"].value is not None:
            mask = _tensor(kwargs["mask"])
            if mask is None or [_compared(mask, nodes, found)] != expected[-1:]:
                raise ValueError(f"{layer.place} is given a mask of its own: {ADVICE}")
        if layer.kind == "Masking" and before is not None:
            expected.append((before.name, layer.config["mask_value"].number()))
        elif layer.kind == "Embedding" and before is not None and layer.config["mask_zero"].value is True:
            expected.append((before.name, 0.0))


def _compared(mask: str, nodes: dict[str, Value], found: dict[str, Layer]) -> tuple[str, float] | None:
    """Return the layer whose output a mask compares, and with which number; None for another mask."""
    if mask in found and found[mask].kind == "Any":
        arguments = nodes[mask]["inbound_nodes"][0]["args"].items()
        config = found[mask].config
        if len(arguments) != 1 or config["axis"].value != -1 or config["keepdims"].value is not False:
            return None
        mask = _tensor(arguments[0]) or ""
    if mask not in found or found[mask].kind != "NotEqual":
        return None
    arguments = nodes[mask]["inbound_nodes"][0]["args"].items()
    source = _tensor(arguments[0]) if len(arguments) == 2 else None
    return None if source is None else (source, arguments[1].number())
