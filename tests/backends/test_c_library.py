"""librnnfast itself: what it exports, its errors, its instruction sets, and C programs that link it."""

from __future__ import annotations

import re
from pathlib import Path

import c_records
import numpy as np
import pytest
from programs import python, run, tool
from support import Spec, make_problem

import rnnfast
from rnnfast.backends.c import backend as c
from rnnfast.backends.c import record
from rnnfast.backends.c.library import library
from rnnfast.backends.c.memory import Block, workspace
from rnnfast.backends.common import whole
from rnnfast.problem import Problem

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

CLONE = Path(__file__).parents[2]
PROGRAM = CLONE / "tests" / "helpers" / "lstm_step.c"
RUNNABLE = [name for name in c.variants() if c.reason(name) is None]


def test_only_rf_names_are_exported() -> None:
    symbols = run(tool("nm"), "--dynamic", "--defined-only", "--format=posix", c.describe()["library"])
    names = {line.split()[0] for line in symbols.splitlines()}
    header = (CLONE / "csrc" / "include" / "rnnfast.h").read_text()
    assert names == set(re.findall(r"^RF_API .*?(rf_\w+)\(", header, re.MULTILINE))


def test_every_status_has_a_text_of_its_own() -> None:
    ffi, lib = library()
    codes = [getattr(lib, name) for name in dir(lib) if name == "RF_OK" or name.startswith("RF_ERROR_")]
    texts = [ffi.string(lib.rf_status_text(code)).decode() for code in codes]
    assert sorted(codes) == list(range(len(codes)))
    assert len(set(texts)) == len(codes) and all(len(text) > 5 for text in texts)
    assert ffi.string(lib.rf_status_text(len(codes))) == ffi.string(lib.rf_status_text(-1))


def test_every_field_of_the_record_is_filled() -> None:
    ffi, _ = library()
    others = "struct_size cell dtype weight_dtype isa state_size t0 t1 masked_output num_threads overwrite keep_reserve"
    filled = {
        *(*others.split(), "product_dtype"),
        *(f"{name}{field}" for name in ("workspace", "packed", "reserve") for field in ("", "_bytes")),
        *(record.SIZES + record.PART + record.DROPOUT + record.WEIGHTS + c_records.DENSE + ("dropout_seed", "team")),
        *(f"d_{name}" for name in record.WEIGHTS),
        *(f"{name}{field}" for name in c_records.SEQUENCES for field in ("", "_stride_t", "_stride_b")),
    }
    fields = ffi.typeof("rf_problem").fields
    assert filled == {name for name, _ in fields}
    _, last = fields[-1]
    assert last.offset + ffi.sizeof(last.type) == ffi.sizeof("rf_problem")  # else a later field had no size of its own


FORWARD = """
import numpy, rnnfast
try:
    rnnfast.LSTM(2, 3)(numpy.zeros((1, 1, 2), "float32"))
    print(rnnfast.backends()["c"])
except Exception as error:
    print(type(error).__name__, error)
"""


def test_an_unknown_instruction_set_in_the_environment_is_an_error() -> None:
    printed = python(FORWARD, RNNFAST_ISA="sse9")
    assert printed.startswith("ValueError RNNFAST_ISA='sse9' is no instruction set")
    assert all(name in printed for name in c.variants())


@pytest.mark.parametrize("name", c.variants())
def test_the_environment_chooses_the_instruction_set(name: str) -> None:
    reason = c.reason(name)
    if reason is None:
        printed = python("from rnnfast.backends.c import backend as c; print(c.describe())", RNNFAST_ISA=name)
        assert f"'instruction set': '{name}', 'chosen because': 'RNNFAST_ISA names it'" in printed
    else:
        printed = python(FORWARD, RNNFAST_ISA=name)
        assert printed.startswith(f"ValueError RNNFAST_ISA={name!r} cannot run here: {reason}")


def test_the_best_instruction_set_that_runs_is_chosen() -> None:
    chosen = python(
        "from rnnfast.backends.c import backend as c; print(c.describe()['instruction set'])", RNNFAST_ISA=""
    )
    assert chosen.strip() == RUNNABLE[0]
    assert RUNNABLE[-1] == c.variants()[-1] == "scalar"


def test_asking_for_an_unknown_instruction_set_names_the_known_ones() -> None:
    assert "scalar" in str(c.reason("sse9"))
    problem = make_problem(Spec())
    problem.variant = "sse9"
    with pytest.raises(ValueError, match=r"'sse9' is no instruction set.*scalar"):
        whole.forward(c, problem)


def test_threads_are_counted() -> None:
    before = c.get_num_threads()
    try:
        c.set_num_threads(3)
        assert c.get_num_threads() == 3
        with pytest.raises(ValueError, match="number of threads"):
            c.set_num_threads(0)
        assert c.get_num_threads() == 3
    finally:
        c.set_num_threads(before)


@pytest.mark.parametrize("variant", RUNNABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_peak_loop_counts_its_operations(variant: str, dtype: str) -> None:
    once, twice = c.fma_loop(dtype, 100, variant), c.fma_loop(dtype, 200, variant)
    assert once >= 200 and twice == 2 * once


@pytest.mark.parametrize("variant", RUNNABLE)
def test_read_loop_counts_whole_groups_of_vectors(variant: str) -> None:
    data = Block(4096 + 100).bytes
    data[:] = 0xFF  # not numbers: the speed does not depend on what is read
    once, twice = c.read_loop(data, 1, variant), c.read_loop(data, 2, variant)
    assert 4096 <= once <= data.size and twice == 2 * once
    assert c.read_loop(data[:7], 5, variant) <= 5 * 7
    with pytest.raises(ValueError, match="range"):
        c.read_loop(data, -1, variant)


@pytest.mark.parametrize("dtype", ["int32", "float16", ">f4"])
def test_other_number_types_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match="native float32 and float64"):
        c.elementwise("exp", np.zeros(3, dtype))


def test_lengths_out_of_range_are_refused() -> None:
    problem = make_problem(Spec(lengths=True))
    problem.lengths = np.full(problem.batch, problem.steps + 1)
    with pytest.raises(ValueError, match="length"):
        whole.forward(c, problem)


def test_sizes_beyond_memory_are_refused() -> None:
    huge = 2**31 - 1
    problem = Problem("lstm", np.dtype("float32"), 1, 1, huge, huge, huge, huge, record=True)
    with pytest.raises(MemoryError):
        whole.forward(c, problem)
    with pytest.raises(MemoryError):
        Block(2**63)


def test_rows_apart_by_part_of_an_element_are_refused() -> None:
    problem = make_problem(Spec(), "float32")
    assert problem.x is not None
    rows = np.zeros(problem.x.shape[:2], np.dtype([("x", "f4", problem.x.shape[2]), ("flag", "u1")]))
    problem.x = rows["x"]
    with pytest.raises(ValueError, match="x has strides .* no multiples of 4 bytes"):
        whole.forward(c, problem)


def test_backward_needs_a_recorded_forward() -> None:
    problem = make_problem(Spec())
    for function in (whole.backward, whole.activations):
        with pytest.raises(RuntimeError, match="record=True"):
            function(problem)


@pytest.mark.parametrize("size", [0, 1, 1000, 100_000])
def test_blocks_are_aligned(size: int) -> None:
    block = Block(size)
    assert block.bytes.size >= size
    assert block.bytes.ctypes.data % 64 == 0


def test_only_a_small_workspace_is_kept() -> None:
    small = workspace(1000)
    assert workspace(500) is small
    assert workspace(65 << 20) is not workspace(65 << 20)
    assert workspace(1000).bytes.size < 64 << 20


def test_a_c_program_links_the_library_that_python_uses(tmp_path: Path) -> None:
    folder = Path(rnnfast.__file__).parent
    libraries = Path(c.describe()["library"]).parent
    flags = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    run(
        *(
            tool("cc"),
            *flags,
            f"-I{folder / 'include'}",
            CLONE / "tests" / "helpers" / "lstm_step.c",
            "-o",
            tmp_path / "step",
        ),
        *(f"-L{libraries}", "-lrnnfast", f"-Wl,-rpath,{libraries}", "-lm"),
    )
    assert run(tmp_path / "step").startswith("rnnfast ")


def test_the_header_is_valid_cxx() -> None:
    run(
        tool("c++"),
        "-std=c++11",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-fsyntax-only",
        CLONE / "csrc/include/rnnfast.h",
    )


PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(embedder LANGUAGES C)
find_package(rnnfast REQUIRED)
add_executable(step {source})
target_link_libraries(step PRIVATE rnnfast::{library} m)
"""


def installed(folder: Path, *options: str) -> Path:
    """The library built and installed as a program's author would; where."""
    cmake, build, prefix = tool("cmake"), folder / "build", folder / "prefix"
    tool("cc")
    run(cmake, "-S", CLONE, "-B", build, "-DCMAKE_BUILD_TYPE=Debug", *options)
    run(cmake, "--build", build, "--parallel", "2")
    run(cmake, "--install", build, "--prefix", prefix)
    return prefix


@pytest.mark.slow
def test_a_cmake_project_finds_the_installed_package(tmp_path: Path) -> None:
    cmake, prefix = tool("cmake"), installed(tmp_path, "-DRNNFAST_CELLS=lstm;gru_before")
    for target in ("rnnfast", "rnnfast_static"):
        project = tmp_path / target
        project.mkdir()
        (project / "CMakeLists.txt").write_text(PROJECT.format(source=PROGRAM, library=target))
        run(cmake, "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
        run(cmake, "--build", project / "build")
        assert run(project / "build" / "step").startswith("rnnfast ")
    (archive,) = prefix.rglob("librnnfast.a")
    symbols = run(tool("nm"), "--defined-only", "--extern-only", "--format=posix", archive)
    names = {line.split()[0] for line in symbols.splitlines() if line and not line.endswith(":")}
    assert names and all(name.startswith("rf_") for name in names), names
    flags = run(tool("pkg-config"), "--cflags", "--libs", "rnnfast", PKG_CONFIG_PATH=str(archive.parent / "pkgconfig"))
    run(tool("cc"), PROGRAM, *flags.split(), "-lm", f"-Wl,-rpath,{archive.parent}", "-o", tmp_path / "step")
    assert run(tmp_path / "step").startswith("rnnfast ")


@pytest.mark.slow
def test_a_program_builds_what_it_needs_alone(tmp_path: Path) -> None:
    needed = ("-DRNNFAST_CELLS=lstm", "-DRNNFAST_DTYPES=float64", "-DRNNFAST_ISAS=scalar")
    prefix = installed(tmp_path, "-DBUILD_SHARED_LIBS=OFF", *needed)
    (archive,) = prefix.rglob("librnnfast.a")
    symbols = run(tool("nm"), "--defined-only", "--extern-only", "--format=posix", archive)
    assert re.findall(r"^rf_kernel_\w+", symbols, re.MULTILINE) == ["rf_kernel_lstm_f64_scalar"]
    flags = run(tool("pkg-config"), "--cflags", "--libs", "rnnfast", PKG_CONFIG_PATH=str(archive.parent / "pkgconfig"))
    run(tool("cc"), PROGRAM, *flags.split(), "-o", tmp_path / "step")
    assert run(tmp_path / "step").startswith("rnnfast ")
    for option in ("-DRNNFAST_CELLS=", "-DRNNFAST_ISAS=sse9", "-DRNNFAST_DTYPES=float16"):
        with pytest.raises(AssertionError, match=option.partition("=")[0].removeprefix("-D")):
            run(tool("cmake"), "-S", CLONE, "-B", tmp_path / option, option)


@pytest.mark.parametrize("folder", ["lib", "lib/x86_64-linux-gnu"])
def test_pkg_config_finds_the_header_from_any_folder(folder: str, tmp_path: Path) -> None:
    tool("cc")
    run(tool("cmake"), "-S", CLONE, "-B", tmp_path, f"-DCMAKE_INSTALL_LIBDIR={folder}", "-DCMAKE_INSTALL_PREFIX=/opt/x")
    (tmp_path / "prefix" / folder / "pkgconfig").mkdir(parents=True)
    (tmp_path / "csrc" / "rnnfast.pc").rename(tmp_path / "prefix" / folder / "pkgconfig" / "rnnfast.pc")
    prefix = tmp_path / "prefix"
    where, found = str(prefix / folder / "pkgconfig"), []
    for name in ("includedir", "libdir"):
        path = run(tool("pkg-config"), f"--variable={name}", "rnnfast", PKG_CONFIG_PATH=where)
        found.append(Path(path.strip()).resolve())
    assert found == [prefix / "include", prefix / folder]


@pytest.mark.parametrize("option", ["CELLS=lstm;gru;lstm", "ISAS=scalar;scalar", "DTYPES=float32;float32"])
def test_what_is_built_twice_is_refused_by_its_name(option: str, tmp_path: Path) -> None:
    tool("cc")
    with pytest.raises(AssertionError, match=f"RNNFAST_{option.partition('=')[0]} names one twice"):
        run(tool("cmake"), "-S", CLONE, "-B", tmp_path, f"-DRNNFAST_{option}")
