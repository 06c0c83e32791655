"""Instructions that numba lacks, for kernels: vectors of numbers in registers, and eight bytes of text as one word.

LLVM makes vectors of the plain loops over a text's bytes and a table's rows too, but reads and writes every sum
between two additions; a vector that a kernel names stays in its register. ``add`` and ``larger`` are those of each
number alone, so that a kernel's order of additions is the one that it states.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

COUNT = 16
"""Numbers of a vector: of float32 what a register of AVX-512 holds; LLVM makes several of what a register cannot hold.
Arrays that begin at a multiple of 64 bytes are read faster: no vector lies across two lines of the cache."""


_instruction: Any = intrinsic  # mypy takes the typing context for an argument of the call


class Lanes(types.Type):
    """Numba's type of a vector of float32 or float64."""

    def __init__(self, item: Any) -> None:
        self.item = item
        super().__init__(name=f"Lanes({item})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        item = ir.FloatType() if lanes.item == types.float32 else ir.DoubleType()
        super().__init__(manager, lanes, ir.VectorType(item, COUNT))


def _pointer(context: Any, builder: Any, array: Any, given: Any, target: Any) -> Any:
    """The address of an item of a contiguous array, as that of another type."""
    data = cgutils.create_struct_proxy(array)(context, builder, given[0]).data
    return builder.bitcast(builder.gep(data, [given[1]]), target.as_pointer())


@_instruction
def item(_context: Any, array: Any, _at: Any) -> Any:
    """A contiguous array's item, counted flat; unlike ``array[at]`` it looks whether ``at`` is negative nowhere."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(array.dtype)
        return builder.load(_pointer(context, builder, signature.args[0], args, kind))

    return array.dtype(array, types.int64), generate


@_instruction
def load(_context: Any, array: Any, _at: Any) -> Any:
    """The vector of a contiguous array's items from ``at``, counted flat; nothing checks that there are enough."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, context.get_value_type(lanes))
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return lanes(array, types.int64), generate


@_instruction
def store(_context: Any, array: Any, _at: Any, lanes: Any) -> Any:
    """Write a vector over a contiguous array's items from ``at``, counted flat."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, context.get_value_type(lanes))
        builder.store(args[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.int64, lanes), generate


@_instruction
def zeros(_context: Any, array: Any) -> Any:
    """The vector of zeros that adds to those of an array."""
    lanes = Lanes(array.dtype)
    return lanes(array), lambda context, *_: ir.Constant(context.get_value_type(lanes), None)


@_instruction
def add(_context: Any, one: Any, _other: Any) -> Any:
    """Sums."""
    return one(one, one), lambda _context, builder, _signature, args: builder.fadd(*args)


def _filled(context: Any, builder: Any, lanes: Any, number: Any) -> Any:
    """The vector of one number."""
    kind = context.get_value_type(lanes)
    nothing, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), COUNT), [0] * COUNT)
    return builder.shuffle_vector(builder.insert_element(nothing, number, first), nothing, everywhere)


@_instruction
def add_product(_context: Any, total: Any, factor: Any, _values: Any) -> Any:
    """``total`` plus a number times ``values``: the product is rounded, then the sum."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        factors = _filled(context, builder, total, args[1])
        return builder.fadd(args[0], builder.fmul(factors, args[2]))

    return total(total, factor, total), generate


@_instruction
def add_exact_product(_context: Any, total: Any, factor: Any, _values: Any) -> Any:
    """``add_product`` of float64 in one step, where each product is exact: that of two numbers of float32, for one.

    A number of 24 bits times another has at most 48, and float64 has 53.
    """

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind, factors = context.get_value_type(total), _filled(context, builder, total, args[1])
        fused = ir.FunctionType(kind, [kind] * 3)  # llvmlite's own fma takes no vectors
        name = f"llvm.fma.v{COUNT}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, fused, name), [factors, args[2], args[0]])

    return total(total, factor, total), generate


@_instruction
def larger(_context: Any, value: Any, _best: Any) -> Any:
    """``value`` where it is above ``best``, else that."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return value(value, value), generate


@_instruction
def word_at(_context: Any, data: Any, _at: Any) -> Any:
    """Eight bytes from ``at`` as one number, the first byte lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, ir.IntType(64))
        word = builder.load(place, align=1)
        return word if sys.byteorder == "little" else builder.bswap(word)

    return types.uint64(data, types.int64), generate


@_instruction
def low_zeros(_context: Any, _word: Any) -> Any:
    """How many of a word's lowest bits are 0; 64 of 0."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate
