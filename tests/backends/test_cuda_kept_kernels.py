"""Compiled kernels that are kept: files, their keys, and what is compiled once for all processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from emulated_driver import EmulatedLibrary

from rnnfast.backends.cuda.arrays import array_at
from rnnfast.backends.cuda.driver import kept, key
from rnnfast.backends.cuda.driver.declarations import ffi
from rnnfast.backends.cuda.driver.kept import Kept, cache_folder
from rnnfast.backends.cuda.driver.library import Driver
from rnnfast.backends.cuda.driver.scalars import address, float32, int32, int64

has_numba_cuda = pytest.mark.skipif(
    not hasattr(pytest.importorskip("numba.cuda"), "compile_ptx"), reason="numba-cuda is not installed"
)


def scaled_kernel(cuda: Any, real: Any) -> Any:
    def kernel(to: address, count: int32, scale: float32):
        i = cuda.grid(1)
        if i < count:
            array_at(to, (count,), real)[i] *= scale

    return kernel


@pytest.mark.parametrize("content", [b"", b"short", None, b"wrong"])
def test_a_file_that_is_not_whole_is_not_read(content: bytes | None, tmp_path: Path) -> None:
    files = Kept(tmp_path / "made" / "on demand")
    files.write("k", b"machine code")
    (file,) = files.folder.iterdir()  # type: ignore[union-attr]
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] if content is None else whole[:-4] + b"CODE" if content == b"wrong" else content)
    assert files.read("k") is None
    files.write("k", b"machine code")
    assert files.read("k") == b"machine code" and file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_to_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    files = Kept(tmp_path / "file" / "cache")
    for _ in range(2):
        files.write("k", b"code")
    said = capsys.readouterr().err
    assert files.read("k") is None and said.count("\n") == 1
    assert f"cannot be kept in {tmp_path / 'file' / 'cache'}" in said and "set RNNFAST_CACHE_DIR" in said


def test_where_compiled_kernels_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFAST_CACHE_DIR", "own")
    assert cache_folder() == Path("own")
    monkeypatch.delenv("RNNFAST_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "users")
    monkeypatch.setattr(kept.sys, "platform", "linux")
    assert cache_folder() == Path("users", "rnnfast")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "rnnfast"


def test_without_a_home_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(kept.Path, "home", home)
    for name, platform in (("XDG_CACHE_HOME", "linux"), ("LOCALAPPDATA", "win32")):
        monkeypatch.delenv("RNNFAST_CACHE_DIR", raising=False)
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(kept.sys, "platform", platform)
        assert cache_folder() is None
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "not kept (Could not determine" in said and "set RNNFAST_CACHE_DIR" in said
        monkeypatch.setenv(name, str(tmp_path))
        found = cache_folder()
        assert found is not None and found.is_relative_to(tmp_path) and not capsys.readouterr().err


def test_what_killed_writers_left_is_removed_after_a_day(tmp_path: Path) -> None:
    for name, age in (("old.part", 25), ("new.part", 23), ("old.cubin", 25), ("old.txt", 25)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, times=2 * (time.time() - 3600 * age,))
    Kept(tmp_path).write("k", b"code")
    assert {file.name for file in tmp_path.iterdir()} == {"new.part", "old.cubin", "old.txt", "k.cubin"}


WRITER = """
import sys
from pathlib import Path
from rnnfast.backends.cuda.driver.kept import Kept
files, content = Kept(Path(sys.argv[1])), bytes([int(sys.argv[2])]) * 300_000
for n in range(150):
    files.write("k", content)
    found = files.read("k")
    assert found is not None and len(found) == 300_000 and found == found[:1] * 300_000
"""


def test_processes_that_write_at_once_see_whole_files(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n)]) for n in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [file.name for file in tmp_path.iterdir()] == ["k.cubin"]


def test_the_key_of_a_kernel_follows_all_that_it_is_made_of() -> None:
    def make(step: Callable[[float], float], size: int) -> Callable[..., Any]:
        def kernel(to: address):
            return step(to) + size + np.float32(factor)

        return kernel

    def doubled(x: float) -> float:
        return x * 2

    def tripled(x: float) -> float:
        return x * 3

    factor = 1.5
    kernels = [make(doubled, 4), make(doubled, 5), make(tripled, 4)]
    keys = [key.key_of(kernel, (9, 0)) for kernel in kernels] + [key.key_of(kernels[0], (8, 0))]
    factor = 2.5
    keys.append(key.key_of(kernels[0], (9, 0)))
    assert len(set(keys)) == 5
    factor = 1.5
    assert key.key_of(make(doubled, 4), (9, 0)) == keys[0]
    with pytest.raises(TypeError, match="a kernel refers to <object object .*, of which it is not known whether"):
        key.key_of(make(doubled, object()))  # type: ignore[arg-type]


def test_the_key_of_a_kernel_follows_the_types_and_names_of_its_parameters() -> None:
    def narrow(to: address, count: int32): ...
    def wide(to: address, count: int64): ...
    def renamed(to: address, n: int32): ...

    for kernel in (wide, renamed):
        kernel.__name__ = "narrow"
    assert len({key.key_of(kernel) for kernel in (narrow, wide, renamed)}) == 3


@has_numba_cuda
def test_the_key_of_a_kernel_follows_how_its_functions_are_compiled() -> None:
    from numba import cuda

    def make(**options: Any) -> Callable[..., Any]:
        def twice(x):  # type: ignore[no-untyped-def]
            return x + x

        function = cuda.jit(device=True, **options)(twice)

        def kernel(scale: float32):
            function(scale)

        return kernel

    keys = [key.key_of(make(**options)) for options in ({}, {"fastmath": True}, {"forceinline": True})]
    assert len(set(keys)) == 3 and keys[0] == key.key_of(make())


def test_versions_follow_what_compiles_and_not_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = []
    for place, build in (("conda", b"12.9" * 99), ("pip", b"13.0" * 99), ("toolkit", b"13.0" * 99), ("toolkit", b"")):
        library = tmp_path / place
        library.write_bytes(build)
        monkeypatch.setattr(key, "_nvvm", lambda library=library: library)
        monkeypatch.setenv("CONDA_PREFIX", str(library))
        found.append(key.versions.__wrapped__())
    monkeypatch.setattr(key, "_nvvm", lambda: None)
    found.append(key.versions.__wrapped__())
    of = key.metadata.version
    monkeypatch.setattr(key.metadata, "version", lambda name: "99" if name == "llvmlite" else of(name))
    found.append(key.versions.__wrapped__())
    assert found[1] == found[2] and len(set(found)) == 5


@has_numba_cuda
def test_nvvm_is_the_library_that_numba_loads() -> None:
    from numba.cuda.cudadrv import nvvm

    library = key._nvvm()
    assert library is not None and "nvvm" in library.name and key.build_of(library) in key.versions()
    assert nvvm.NVVM().get_version() and str(library.resolve()) in Path("/proc/self/maps").read_text()


@has_numba_cuda
def test_the_key_of_a_kernel_follows_its_instructions() -> None:
    from numba.cuda import types as kinds
    from numba.cuda.extending import intrinsic

    def operations(text: str, kind: Any) -> SimpleNamespace:
        @intrinsic  # type: ignore[untyped-decorator]
        def operation(context: Any, value: Any) -> Any:
            return kind(kind), lambda context, builder, signature, arguments: builder.load(text)

        return SimpleNamespace(operation=operation)

    def make(ops: SimpleNamespace) -> Callable[..., Any]:
        def kernel(to: address):
            ops.operation(to)

        return kernel

    made = [operations("a", kinds.int32), operations("b", kinds.int32), operations("a", kinds.int64)]
    keys = [key.key_of(make(ops)) for ops in made]
    assert len(set(keys)) == 3 and keys[0] == key.key_of(make(operations("a", kinds.int32)))


KEYS = """
import numpy as np
from numba import cuda
from rnnfast.backends.cuda.driver.key import key_of
from rnnfast.backends.cuda.forward import forward_kernel
from rnnfast.backends.cuda.product import product_kernel
from rnnfast.backends.cuda.blocks import Block, forward_shares
from rnnfast.backends.cuda.shapes import CELLS
for cell in CELLS.values():
    block = Block(8, 256, 8)
    print(key_of(forward_kernel(cuda, np.float32, cell, block, forward_shares(block, cell, 64), False)))
print(key_of(product_kernel(cuda, np.float32, 16, 4, True)), key_of(product_kernel(cuda, np.float64, 16, 4, True)))
"""


@has_numba_cuda
def test_keys_are_the_same_in_every_process() -> None:
    seeds = ("1", "2")
    found = [
        subprocess.run(
            [sys.executable, "-c", KEYS],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in seeds
    ]
    assert found[0] == found[1] and len(set(found[0])) == len(found[0]) == 8


@has_numba_cuda
def test_a_kernel_is_compiled_once_for_all_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numba.cuda
    import numba.cuda.dispatcher

    from rnnfast.backends.cuda.driver.compiling import Compiler

    cubin, linked = ffi.new("char[]", b"machine code"), list[bytes]()

    def add(state: Any, kind: int, data: Any, size: int, *_: Any) -> int:
        linked.append(ffi.buffer(ffi.cast("char *", data), size)[:])
        return 0

    def complete(state: Any, to: Any, size: Any) -> int:
        to[0], size[0] = cubin, 12
        return 0

    library = EmulatedLibrary(lambda *_: None)
    vars(library).update(cuLinkAddData_v2=add, cuLinkComplete=complete)
    driver = Driver(library)
    here = SimpleNamespace(compute_capability=(9, 0))
    with mock.patch.object(numba.cuda.dispatcher, "get_current_device", lambda: here):
        for real in (np.float32, np.float32, np.float64):
            compiler = Compiler(driver, (9, 0), Kept(tmp_path))  # as a new process has one
            code = compiler.cubin(scaled_kernel(numba.cuda, real), "scaled_kernel", 64)
            assert code == b"machine code"
    assert len(linked) == 2 and b".visible .entry scaled_kernel(" in linked[0] and b".maxntid 64, 1, 1" in linked[0]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("compiled the CUDA kernel scaled_kernel in" in line for line in lines)
