"""The candidates a case is timed with: rnnfast's backends and other libraries, each imported only when asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from rnnfast.benchmark.cases import Case
from rnnfast.benchmark.data import Data
from rnnfast.problem import Array


@dataclass(frozen=True)
class Prepared:
    """A case made ready: `work()` does it once, which is what is timed; `arrays` reads results for the check.

    Results by name: y, and the final state h_n (c_n) forward, or the gradients x, h0 (c0) and parameters' training.
    """

    work: Callable[[], Any]
    arrays: Callable[[Any], dict[str, Array]]


class Peer(Protocol):
    """What can run cases: a module, or an object."""

    def lacks(self, case: Case) -> str | None:
        """What it cannot do of this case; None where it can run it."""

    def prepare(self, case: Case, data: Data) -> Prepared:
        """Make the case ready, everything done that a user does once: weights packed, graphs compiled."""


REQUIRES = {
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnx"),
    "jax": ("jax",),
}
"""Other libraries by name, and the packages they need. Each has a module here, peer_NAME.py, that is a `Peer`."""


def reason(name: str) -> str | None:
    """None where this library can be imported, else what is missing."""
    missing = [package for package in REQUIRES[name] if importlib.util.find_spec(package) is None]
    return f"{' and '.join(missing)} not installed" if missing else None


def peer(name: str) -> Peer:
    """The module of this name: another library, or else the backend of rnnfast called so, e.g. "c" or "c:avx2"."""
    if name in REQUIRES:
        return cast(Peer, importlib.import_module(f"rnnfast.benchmark.peer_{name}"))
    from rnnfast.benchmark.peer_rnnfast import Backend

    return Backend(name)


def version(name: str) -> str:
    """The installed version of a library."""
    return importlib.metadata.version(name)
