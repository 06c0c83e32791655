"""Instructions that numba lacks, for kernels: vectors of numbers in registers, and eight bytes of text as one word.

LLVM makes vectors of the plain loops over a text's bytes and a table's rows too, but reads and writes every sum
between two additions; a vector that a kernel names stays in its register. ``add``, ``multiply`` and ``larger`` are
those of each number alone, so that a kernel's order of additions is the one that it states.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

BYTES = 64
"""Of a vector: those of AVX-512, which LLVM splits for processors with narrower ones. Arrays that begin at a multiple
are read faster: no vector lies across two lines of the cache."""


_instruction: Any = intrinsic  # mypy takes the typing context for an argument of the call


class Lanes(types.Type):
    """Numba's type of a vector of ``count`` numbers."""

    def __init__(self, item: Any) -> None:
        self.item, self.count = item, BYTES * 8 // item.bitwidth
        super().__init__(name=f"Lanes({item}, {self.count})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        item = ir.FloatType() if lanes.item == types.float32 else ir.DoubleType()
        super().__init__(manager, lanes, ir.VectorType(item, lanes.count))


def _pointer(context: Any, builder: Any, array: Any, given: Any, target: Any) -> Any:
    """The address of an item of a contiguous array, as that of another type."""
    data = cgutils.create_struct_proxy(array)(context, builder, given[0]).data
    return builder.bitcast(builder.gep(data, [given[1]]), target.as_pointer())


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
def filled(_context: Any, value: Any) -> Any:
    """The vector of one number."""
    lanes = Lanes(value)

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = context.get_value_type(lanes)
        nothing, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
        return builder.shuffle_vector(builder.insert_element(nothing, args[0], first), nothing, everywhere)

    return lanes(value), generate


@_instruction
def add(_context: Any, one: Any, _other: Any) -> Any:
    """Sums."""
    return one(one, one), lambda _context, builder, _signature, args: builder.fadd(*args)


@_instruction
def multiply(_context: Any, one: Any, _other: Any) -> Any:
    """Products."""
    return one(one, one), lambda _context, builder, _signature, args: builder.fmul(*args)


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
