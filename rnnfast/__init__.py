"""rnnfast: fast, trustworthy recurrent networks (RNN, LSTM, GRU), forward and back-propagation through time."""

import importlib
from typing import Any

from rnnfast.backends.choose import backends, use_backend
from rnnfast.config import (
    get_cmake_dir,
    get_include,
    get_library_dir,
    get_num_threads,
    set_num_threads,
    show_config,
    version,
)
from rnnfast.modules.cells import GRUCell, LSTMCell, RNNCell
from rnnfast.modules.sequences import GRU, LSTM, RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "__version__",
    "backends",
    "diagnostics",
    "get_cmake_dir",
    "get_include",
    "get_library_dir",
    "get_num_threads",
    "load_model",
    "nn",
    "set_num_threads",
    "show_config",
    "use_backend",
]

__version__: str


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name == "__version__":  # looked up when asked for: reading package metadata would slow every import
        return version()
    if name in ("diagnostics", "nn"):  # likewise
        return importlib.import_module(f"rnnfast.{name}")
    if name == "load_model":
        return importlib.import_module("rnnfast.integrations.models").load_model
    raise AttributeError(f"module 'rnnfast' has no attribute {name!r}")
