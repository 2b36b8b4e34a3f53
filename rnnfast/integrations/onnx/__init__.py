"""ONNX: graphs of recurrent nets run through ONNX's own backend interface, and nets written as such graphs.

>>> import onnx
>>> from rnnfast.integrations import onnx as ours
>>> ours.export(rnnfast.GRU(3, 4, seed=0), "gru.onnx")
>>> prepared = ours.prepare("gru.onnx")
>>> prepared.run([np.ones((5, 2, 3), np.float32)])[0].shape
(5, 2, 4)
"""

try:
    import onnx  # noqa: F401
except ImportError as error:
    raise ImportError("rnnfast.integrations.onnx needs the package onnx: pip install 'rnnfast[onnx]'") from error

from rnnfast.integrations.onnx.backend import is_compatible, prepare, run_model, run_node, supports_device
from rnnfast.integrations.onnx.export import export
from rnnfast.integrations.onnx.prepared import Prepared

__all__ = ["Prepared", "export", "is_compatible", "prepare", "run_model", "run_node", "supports_device"]
