"""The kernels of single steps, compiled for a program in C: a thousand of them have the bits of one sequence."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import run, tool

from rnnfast.backends.c import backend as c

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

CLONE = Path(__file__).parents[2]
CSRC = CLONE / "csrc"
FLAGS = {
    "avx512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma"),
    "avx2": ("-mavx2", "-mfma"),
    "neon": (),
}
"""What the compiler is told, as in csrc/CMakeLists.txt."""
FUSED = [name for name in c.variants() if name in FLAGS and c.reason(name) is None]
CASES = [("lstm", 32, name) for name in FUSED]
CASES += [(cell, bits, FUSED[0]) for cell, bits in (("gru", 64), ("gru_before", 32), ("rnn_tanh", 64)) if FUSED]


@pytest.mark.parametrize(("cell", "bits", "isa"), CASES)
def test_steps_have_the_bits_of_a_sequence(cell: str, bits: int, isa: str, tmp_path: Path) -> None:
    """All instruction sets with FMA agree, so that the library may take any of them for the sequence."""
    library = Path(c.describe()["library"])
    names = {
        "RF_VEC_H": f'"vec/{isa}.h"',
        "RF_CELL_H": f'"cell/{cell}.h"',
        "RF_ISA_NAME": f'"{isa}"',
        "RF_CELL_NAME": f'"{cell}"',
        "RF_REAL_BITS": bits,
        "RF_KERNEL_NAME": "a_kernel",
        "RF_TESTED": "a_kernel",
        "RF_PRODUCT_NAME": "a_product",
        "RF_NARROW_NAME": "a_narrow_product",
        "RF_PAIRS_NAME": "products_by_pairs",
    }
    systems = ("barrier", "caches", "cgroup", "cpu", "forks", "gate", "processors", "restraint", "spawn", "threads")
    products = [CSRC / "product" / name for name in ("product.c", "narrow.c", "pairs.c")[: 3 if bits == 32 else 1]]
    sources = [CSRC / "kernel.c", *products, *(CSRC / "system" / f"{name}.c" for name in systems)]
    flags = ("-std=c11", "-O0", "-ffp-contract=off", "-fno-trapping-math", "-Wall", "-Wextra", "-Werror", *FLAGS[isa])
    program = tmp_path / "steps"
    run(
        tool("cc"), *flags, f"-I{CSRC}", *(f"-D{name}={value}" for name, value in names.items()),
        CLONE / "tests" / "helpers" / "steps.c", *sources, library, f"-Wl,-rpath,{library.parent}",
        "-lm", "-pthread", "-o", program,
    )  # fmt: skip
    assert run(program, RNNFAST_ISA=FUSED[0]) == "all well\n"  # of the sequences, whatever was chosen for the tests
