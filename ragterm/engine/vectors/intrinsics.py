"""The leaves of `kernels.py` for processors with AVX-512 VNNI: the same functions, by the same names, as LLVM instructions.

VPDPBUSD multiplies 64 unsigned bytes by 64 signed ones and adds the products, four at a time, to 16 sums of 32 bits: a block of
codes in one instruction. LLVM does not find it from the plain loop. Sums of 32 bits are exact up to 65,000 dimensions.

A function here is handed arrays and returns LLVM values: `@intrinsic` puts its instructions where the call stands.
Addresses appear in this module and in no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.core.extending import intrinsic
from numba.np.arrayobj import make_array

from ragterm.engine.vectors.kernels import GROUP, ROWS_AT_ONCE, SIGNS_FROM

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
BYTES = ir.VectorType(I8, 64)
SUMS = ir.VectorType(I32, 16)
ENTRIES = ir.VectorType(I64, 8)
ZERO_SUMS = ir.Constant(SUMS, [0] * 16)
SIGN_BITS = ir.Constant(BYTES, [128] * 64)
LOW_HALVES = ir.Constant(BYTES, [15] * 64)
FOUR_BITS = ir.Constant(BYTES, [4] * 64)
SMALLEST = -0x8000000000000000

NEEDED = ("avx512f", "avx512bw", "avx512vl", "avx512vnni")


def supported() -> bool:
    """Whether this processor has the instructions, and numba compiles for it and not for another (NUMBA_CPU_NAME)."""
    features = binding.get_host_cpu_features()
    return not config.CPU_NAME and all(features.get(name, False) for name in NEEDED)


def _at(index: int) -> ir.Constant:
    return ir.Constant(I64, index)


def _row(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> tuple[Any, Any]:
    """The address of the row of a matrix, and its length in bytes."""
    matrix = make_array(kind)(context, builder, array)
    stride = cgutils.unpack_tuple(builder, matrix.strides)[0]
    return builder.add(builder.ptrtoint(matrix.data, I64), builder.mul(row, stride)), stride


def _start(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return builder.ptrtoint(make_array(kind)(context, builder, array).data, I64)


def _load(builder: Any, address: Any, kind: Any, alignment: int = 1) -> Any:
    value = builder.load(builder.inttoptr(address, ir.PointerType(kind)))
    value.align = alignment
    return value


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def _fetch(builder: Any, address: Any) -> None:
    read, every_level, data = (ir.Constant(I32, value) for value in (0, 3, 1))
    line = builder.inttoptr(address, ir.PointerType(I8))
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), line, read, every_level, data)


def _add_products(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    """VPDPBUSD."""
    name = "llvm.x86.avx512.vpdpbusd.512"
    function = builder.module.globals.get(name)
    if function is None:
        kinds = [argument.type for argument in (sums, unsigned, signed)]
        # From LLVM 22 on the instruction takes bytes as bytes, before it took them as 32-bit integers.
        function = ir.Function(builder.module, ir.FunctionType(SUMS, kinds), name)
    return builder.call(function, (sums, unsigned, signed))


def _total(builder: Any, sums: Any) -> Any:
    return builder.sext(_call(builder, "llvm.vector.reduce.add.v16i32", I32, sums), I64)


def _over_blocks(builder: Any, length: Any, start: list[Any], step: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """`step(offset, sums)` for every 64 bytes of `length`."""
    kept = [cgutils.alloca_once_value(builder, value) for value in start]
    with cgutils.for_range(builder, builder.lshr(length, _at(6))) as loop:
        offset = builder.shl(loop.index, _at(6))
        for slot, value in zip(kept, step(offset, [builder.load(slot) for slot in kept]), strict=True):
            builder.store(value, slot)
    return [builder.load(slot) for slot in kept]


@intrinsic  # type: ignore[misc]
def dot_bytes(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = _start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            unsigned = _load(builder, builder.add(address, offset), BYTES)
            signed = _load(builder, builder.add(query_address, offset), BYTES)
            return [_add_products(builder, sums[0], unsigned, signed)]

        return _total(builder, _over_blocks(builder, length, [ZERO_SUMS], step)[0])

    return types.int64(codes, types.int64, query), generate


@intrinsic  # type: ignore[misc]
def dot_rows(typing: Any, codes: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        other, _ = _row(context, builder, signature.args[0], arguments[0], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            unsigned = _load(builder, builder.add(address, offset), BYTES)
            signed = builder.xor(_load(builder, builder.add(other, offset), BYTES), SIGN_BITS)
            return [_add_products(builder, sums[0], unsigned, signed)]

        return _total(builder, _over_blocks(builder, length, [ZERO_SUMS], step)[0])

    return types.int64(codes, types.int64, types.int64), generate


@intrinsic  # type: ignore[misc]
def dot_nibbles(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = _start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            block = _load(builder, builder.add(address, offset), BYTES)
            first = builder.add(query_address, builder.shl(offset, _at(1)))
            low = builder.and_(block, LOW_HALVES)
            high = builder.lshr(block, FOUR_BITS)
            return [
                _add_products(builder, sums[0], low, _load(builder, first, BYTES)),
                _add_products(builder, sums[1], high, _load(builder, builder.add(first, _at(64)), BYTES)),
            ]

        low, high = _over_blocks(builder, length, [ZERO_SUMS, ZERO_SUMS], step)
        return _total(builder, builder.add(low, high))

    return types.int64(codes, types.int64, query), generate


@intrinsic  # type: ignore[misc]
def prefetch(typing: Any, rows: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        with cgutils.for_range(builder, builder.lshr(builder.add(length, _at(63)), _at(6))) as loop:
            _fetch(builder, builder.add(address, builder.shl(loop.index, _at(6))))
        return context.get_dummy_value()

    return types.void(rows, types.int64), generate


@intrinsic  # type: ignore[misc]
def prefetch_object(typing: Any, slots: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        slot = builder.add(_start(context, builder, signature.args[0], arguments[0]), builder.shl(arguments[1], _at(3)))
        _fetch(builder, _load(builder, slot, I64, 8))
        return context.get_dummy_value()

    return types.void(slots, types.int64), generate


@intrinsic  # type: ignore[misc]
def insert_sorted(typing: Any, entries: Any, length: Any, entry: Any) -> Any:
    """Without a branch: new[i] = min(old[i], max(old[i - 1], entry)), eight at a time from the end; old[-1] is the smallest number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = _start(context, builder, signature.args[0], arguments[0])
        blocks = builder.lshr(arguments[1], _at(3))
        spread = ir.Constant(ir.VectorType(I32, 8), [0] * 8)
        undefined = ir.Constant(ENTRIES, ir.Undefined)
        added = builder.shuffle_vector(
            builder.insert_element(undefined, arguments[2], ir.Constant(I32, 0)), undefined, spread
        )
        smallest = ir.Constant(ENTRIES, [SMALLEST] * 8)
        by_one = ir.Constant(ir.VectorType(I32, 8), list(range(7, 15)))
        last = builder.sub(blocks, _at(1))
        above = cgutils.alloca_once_value(
            builder, _load(builder, builder.add(first, builder.shl(last, _at(6))), ENTRIES, 8)
        )
        smaller = cgutils.alloca_once_value(builder, _at(0))
        with cgutils.for_range(builder, blocks) as loop:
            block = builder.sub(last, loop.index)
            address = builder.add(first, builder.shl(block, _at(6)))
            is_first = builder.icmp_signed("==", block, _at(0))
            below_address = builder.select(is_first, address, builder.sub(address, _at(64)))
            loaded = _load(builder, below_address, ENTRIES, 8)
            below = builder.select(is_first, smallest, loaded)
            here = builder.load(above)
            shifted = builder.shuffle_vector(below, here, by_one)
            pushed = _call(builder, "llvm.smax.v8i64", ENTRIES, shifted, added)
            stored = builder.store(
                _call(builder, "llvm.smin.v8i64", ENTRIES, here, pushed),
                builder.inttoptr(address, ir.PointerType(ENTRIES)),
            )
            stored.align = 8
            mask = builder.bitcast(builder.icmp_signed("<", here, added), I8)
            count = builder.zext(_call(builder, "llvm.ctpop.i8", I8, mask), I64)
            builder.store(builder.add(builder.load(smaller), count), smaller)
            builder.store(loaded, above)
        return builder.load(smaller)

    return types.int64(entries, types.int64, types.int64), generate


WORDS = ir.VectorType(ir.IntType(16), 32)
HALF_BYTES = ir.VectorType(I8, 32)
PAGE_SUMS = ir.VectorType(I32, 32)
ZERO_WORDS = ir.Constant(WORDS, [0] * 32)


def _words(value: int) -> ir.Constant:
    return ir.Constant(WORDS, [value] * 32)


def _looked_up(builder: Any, table: Any, first: int, code: Any) -> Any:
    """VPERMI2W: of the 64 words of the table from `first` on, for each code the one that its six lower bits name."""
    one, other = (_load(builder, builder.add(table, _at(2 * (first + half))), WORDS) for half in (0, 32))
    return _call(builder, "llvm.x86.avx512.vpermi2var.hi.512", WORDS, one, code, other)


def _of_256(builder: Any, table: Any, codes: Any) -> Any:
    """For each of 32 codes its word in a table of 256, which four pairs of registers hold: the two upper bits choose the pair."""
    code = builder.zext(_load(builder, codes, HALF_BYTES), WORDS)
    by_64, by_128 = (builder.icmp_unsigned("!=", builder.and_(code, _words(bit)), ZERO_WORDS) for bit in (64, 128))
    found = [_looked_up(builder, table, first, code) for first in (0, 64, 128, 192)]
    return builder.select(by_128, builder.select(by_64, found[3], found[2]), builder.select(by_64, found[1], found[0]))


def _of_16_and_16(builder: Any, table: Any, codes: Any) -> Any:
    """For each of 32 bytes its lower half's word in a table of 16, and its upper half's in the next, added: both tables are one
    register (VPERMW)."""
    code = builder.zext(_load(builder, codes, HALF_BYTES), WORDS)
    words = _load(builder, table, WORDS)
    low = builder.and_(code, _words(15))
    high = builder.add(builder.lshr(code, _words(4)), _words(16))
    found = [_call(builder, "llvm.x86.avx512.permvar.hi.512", WORDS, words, part) for part in (low, high)]
    return builder.add(*found)


def _page_sums(look_up: Callable[[Any, Any, Any], Any], table_bytes: int, at_once: int) -> Any:
    """The generator of a sum over the parts of a page: `look_up` finds 32 words for 32 bytes of codes, `table_bytes` of the table
    belong to them, and so many results as `at_once` add up within 16 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = _row(context, builder, signature.args[0], arguments[0], arguments[1])
        table = _start(context, builder, signature.args[2], arguments[2])
        kept = cgutils.alloca_once_value(builder, ir.Constant(PAGE_SUMS, [0] * 32))
        parts = builder.lshr(length, _at(5))
        groups = builder.udiv(parts, _at(at_once))

        def add(first: Any, count: int) -> None:
            words = ZERO_WORDS
            for i in range(count):
                part = builder.add(first, _at(i))
                here = builder.add(address, builder.shl(part, _at(5)))
                words = builder.add(
                    words, look_up(builder, builder.add(table, builder.mul(part, _at(table_bytes))), here)
                )
            builder.store(builder.add(builder.load(kept), builder.sext(words, PAGE_SUMS)), kept)

        with cgutils.for_range(builder, groups) as loop:
            add(builder.mul(loop.index, _at(at_once)), at_once)
        done = builder.mul(groups, _at(at_once))
        with cgutils.for_range(builder, builder.sub(parts, done)) as loop:
            add(builder.add(done, loop.index), 1)
        sums = builder.load(kept)
        stored = builder.store(
            sums,
            builder.inttoptr(_start(context, builder, signature.args[3], arguments[3]), ir.PointerType(PAGE_SUMS)),
        )
        stored.align = 4
        return builder.sext(_call(builder, "llvm.vector.reduce.smax.v32i32", I32, sums), I64)

    return generate


@intrinsic  # type: ignore[misc]
def sum_page(typing: Any, codes: Any, page: Any, table: Any, totals: Any) -> Any:
    return types.int64(codes, types.int64, table, totals), _page_sums(_of_256, 512, 4)


@intrinsic  # type: ignore[misc]
def sum_page_of_halves(typing: Any, codes: Any, page: Any, table: Any, totals: Any) -> Any:
    return types.int64(codes, types.int64, table, totals), _page_sums(_of_16_and_16, 64, 2)


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
        chosen = builder.bitcast(_load(builder, builder.add(bits, _at(8 * i)), I64, 8), CHOSEN)
        total = builder.select(chosen, builder.add(total, part), total)
    return _add_products(builder, sums, ONE_BYTES, total)


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
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        query_first = _start(context, builder, signature.args[5], arguments[5])
        length = cgutils.unpack_tuple(builder, make_array(signature.args[5])(context, builder, arguments[5]).shape)[0]
        numbers = cgutils.alloca_once(builder, HEAD, size=ROWS_AT_ONCE)
        totals = cgutils.alloca_once(builder, SUMS)

        def address(start: Any, i: int) -> tuple[Any, Any]:
            """Of the row among[start + i], and its length."""
            first = builder.add(_start(context, builder, signature.args[2], arguments[2]), builder.shl(start, _at(3)))
            row = _load(builder, builder.add(first, _at(8 * i)), I64, 8)
            return _row(context, builder, signature.args[0], arguments[0], row)

        def part_of_query(group: Any) -> list[Any]:
            parts = builder.add(query_first, builder.mul(group, _at(GROUP)))
            return [_load(builder, builder.add(parts, _at(64 * i)), BYTES) for i in range(GROUP // 64)]

        def keep_head(head: Any, i: int) -> None:
            # Such that the shuffles within lanes below leave them in order; early, for they are read in another width.
            place = builder.gep(numbers, [ir.Constant(I32, i % 4 * 4 + i // 4)])
            builder.store(_load(builder, head, HEAD, 16), place)

        alone = builder.icmp_signed("==", length, _at(GROUP))
        with builder.if_else(alone, likely=True) as (one_group, several):
            with one_group:  # everything stays in registers
                part, sums = part_of_query(_at(0)), []
                for i in SIXTEEN:
                    _fetch(builder, address(arguments[4], i)[0])
                    head, _ = address(arguments[3], i)
                    keep_head(head, i)
                    sums.append(_add_where_set(builder, ZERO_SUMS, builder.add(head, _at(SIGNS_FROM)), part))
                builder.store(_sums_of_each(builder, sums), totals)
            with several:
                kept = [cgutils.alloca_once_value(builder, ZERO_SUMS) for _ in SIXTEEN]
                for i in SIXTEEN:
                    coming, stride = address(arguments[4], i)
                    with cgutils.for_range(builder, builder.lshr(stride, _at(6))) as loop:
                        _fetch(builder, builder.add(coming, builder.shl(loop.index, _at(6))))
                    keep_head(address(arguments[3], i)[0], i)
                with cgutils.for_range(builder, builder.udiv(length, _at(GROUP))) as loop:
                    part = part_of_query(loop.index)
                    offset = builder.add(_at(SIGNS_FROM), builder.mul(loop.index, _at(GROUP // 8)))
                    for i, slot in enumerate(kept):
                        bits = builder.add(address(arguments[3], i)[0], offset)
                        builder.store(_add_where_set(builder, builder.load(slot), bits, part), slot)
                builder.store(_sums_of_each(builder, [builder.load(slot) for slot in kept]), totals)
        total = builder.sitofp(builder.load(totals), NUMBERS)

        base = builder.ptrtoint(numbers, I64)
        fours = [_load(builder, builder.add(base, _at(64 * i)), NUMBERS, 16) for i in range(4)]
        low = [_in_lanes(builder, fours[i], fours[i + 1], [0, 16, 1, 17]) for i in (0, 2)]
        high = [_in_lanes(builder, fours[i], fours[i + 1], [2, 18, 3, 19]) for i in (0, 2)]
        factor, spread = (_in_lanes(builder, *low, order) for order in ([0, 1, 16, 17], [2, 3, 18, 19]))
        half_square = _in_lanes(builder, *high, [0, 1, 16, 17])

        scaled = builder.fsub(
            builder.fmul(_repeated(builder, arguments[6]), total), _repeated(builder, arguments[7])
        )
        bound = builder.fadd(builder.fmul(factor, scaled), builder.fmul(_repeated(builder, arguments[8]), spread))
        bound = builder.fsub(bound, half_square)
        place = builder.add(
            _start(context, builder, signature.args[9], arguments[9]), builder.shl(arguments[3], _at(2))
        )
        builder.store(bound, builder.inttoptr(place, ir.PointerType(NUMBERS))).align = 4
        reduce = ir.FunctionType(F32, [NUMBERS])
        name = "llvm.vector.reduce.fmax.v16f32"
        function = builder.module.globals.get(name) or ir.Function(builder.module, reduce, name)
        return builder.call(function, [bound], fastmath=("nnan",))

    number = types.float32
    return types.float32(signs, values, among, types.int64, types.int64, query, number, number, number, bounds), generate
