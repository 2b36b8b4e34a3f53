"""ONNX's backend interface: graphs of recurrent nets, prepared once and run on NumPy arrays.

Source: onnx.backend.base. Operators: RNN, LSTM, GRU and those of `operators.py`; others are refused by name and node.
"""

from __future__ import annotations

from typing import Any

import onnx

from rnnfast.backends import choose
from rnnfast.integrations.json_values import shown
from rnnfast.integrations.onnx.graph import Declared, Graph, node_of
from rnnfast.integrations.onnx.prepared import Prepared
from rnnfast.integrations.onnx.reading import OPSETS, read
from rnnfast.problem import Array


def prepare(model: Any, device: str = "CPU", *, backend: str | None = None) -> Prepared:
    """Return a graph made ready to run: its constants folded, its nets frozen, weights packed.

    model: a path, bytes or an onnx.ModelProto. backend: of the nets, as in their constructors.
    Raises ValueError, which names the node, and the file of a path, for what is damaged or not supported; a `device`
    that is not "CPU", too. OSError where a file cannot be read.

    >>> from rnnfast.integrations.onnx import export
    >>> export(rnnfast.GRU(3, 4, seed=0), "gru.onnx")
    >>> prepare("gru.onnx").run([np.ones((5, 2, 3), np.float32)])[0].shape
    (5, 2, 4)
    """
    if not supports_device(device):
        raise ValueError(f"device {device!r} is not supported, expected 'CPU'")
    if backend is not None:
        choose.select(backend)
    try:
        return Prepared(read(model), backend)
    except (ValueError, TypeError) as error:
        if not isinstance(model, (onnx.ModelProto, bytes)):
            raise type(error)(f"{model}: {error}") from error
        raise


def run_model(model: Any, inputs: Any, device: str = "CPU", *, backend: str | None = None) -> tuple[Array, ...]:
    """Return a model's outputs for these inputs. Arguments and errors as `prepare` and `Prepared.run`.

    >>> from rnnfast.integrations.onnx import export
    >>> export(rnnfast.GRU(3, 4, seed=0), "gru.onnx")
    >>> run_model("gru.onnx", {"x": np.ones((5, 2, 3), np.float32)})[0].shape
    (5, 2, 4)
    """
    return prepare(model, device, backend=backend).run(inputs)


def run_node(
    node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None, *, opset_version: int = OPSETS[1]
) -> tuple[Array, ...]:
    """Return the outputs of one onnx.NodeProto for these NumPy arrays, one for each input that it names.

    `outputs_info` is passed over: dtypes and shapes follow from the inputs. Raises as `prepare` and `Prepared.run`.

    >>> node = onnx.helper.make_node("Relu", ["x"], ["y"])
    >>> run_node(node, [np.array([-1.0, 2.0], np.float32)])
    (array([0., 2.], dtype=float32),)
    """
    if not supports_device(device):
        raise ValueError(f"device {device!r} is not supported, expected 'CPU'")
    names = [name for name in node.input if name]
    if len(inputs) != len(names):
        raise ValueError(f"got {len(inputs)} inputs, this node takes {len(names)}: {', '.join(map(shown, names))}")
    taken = [Declared(name, array.dtype, array.shape) for name, array in zip(names, inputs, strict=True)]
    given = [name for name in node.output if name]
    return Prepared(Graph(taken, given, {}, [node_of(node, opset_version)])).run(list(inputs))


def supports_device(device: str) -> bool:
    """Return whether graphs run there: on "CPU" alone.

    >>> supports_device("CPU"), supports_device("CUDA:0")
    (True, False)
    """
    return device.partition(":")[0] == "CPU"


def is_compatible(model: Any, device: str = "CPU") -> bool:
    """Return whether `prepare` takes this model.

    >>> is_compatible(b"no model")
    False
    """
    try:
        prepare(model, device)
    except (ValueError, TypeError):
        return False
    return True
