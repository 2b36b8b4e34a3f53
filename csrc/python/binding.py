"""The Python extension's C source: `python -m cffi.gen_src exec-python binding.py OUT`."""

import re
from pathlib import Path

import cffi

here = Path(__file__).parent
header = (here.parent / "include" / "rnnfast.h").read_text(encoding="utf-8")
declarations = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", header, flags=re.DOTALL | re.MULTILINE)
declarations = re.sub(r"^#.*\n", "", declarations, flags=re.MULTILINE).replace("RF_API ", "")
calls = re.findall(r"^static ([^{]*\)) \{", (here / "arrays.h").read_text(encoding="utf-8"), flags=re.MULTILINE)
calls += re.findall(r"^(\w.*\));", (here / "xla_calls.h").read_text(encoding="utf-8"), flags=re.MULTILINE)

ffibuilder = cffi.FFI()
ffibuilder.cdef(declarations + "".join(f"{call};\n" for call in calls))
ffibuilder.set_source("rnnfast._rnnfast", '#include "arrays.h"\n#include "xla_calls.h"')
