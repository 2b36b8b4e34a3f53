"""Modules that are told of this package once they are imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch", reason="torch is not installed")
from rnnfast.integrations.torch.imports import when_imported


def test_to_look_for_a_module_is_not_to_import_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_late.py").write_text("value = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told: list[ModuleType] = []
    before = [*sys.meta_path]
    when_imported("imported_late", told.append)
    assert importlib.util.find_spec("imported_late") is not None
    assert not told and "imported_late" not in sys.modules
    module = importlib.import_module("imported_late")
    assert told == [module] and module.value == 3
    assert sys.meta_path == before
    when_imported("imported_late", told.append)
    assert told == [module, module]
    monkeypatch.delitem(sys.modules, "imported_late")
