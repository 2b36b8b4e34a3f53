"""Settings and fixtures shared by all tests: the same random numbers on every run, a text, the number of threads."""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from covering import pytest_collection_modifyitems as pytest_collection_modifyitems
from hypothesis import HealthCheck, settings
from skips import pytest_make_collect_report as pytest_make_collect_report
from skips import pytest_runtest_makereport as pytest_runtest_makereport

import rnnfast
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.problem import Array

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""PyTorch's threads, else, wait by spinning, for milliseconds where as many tests run as there are processors."""
os.environ.setdefault("KERAS_BACKEND", "torch" if importlib.util.find_spec("torch") else "numpy")
"""Keras reads this when it is imported, and would ask for TensorFlow."""
EMULATOR_CAN_RUN = all(importlib.util.find_spec(name) for name in ("numba", "greenlet"))

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Search for garbage only when tests have been collected, and set apart all that is there then.

    Every search would go through the thousands of objects that tests are, and find next to nothing.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same for every test."""
    return np.random.default_rng(7)


@pytest.fixture
def emulated_device() -> Iterator[Any]:
    """The emulator in place of a CUDA device."""
    from cuda_emulator import Emulator
    from device_memory import in_place_of_the_device

    emulator = Emulator()
    with in_place_of_the_device(emulator):
        yield emulator


@pytest.fixture
def numba_device() -> Iterator[Any]:
    """The emulator in place of a CUDA device's kernels, with Numba's own arrays in host memory."""
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    pytest.importorskip("greenlet", reason="the emulator needs greenlet")
    from device_memory import in_place_of_the_device
    from numba_arrays import DeviceOfNumba, numba_in_host_memory

    device = DeviceOfNumba()
    with numba_in_host_memory(), in_place_of_the_device(device):
        yield device


@pytest.fixture(autouse=True)
def cuda_without_a_device(request: pytest.FixtureRequest) -> None:
    """Tests of the target "cuda" run in the emulator where there is no device, with Numba's arrays if it has any."""
    target = request.node.callspec.params.get("target") if hasattr(request.node, "callspec") else None
    if str(target) == "cuda" and numba_cuda.reason() is not None and EMULATOR_CAN_RUN:
        request.getfixturevalue("numba_device" if importlib.util.find_spec("numba_cuda") else "emulated_device")


@pytest.fixture
def upload(emulated_device: None) -> Callable[[Array], Any]:
    """Makes an array on the emulated device; strides stay as they are."""
    from device_memory import EmulatedArray

    return EmulatedArray


@pytest.fixture
def number_of_threads_restored() -> Iterator[None]:
    """Whatever a test sets."""
    n = rnnfast.get_num_threads()
    yield
    rnnfast.set_num_threads(n)


@pytest.fixture(scope="module")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of random words: letters within a word can be learned, which word comes next cannot."""
    rng = np.random.default_rng(3)
    words = ["harbour", "lantern", "quietly", "seven", "bridge", "café", "orchard", "windows"]
    path = tmp_path_factory.mktemp("text") / "words.txt"
    path.write_text(" ".join(rng.choice(words, 4000)), encoding="utf-8")
    return path
