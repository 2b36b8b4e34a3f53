"""Modules of PyTorch's that are told of this package once somebody imports them, as to import them here takes long."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Watch(MetaPathFinder):
    """Finder that sees the import of one module coming, and has a function follow it, which is given the module."""

    def __init__(self, name: str, tell: Callable[[Any], None]) -> None:
        self._name, self._tell, self._looks = name, tell, False

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what Python would find without it, of other modules None.

        To look whether a module is there is not yet to import it.
        """
        if name != self._name or self._looks:
            return None
        self._looks = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looks = False
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                with suppress(ValueError):  # imported anew after it was taken out of sys.modules
                    sys.meta_path.remove(self)
                self._tell(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def when_imported(name: str, tell: Callable[[Any], None]) -> None:
    """Call a function on a module, now or as soon as it is there."""
    if name in sys.modules:
        tell(sys.modules[name])
    else:
        sys.meta_path.insert(0, Watch(name, tell))
