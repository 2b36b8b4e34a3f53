"""Inline PTX as functions that kernels call: what Numba has no word for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FLOAT, WORD, ADDRESS, NOTHING = types.float32, types.uint32, types.uint64, types.void
"""Types of operands: `WORD` is 32 bits, an address in shared memory too, `ADDRESS` one in global memory."""
_LETTERS = {FLOAT: "f", WORD: "r", ADDRESS: "l"}


def instruction(
    text: str, result: Any, *operands: Any, count: int = 1, pure: bool = False, together: bool = False
) -> Any:
    """Return the function of these operands that `text` is, with $0 the first result, operands after the results.

    It returns a `result`, a tuple of `count` if there are several. `pure`: it reads and writes no memory. `together`:
    all threads of a warp or more execute it at once.
    """
    returned, returns = types.UniTuple(result, count) if count > 1 else result, result is not NOTHING
    outputs = [f"={_LETTERS[result]}"] * count if returns else []
    constraints = ",".join([*outputs, *(_LETTERS[each] for each in operands), *([] if pure else ["~{memory}"])])
    attributes = ("convergent",) if together else ()

    def generate(context, builder, signature, arguments):
        lowered = context.get_value_type(result) if returns else ir.VoidType()
        whole = ir.LiteralStructType([lowered] * count) if count > 1 else lowered
        kind = ir.FunctionType(whole, [argument.type for argument in arguments])
        value = builder.call(ir.InlineAsm(kind, text, constraints, not pure), arguments, attrs=attributes)
        if not returns:
            return context.get_dummy_value()
        if count == 1:
            return value
        return cgutils.pack_array(builder, [builder.extract_value(value, i) for i in range(count)])

    return _intrinsic(len(operands), returned(*operands), generate)


def narrow(operation: str) -> Any:
    """Return an operation of two words that stays one of words: Numba's own would widen them to 64 bits."""

    def generate(context, builder, signature, arguments):
        return getattr(builder, operation)(*arguments)

    return _intrinsic(2, WORD(WORD, WORD), generate)


def address_in_shared() -> Any:
    """Return the function that turns an array in shared memory into its address there."""
    text = "{ .reg .u64 s; cvta.to.shared.u64 s, $1; cvt.u32.u64 $0, s; }"

    def generate(context, builder, signature, arguments):
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)])
        return builder.call(ir.InlineAsm(kind, text, "=r,l"), [builder.ptrtoint(pointer, ir.IntType(64))])

    @intrinsic
    def address(typing_context, array):
        return WORD(array), generate

    return address


def _intrinsic(count: int, signature: Any, generate: Any) -> Any:
    """Return Numba's intrinsic of `count` arguments: it reads their names from the function's own signature."""
    names = ", ".join(["typing_context", *(f"a{i}" for i in range(count))])
    space = {"signature": signature, "generate": generate}
    exec(f"def typed({names}): return signature, generate", space)
    return intrinsic(space["typed"])
