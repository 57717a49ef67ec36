"""Sixteen floats at a time, for compiled functions: what a processor's vector instructions take.

Numba leaves it to the compiler to find loops that fit vector instructions, and it misses those in
which several arrays move at several strides. Here they are said outright. A processor with shorter
vectors takes the sixteen in two or four parts.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(32)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


Code = tuple[Any, Callable[[Any, Any, Any, Any], Any]]


def _instruction(typed: Callable[..., Code]) -> Any:
    """A function of compiled code whose instructions are written here, not compiled from Python."""
    return intrinsic(typed)


@_instruction
def load(typing: Any, array: Any, index: Any) -> Code:
    """Sixteen values of a flat float32 array from an index on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(pointer, align=4)

    return lanes(array, types.intp), code


@_instruction
def store(typing: Any, array: Any, index: Any, value: Any) -> Code:
    """Write sixteen values into a flat float32 array from an index on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, value = arguments
        pointer = _pointer(context, builder, signature.args[0], array, index)
        builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), code


@_instruction
def spread(typing: Any, value: Any) -> Code:
    """One value in all sixteen places."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, arguments[0], ir.Constant(_INDEX, 0))
        everywhere = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        return builder.shuffle_vector(first, nothing, everywhere)

    return lanes(types.float32), code


@_instruction
def added(typing: Any, total: Any, value: Any, weight: Any) -> Code:
    """``total + value * weight``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, value, weight = arguments
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        return builder.call(function, [value, weight, total])

    return lanes(lanes, lanes, lanes), code
