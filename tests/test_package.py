"""The installed package: what it holds, and that it imports, and computes, without its C library or its extras."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from programs import python, run

import rnnfast
from rnnfast.backends.c import backend as c

CLONE = Path(__file__).parents[1]
PACKAGE = Path(rnnfast.__file__).parent


def test_the_package_under_test_has_its_c_library() -> None:
    """Without it nearly every other test would be skipped, and the rest pass."""
    assert c.variants(), (
        f"{c.reason()}. The rnnfast under test is {PACKAGE}. Install the clone and run the `pytest` command itself: "
        "`python -m pytest` in a clone imports its source tree, which holds no compiled code"
    )


def test_the_version_is_told_once() -> None:
    version = importlib.metadata.version("rnnfast")
    assert f"project(rnnfast VERSION {version} " in (CLONE / "CMakeLists.txt").read_text()
    assert rnnfast.__version__ == c.describe()["version"] == version


def test_the_package_brings_its_licence_types_header_and_command() -> None:
    files = importlib.metadata.files("rnnfast") or []
    names = {file.name for file in files}
    assert {"LICENSE", "py.typed", "rnnfast.h", "entry_points.txt"} <= names
    assert (PACKAGE / "include" / "rnnfast.h").read_text() == (CLONE / "csrc" / "include" / "rnnfast.h").read_text()
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="rnnfast")
    assert command.value == "rnnfast.cli:main"


def test_the_package_says_where_its_library_is() -> None:
    assert Path(rnnfast.get_include(), "rnnfast.h").read_text() == (PACKAGE / "include" / "rnnfast.h").read_text()
    assert list(Path(rnnfast.get_library_dir()).glob("librnnfast.*"))
    assert Path(rnnfast.get_cmake_dir(), "rnnfast-config.cmake").exists()
    flags = run(sys.executable, "-m", "rnnfast", "info", "--cflags", "--libs").split()
    assert flags[0] == f"-I{rnnfast.get_include()}" and flags[-1] == "-lrnnfast"
    assert run(sys.executable, "-m", "rnnfast", "info", "--libs").split() == flags[1:]


def test_the_package_holds_one_copy_of_the_library() -> None:
    files = [file for file in importlib.metadata.files("rnnfast") or [] if re.search(r"\.(so|dylib)\b", file.name)]
    assert sorted(file.name.split(".")[0] for file in files) == ["_rnnfast", "librnnfast"]


WITHOUT_C = """
import sys
sys.modules["rnnfast._rnnfast"] = sys.modules["numba"] = None
import warnings, numpy, rnnfast
print(rnnfast.backends()["c"])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    y, _ = rnnfast.GRU(2, 3, seed=1)(numpy.ones((4, 5, 2), "float32"))
    rnnfast.GRU(2, 3, seed=1)(numpy.ones((4, 5, 2), "float32"))
print(len(caught), caught[0].category.__name__)
print(*y.ravel())
try:
    rnnfast.GRU(2, 3, backend="c")(numpy.ones((4, 5, 2), "float32"))
except RuntimeError as error:
    print(error)
"""


def test_the_reference_stands_in_where_there_is_neither_library_nor_numba() -> None:
    reason, warned, values, refused = python(WITHOUT_C, RNNFAST_BACKEND="").splitlines()
    assert reason.startswith("the C library was not built: ")
    assert warned == "1 RuntimeWarning"
    assert "the C library was not built" in refused and "reference" in refused
    y, _ = rnnfast.GRU(2, 3, seed=1)(np.ones((4, 5, 2), "float32"))
    np.testing.assert_allclose(np.array(values.split(), "float32"), y.ravel(), rtol=1e-5, atol=1e-6)


def test_a_source_tree_imports_without_being_built() -> None:
    printed = python(f"import sys; sys.path.insert(0, {str(CLONE)!r}); import rnnfast; print(rnnfast.__file__)")
    assert Path(printed.strip()) == CLONE / "rnnfast" / "__init__.py"


def test_import_brings_nothing_that_is_slow() -> None:
    code = """
import sys
before = set(sys.modules)  # by what the environment starts with
import rnnfast
others = {"matplotlib", "rich", "safetensors", "numba", "torch", "jax", "onnx", "pytest", "hypothesis"}
at_first = others | {"cffi", "importlib.metadata", "numpy.ma", "zipfile", "tempfile", "argparse", "rnnfast.nn"}
print(*sorted(at_first & (set(sys.modules) - before)), rnnfast.__version__)
rnnfast.LSTM(2, 3)
print(*sorted(others & (set(sys.modules) - before)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [rnnfast.__version__] and not found.stderr


def test_names() -> None:
    assert dir(rnnfast) == sorted(rnnfast.__all__)
    assert all(hasattr(rnnfast, name) for name in dir(rnnfast))
    with pytest.raises(AttributeError, match="has no attribute 'lstm'"):
        rnnfast.lstm  # noqa: B018
