"""Operations of products beside those of `ptx.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rnnfast.backends.cuda import ptx
from rnnfast.backends.cuda.assembly import ADDRESS, FLOAT, NOTHING, WORD, instruction


def operations(cuda: Any) -> SimpleNamespace:
    """Return those of `ptx.py` and these.

    `after(address, count, bytes)`: the address so many times so many bytes further, both signed. `store2` is a store
    of two numbers, to a multiple of 8. `largest(x, y)` is the number where the other is NaN.
    """
    found = ptx.operations(cuda)
    found.after = instruction("mad.wide.s32 $0, $2, $3, $1;", ADDRESS, ADDRESS, WORD, WORD, pure=True)
    found.largest = instruction("max.f32 $0, $1, $2;", FLOAT, FLOAT, FLOAT, pure=True)
    found.store2 = instruction("st.global.v2.f32 [$0], {$1,$2};", NOTHING, ADDRESS, FLOAT, FLOAT)
    return found
