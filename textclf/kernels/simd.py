"""Instructions for kernels that numba lacks: vectors of numbers in registers, and eight bytes of text as one word.

LLVM also vectorizes plain loops over a text's bytes and a table's rows, but it loads and stores every sum between two
additions. A vector in a variable of a kernel stays in its register. ``add`` and ``larger`` work on each number
separately, so that additions happen in the order in which a kernel states them.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

COUNT = 16
"""Numbers in a vector: as many float32 as an AVX-512 register holds; LLVM splits vectors that a register cannot hold.
Arrays that start at a multiple of 64 bytes are read faster, since no vector crosses a cache line."""


_instruction: Any = intrinsic  # mypy mistakes the typing context for an argument of the call


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
    """Return the address of an item of a contiguous array, as a pointer to another type."""
    data = cgutils.create_struct_proxy(array)(context, builder, given[0]).data
    return builder.bitcast(builder.gep(data, [given[1]]), target.as_pointer())


@_instruction
def item(_context: Any, array: Any, _at: Any) -> Any:
    """Return a contiguous array's item by its flat index; unlike ``array[at]``, does not handle a negative ``at``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(array.dtype)
        return builder.load(_pointer(context, builder, signature.args[0], args, kind))

    return array.dtype(array, types.int64), generate


@_instruction
def load(_context: Any, array: Any, _at: Any) -> Any:
    """Load a vector of a contiguous array's items from the flat index ``at``, without a bounds check."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, context.get_value_type(lanes))
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return lanes(array, types.int64), generate


@_instruction
def store(_context: Any, array: Any, _at: Any, lanes: Any) -> Any:
    """Store a vector into a contiguous array's items from the flat index ``at``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, context.get_value_type(lanes))
        builder.store(args[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.int64, lanes), generate


@_instruction
def zeros(_context: Any, array: Any) -> Any:
    """Return a vector of zeros of an array's type."""
    lanes = Lanes(array.dtype)
    return lanes(array), lambda context, *_: ir.Constant(context.get_value_type(lanes), None)


@_instruction
def add(_context: Any, one: Any, _other: Any) -> Any:
    """Add two vectors."""
    return one(one, one), lambda _context, builder, _signature, args: builder.fadd(*args)


def _filled(context: Any, builder: Any, lanes: Any, number: Any) -> Any:
    """Return a vector with one number in all places."""
    kind = context.get_value_type(lanes)
    nothing, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), COUNT), [0] * COUNT)
    return builder.shuffle_vector(builder.insert_element(nothing, number, first), nothing, everywhere)


@_instruction
def add_product(_context: Any, total: Any, factor: Any, _values: Any) -> Any:
    """Compute ``total`` plus a number times ``values``; the product is rounded, then the sum."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        factors = _filled(context, builder, total, args[1])
        return builder.fadd(args[0], builder.fmul(factors, args[2]))

    return total(total, factor, total), generate


@_instruction
def add_exact_product(_context: Any, total: Any, factor: Any, _values: Any) -> Any:
    """Compute ``add_product`` of float64 in one step, for exact products such as those of two float32 numbers.

    The product of two numbers with 24 bits has at most 48 bits, and float64 has 53.
    """

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind, factors = context.get_value_type(total), _filled(context, builder, total, args[1])
        fused = ir.FunctionType(kind, [kind] * 3)  # llvmlite's own fma does not support vectors
        name = f"llvm.fma.v{COUNT}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, fused, name), [factors, args[2], args[0]])

    return total(total, factor, total), generate


@_instruction
def larger(_context: Any, value: Any, _best: Any) -> Any:
    """Return ``value`` where it is above ``best``, else ``best``."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return value(value, value), generate


@_instruction
def word_at(_context: Any, data: Any, _at: Any) -> Any:
    """Load eight bytes from ``at`` as one number, the first byte lowest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], args, ir.IntType(64))
        word = builder.load(place, align=1)
        return word if sys.byteorder == "little" else builder.bswap(word)

    return types.uint64(data, types.int64), generate


@_instruction
def low_zeros(_context: Any, _word: Any) -> Any:
    """Count the trailing zero bits of a word; 64 for 0."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate
