"""How Numba compiles what is in arrays.py: arrays as its own, which cost nothing once optimised, counters as PTX."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.extending import lower_builtin, type_callable

from rnnfast.backends.cuda.arrays import announce, announced, array_at, arrays_at, strided_at


@type_callable(array_at)
def _type_of_dense(context: Any) -> Any:
    return lambda address, shape, real: types.Array(real.dtype, shape.count, "C")


@type_callable(strided_at)
def _type_of_strided(context: Any) -> Any:
    return lambda address, shape, steps, real: types.Array(real.dtype, shape.count, "A")


@type_callable(arrays_at)
def _types_of_dense(context: Any) -> Any:
    return lambda parts, real: types.Tuple([types.Array(real.dtype, part[1].count, "C") for part in parts])


@type_callable(announce)
def _type_of_nothing(context: Any) -> Any:
    return lambda address: types.none


@type_callable(announced)
def _type_of_counter(context: Any) -> Any:
    return lambda address: types.int32


@lower_builtin(announce, types.Integer)
def _announce(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    kind = ir.FunctionType(ir.VoidType(), [arguments[0].type])
    text = "red.release.gpu.global.add.s32 [$0], 1;"
    builder.call(ir.InlineAsm(kind, text, "l,~{memory}", side_effect=True), arguments)
    return context.get_dummy_value()


@lower_builtin(announced, types.Integer)
def _announced(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    kind = ir.FunctionType(ir.IntType(32), [arguments[0].type])
    text = "ld.acquire.gpu.global.s32 $0, [$1];"
    return builder.call(ir.InlineAsm(kind, text, "=r,l,~{memory}", side_effect=True), arguments)


@lower_builtin(array_at, types.Integer, types.BaseTuple, types.Any)
def _dense(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    shape = _integers(context, builder, signature.args[1], arguments[1])
    steps = [context.get_constant(types.intp, 1)]
    for length in reversed(shape[1:]):
        steps.insert(0, builder.mul(steps[0], length))
    return _array(context, builder, signature.return_type, arguments[0], shape, steps)


@lower_builtin(arrays_at, types.BaseTuple, types.Any)
def _all_dense(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    kinds, real = signature.args
    found = []
    for array, kind, part in zip(
        signature.return_type, kinds, cgutils.unpack_tuple(builder, arguments[0]), strict=True
    ):
        one = array(*kind, real)
        found.append(_dense(context, builder, one, [*cgutils.unpack_tuple(builder, part), arguments[1]]))
    return context.make_tuple(builder, signature.return_type, found)


@lower_builtin(strided_at, types.Integer, types.BaseTuple, types.BaseTuple, types.Any)
def _strided(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    shape, steps = (_integers(context, builder, signature.args[n], arguments[n]) for n in (1, 2))
    return _array(context, builder, signature.return_type, arguments[0], shape, steps)


def _integers(context: Any, builder: Any, kinds: Any, values: Any) -> list[Any]:
    """Return the elements of a tuple as integers of an address's size."""
    elements = cgutils.unpack_tuple(builder, values)
    return [context.cast(builder, element, kind, types.intp) for element, kind in zip(elements, kinds, strict=True)]


def _array(context: Any, builder: Any, kind: Any, address: Any, shape: list[Any], steps: list[Any]) -> Any:
    array = context.make_array(kind)(context, builder)
    item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    context.populate_array(
        array,
        data=builder.inttoptr(address, array.data.type),
        shape=shape,
        strides=[builder.mul(step, item) for step in steps],
        itemsize=item,
        meminfo=None,
    )
    return array._getvalue()
