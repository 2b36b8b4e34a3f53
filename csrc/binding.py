"""The Python extension's C source, from rnnfast.h: `python -m cffi.gen_src exec-python binding.py OUT` writes it."""

import re
from pathlib import Path

import cffi

header = Path(__file__).with_name("include").joinpath("rnnfast.h").read_text(encoding="utf-8")
declarations = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", header, flags=re.DOTALL | re.MULTILINE)
declarations = re.sub(r"^#.*\n", "", declarations, flags=re.MULTILINE).replace("RF_API ", "")

ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations)
ffibuilder.set_source("rnnfast._rnnfast", '#include "rnnfast.h"')
