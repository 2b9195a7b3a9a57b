"""The leaf `kernels.bound_rows` for processors with AVX-512 VNNI: sixteen rows of codes of one bit at a time.

64 bits of a row are a mask (KMOVQ) that says which of 64 bytes of the query are added (VPADDB): a row of 384 dimensions takes six of
each, and VPDPBUSD with ones then adds the bytes up. The rows' numbers come by shuffles into registers of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic

from ragterm.engine.vectors.instructions import I1, I32, I64, array_start, at, fetch, load, row_address, shape_of
from ragterm.engine.vectors.intrinsics import BYTES, SUMS, ZERO_SUMS, add_products
from ragterm.engine.vectors.kernels import GROUP, ROWS_AT_ONCE, SIGNS_FROM

F32 = ir.FloatType()
NUMBERS = ir.VectorType(F32, 16)
HEAD = ir.VectorType(F32, 4)
CHOSEN = ir.VectorType(I1, 64)
ZERO_BYTES = ir.Constant(BYTES, [0] * 64)
ONE_BYTES = ir.Constant(BYTES, [1] * 64)
SIXTEEN = range(ROWS_AT_ONCE)


def _shuffled(builder: Any, one: Any, other: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(I32, 16), order))


def _in_lanes(builder: Any, one: Any, other: Any, order: list[int]) -> Any:
    """The same shuffle in each lane of four: 0 to 3 of `one`, 16 to 19 of `other`."""
    return _shuffled(builder, one, other, [4 * lane + place for lane in range(4) for place in order])


def _of_lanes(builder: Any, one: Any, other: Any, lanes: list[int]) -> Any:
    """Whole lanes of four: 0 to 3 of `one`, 4 to 7 of `other`."""
    return _shuffled(builder, one, other, [4 * lane + place for lane in lanes for place in range(4)])


def _sums_of_each(builder: Any, sums: list[Any]) -> Any:
    """Sixteen vectors of sixteen numbers: one of their sixteen sums, in order."""

    def folded(vectors: list[Any], shuffle: Callable[..., Any], even: list[int], odd: list[int]) -> list[Any]:
        return [
            builder.add(shuffle(builder, one, other, even), shuffle(builder, one, other, odd))
            for one, other in zip(vectors[::2], vectors[1::2], strict=True)
        ]

    in_pairs = folded(sums, _in_lanes, [0, 16, 1, 17], [2, 18, 3, 19])
    in_fours = folded(in_pairs, _in_lanes, [0, 1, 16, 17], [2, 3, 18, 19])
    for _ in range(2):
        in_fours = folded(in_fours, _of_lanes, [0, 2, 4, 6], [1, 3, 5, 7])
    return in_fours[0]


def _repeated(builder: Any, value: Any) -> Any:
    kind = ir.VectorType(value.type, 16)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, 16), [0] * 16))


def _add_where_set(builder: Any, sums: Any, bits: Any, query: list[Any]) -> Any:
    """Six times 64 bits (KMOVQ) say which bytes of the query are added up (VPADDB with a mask), in signed bytes first."""
    total = ZERO_BYTES
    for i, part in enumerate(query):
        chosen = builder.bitcast(load(builder, builder.add(bits, at(8 * i)), I64, 8), CHOSEN)
        total = builder.select(chosen, builder.add(total, part), total)
    return add_products(builder, sums, ONE_BYTES, total)


@intrinsic  # type: ignore[misc]
def bound_rows(
    typing: Any,
    signs: Any,
    values: Any,
    among: Any,
    start: Any,
    after: Any,
    query: Any,
    scale: Any,
    constant: Any,
    width: Any,
    bounds: Any,
    place: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        query_first = array_start(context, builder, signature.args[5], arguments[5])
        length = shape_of(context, builder, signature.args[5], arguments[5])[0]
        numbers = cgutils.alloca_once(builder, HEAD, size=ROWS_AT_ONCE)
        totals = cgutils.alloca_once(builder, SUMS)

        def address(start: Any, i: int) -> tuple[Any, Any]:
            """Of the row among[start + i], and its length."""
            first = builder.add(
                array_start(context, builder, signature.args[2], arguments[2]), builder.shl(start, at(3))
            )
            row = load(builder, builder.add(first, at(8 * i)), I64, 8)
            return row_address(context, builder, signature.args[0], arguments[0], row)

        def part_of_query(group: Any) -> list[Any]:
            parts = builder.add(query_first, builder.mul(group, at(GROUP)))
            return [load(builder, builder.add(parts, at(64 * i)), BYTES) for i in range(GROUP // 64)]

        def keep_head(head: Any, i: int) -> None:
            # Such that the shuffles within lanes below leave them in order; early, for they are read in another width.
            slot = builder.gep(numbers, [ir.Constant(I32, i % 4 * 4 + i // 4)])
            builder.store(load(builder, head, HEAD, 16), slot)

        alone = builder.icmp_signed("==", length, at(GROUP))
        with builder.if_else(alone, likely=True) as (one_group, several):
            with one_group:  # everything stays in registers
                part, sums = part_of_query(at(0)), []
                for i in SIXTEEN:
                    fetch(builder, address(arguments[4], i)[0])
                    head, _ = address(arguments[3], i)
                    keep_head(head, i)
                    sums.append(_add_where_set(builder, ZERO_SUMS, builder.add(head, at(SIGNS_FROM)), part))
                builder.store(_sums_of_each(builder, sums), totals)
            with several:
                kept = [cgutils.alloca_once_value(builder, ZERO_SUMS) for _ in SIXTEEN]
                for i in SIXTEEN:
                    coming, stride = address(arguments[4], i)
                    with cgutils.for_range(builder, builder.lshr(stride, at(6))) as loop:
                        fetch(builder, builder.add(coming, builder.shl(loop.index, at(6))))
                    keep_head(address(arguments[3], i)[0], i)
                with cgutils.for_range(builder, builder.udiv(length, at(GROUP))) as loop:
                    part = part_of_query(loop.index)
                    offset = builder.add(at(SIGNS_FROM), builder.mul(loop.index, at(GROUP // 8)))
                    for i, slot in enumerate(kept):
                        bits = builder.add(address(arguments[3], i)[0], offset)
                        builder.store(_add_where_set(builder, builder.load(slot), bits, part), slot)
                builder.store(_sums_of_each(builder, [builder.load(slot) for slot in kept]), totals)
        total = builder.sitofp(builder.load(totals), NUMBERS)

        base = builder.ptrtoint(numbers, I64)
        fours = [load(builder, builder.add(base, at(64 * i)), NUMBERS, 16) for i in range(4)]
        low = [_in_lanes(builder, fours[i], fours[i + 1], [0, 16, 1, 17]) for i in (0, 2)]
        high = [_in_lanes(builder, fours[i], fours[i + 1], [2, 18, 3, 19]) for i in (0, 2)]
        factor, spread = (_in_lanes(builder, low[0], low[1], order) for order in ([0, 1, 16, 17], [2, 3, 18, 19]))
        half_square = _in_lanes(builder, high[0], high[1], [0, 1, 16, 17])

        scaled = builder.fsub(builder.fmul(_repeated(builder, arguments[6]), total), _repeated(builder, arguments[7]))
        bound = builder.fadd(builder.fmul(factor, scaled), builder.fmul(_repeated(builder, arguments[8]), spread))
        bound = builder.fsub(bound, half_square)
        into = builder.add(
            array_start(context, builder, signature.args[9], arguments[9]), builder.shl(arguments[10], at(2))
        )
        builder.store(bound, builder.inttoptr(into, ir.PointerType(NUMBERS))).align = 4
        reduce = ir.FunctionType(F32, [NUMBERS])
        name = "llvm.vector.reduce.fmax.v16f32"
        function = builder.module.globals.get(name) or ir.Function(builder.module, reduce, name)
        return builder.call(function, [bound], fastmath=("nnan",))

    number = types.float32
    return types.float32(
        signs, values, among, types.int64, types.int64, query, number, number, number, bounds, types.int64
    ), generate
