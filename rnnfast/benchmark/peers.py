"""The candidates a case is timed with: rnnfast's backends and other libraries, each imported only when asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable
from typing import cast

from rnnfast.benchmark.pairs import NEEDS
from rnnfast.benchmark.peer import Peer
from rnnfast.benchmark.peer_rnnfast import Backend

REQUIRES = {
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
    "jax": ("jax",),
}
"""Other libraries by name, and the packages they need. Each has a module here, peer_NAME.py, that is a `Peer`."""
INSIDE = {"accelerated": ("torch",), "frozen": ("torch",)}
"""rnnfast inside another library: modules of the same kind, which count among our backends."""

NARROW = "torch", "onnxruntime"
"""Libraries that run nets with weights in bfloat16 or int8."""


def reason(name: str) -> str | None:
    """Return None where this candidate's packages can be imported, else what is missing."""
    return missing((REQUIRES | INSIDE | NEEDS)[name])


def missing(packages: Iterable[str]) -> str | None:
    """Return None where all of these can be imported, else which cannot."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return f"{' and '.join(missing)} not installed" if missing else None


def peer(name: str) -> Peer:
    """Return the module of this name, or else the backend of rnnfast called so, e.g. "c" or "c:avx2"."""
    if name in REQUIRES | INSIDE | NEEDS:
        return cast(Peer, importlib.import_module(f"rnnfast.benchmark.peer_{name}"))
    return Backend(name)


def version(name: str) -> str:
    """Return the installed version of a library; for modules inside PyTorch, what runs their calls."""
    if name in INSIDE:
        return str(importlib.import_module("rnnfast.integrations.torch.building").route())
    return importlib.metadata.version(name)
