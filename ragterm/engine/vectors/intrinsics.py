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

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
BYTES = ir.VectorType(I8, 64)
SUMS = ir.VectorType(I32, 16)
ENTRIES = ir.VectorType(I64, 8)
ZERO_SUMS = ir.Constant(SUMS, [0] * 16)
SIGN_BITS = ir.Constant(BYTES, [128] * 64)
LOW_HALVES = ir.Constant(BYTES, [15] * 64)
FOUR_BITS = ir.Constant(BYTES, [4] * 64)
SMALLEST = -0x8000000000000000
BLOCKS_OF_BYTES, BLOCKS_OF_NIBBLES = 6, 3
"""Of rows of 384 dimensions."""

NEEDED = ("avx512f", "avx512bw", "avx512vl", "avx512vnni")


def supported() -> bool:
    """Whether this processor has the instructions, and numba compiles for it and not for another (NUMBA_CPU_NAME)."""
    features = binding.get_host_cpu_features()
    return not config.CPU_NAME and all(features.get(name, False) for name in NEEDED)


def at(index: int) -> ir.Constant:
    return ir.Constant(I64, index)


def row_address(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> tuple[Any, Any]:
    """The address of the row of a matrix, and its length in bytes."""
    matrix = make_array(kind)(context, builder, array)
    stride = cgutils.unpack_tuple(builder, matrix.strides)[0]
    return builder.add(builder.ptrtoint(matrix.data, I64), builder.mul(row, stride)), stride


def array_start(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return builder.ptrtoint(make_array(kind)(context, builder, array).data, I64)


def shape_of(context: Any, builder: Any, kind: Any, array: Any) -> list[Any]:
    shape: list[Any] = cgutils.unpack_tuple(builder, make_array(kind)(context, builder, array).shape)
    return shape


def load(builder: Any, address: Any, kind: Any, alignment: int = 1) -> Any:
    value = builder.load(builder.inttoptr(address, ir.PointerType(kind)))
    value.align = alignment
    return value


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def fetch(builder: Any, address: Any) -> None:
    """Into the second level of the caches (PREFETCHT1): the first has room for few requests at a time, and a batch of rows keeps all of
    it waiting. A sixth of a search's time on a Zen 4, where 40 rows of three lines are asked for at once."""
    read, second_level, data = (ir.Constant(I32, value) for value in (0, 2, 1))
    line = builder.inttoptr(address, ir.PointerType(I8))
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), line, read, second_level, data)


def add_products(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
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


def _over_blocks(
    builder: Any, length: Any, start: list[Any], step: Callable[[Any, list[Any]], list[Any]], usual: int
) -> list[Any]:
    """`step(offset, sums)` for every 64 bytes of `length`. The `usual` number of them, that of 384 dimensions, is written out: of so
    short a loop a third would be the loop."""
    kept = [cgutils.alloca_once_value(builder, value) for value in start]

    def keep(values: list[Any]) -> None:
        for slot, value in zip(kept, values, strict=True):
            builder.store(value, slot)

    with builder.if_else(builder.icmp_signed("==", length, at(64 * usual)), likely=True) as (written_out, looped):
        with written_out:
            values = start
            for block in range(usual):
                values = step(at(64 * block), values)
            keep(values)
        with looped, cgutils.for_range(builder, builder.lshr(length, at(6))) as loop:
            keep(step(builder.shl(loop.index, at(6)), [builder.load(slot) for slot in kept]))
    return [builder.load(slot) for slot in kept]


@intrinsic  # type: ignore[misc]
def dot_bytes(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = array_start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            unsigned = load(builder, builder.add(address, offset), BYTES)
            signed = load(builder, builder.add(query_address, offset), BYTES)
            return [add_products(builder, sums[0], unsigned, signed)]

        return _total(builder, _over_blocks(builder, length, [ZERO_SUMS], step, BLOCKS_OF_BYTES)[0])

    return types.int64(codes, types.int64, query), generate


@intrinsic  # type: ignore[misc]
def dot_rows(typing: Any, codes: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        other, _ = row_address(context, builder, signature.args[0], arguments[0], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            unsigned = load(builder, builder.add(address, offset), BYTES)
            signed = builder.xor(load(builder, builder.add(other, offset), BYTES), SIGN_BITS)
            return [add_products(builder, sums[0], unsigned, signed)]

        return _total(builder, _over_blocks(builder, length, [ZERO_SUMS], step, BLOCKS_OF_BYTES)[0])

    return types.int64(codes, types.int64, types.int64), generate


@intrinsic  # type: ignore[misc]
def dot_nibbles(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = array_start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            block = load(builder, builder.add(address, offset), BYTES)
            first = builder.add(query_address, builder.shl(offset, at(1)))
            low = builder.and_(block, LOW_HALVES)
            high = builder.lshr(block, FOUR_BITS)
            return [
                add_products(builder, sums[0], low, load(builder, first, BYTES)),
                add_products(builder, sums[1], high, load(builder, builder.add(first, at(64)), BYTES)),
            ]

        low, high = _over_blocks(builder, length, [ZERO_SUMS, ZERO_SUMS], step, BLOCKS_OF_NIBBLES)
        return _total(builder, builder.add(low, high))

    return types.int64(codes, types.int64, query), generate


@intrinsic  # type: ignore[misc]
def prefetch(typing: Any, rows: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        of_nibbles = builder.icmp_signed("==", length, at(64 * BLOCKS_OF_NIBBLES))
        with builder.if_else(of_nibbles, likely=True) as (written_out, looped):
            with written_out:
                for block in range(BLOCKS_OF_NIBBLES):
                    fetch(builder, builder.add(address, at(64 * block)))
            with looped, cgutils.for_range(builder, builder.lshr(builder.add(length, at(63)), at(6))) as loop:
                fetch(builder, builder.add(address, builder.shl(loop.index, at(6))))
        return context.get_dummy_value()

    return types.void(rows, types.int64), generate


@intrinsic  # type: ignore[misc]
def prefetch_object(typing: Any, slots: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        slot = builder.add(
            array_start(context, builder, signature.args[0], arguments[0]), builder.shl(arguments[1], at(3))
        )
        fetch(builder, load(builder, slot, I64, 8))
        return context.get_dummy_value()

    return types.void(slots, types.int64), generate


@intrinsic  # type: ignore[misc]
def insert_sorted(typing: Any, entries: Any, length: Any, entry: Any) -> Any:
    """Without a branch: new[i] = min(old[i], max(old[i - 1], entry)), eight at a time from the end; old[-1] is the smallest number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = array_start(context, builder, signature.args[0], arguments[0])
        blocks = builder.lshr(arguments[1], at(3))
        spread = ir.Constant(ir.VectorType(I32, 8), [0] * 8)
        undefined = ir.Constant(ENTRIES, ir.Undefined)
        added = builder.shuffle_vector(
            builder.insert_element(undefined, arguments[2], ir.Constant(I32, 0)), undefined, spread
        )
        smallest = ir.Constant(ENTRIES, [SMALLEST] * 8)
        by_one = ir.Constant(ir.VectorType(I32, 8), list(range(7, 15)))
        last = builder.sub(blocks, at(1))
        above = cgutils.alloca_once_value(
            builder, load(builder, builder.add(first, builder.shl(last, at(6))), ENTRIES, 8)
        )
        smaller = cgutils.alloca_once_value(builder, at(0))
        with cgutils.for_range(builder, blocks) as loop:
            block = builder.sub(last, loop.index)
            address = builder.add(first, builder.shl(block, at(6)))
            is_first = builder.icmp_signed("==", block, at(0))
            below_address = builder.select(is_first, address, builder.sub(address, at(64)))
            loaded = load(builder, below_address, ENTRIES, 8)
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
    one, other = (load(builder, builder.add(table, at(2 * (first + half))), WORDS) for half in (0, 32))
    return _call(builder, "llvm.x86.avx512.vpermi2var.hi.512", WORDS, one, code, other)


def _of_256(builder: Any, table: Any, codes: Any) -> Any:
    """For each of 32 codes its word in a table of 256, which four pairs of registers hold: the two upper bits choose the pair."""
    code = builder.zext(load(builder, codes, HALF_BYTES), WORDS)
    by_64, by_128 = (builder.icmp_unsigned("!=", builder.and_(code, _words(bit)), ZERO_WORDS) for bit in (64, 128))
    found = [_looked_up(builder, table, first, code) for first in (0, 64, 128, 192)]
    return builder.select(by_128, builder.select(by_64, found[3], found[2]), builder.select(by_64, found[1], found[0]))


def _of_16_and_16(builder: Any, table: Any, codes: Any) -> Any:
    """For each of 32 bytes its lower half's word in a table of 16, and its upper half's in the next, added: both tables are one
    register (VPERMW)."""
    code = builder.zext(load(builder, codes, HALF_BYTES), WORDS)
    words = load(builder, table, WORDS)
    low = builder.and_(code, _words(15))
    high = builder.add(builder.lshr(code, _words(4)), _words(16))
    found = [_call(builder, "llvm.x86.avx512.permvar.hi.512", WORDS, words, part) for part in (low, high)]
    return builder.add(*found)


def _page_sums(look_up: Callable[[Any, Any, Any], Any], table_bytes: int, at_once: int) -> Any:
    """The generator of a sum over the parts of a page: `look_up` finds 32 words for 32 bytes of codes, `table_bytes` of the table
    belong to them, and so many results as `at_once` add up within 16 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        table = array_start(context, builder, signature.args[2], arguments[2])
        kept = cgutils.alloca_once_value(builder, ir.Constant(PAGE_SUMS, [0] * 32))
        parts = builder.lshr(length, at(5))
        groups = builder.udiv(parts, at(at_once))

        def add(first: Any, count: int) -> None:
            words = ZERO_WORDS
            for i in range(count):
                part = builder.add(first, at(i))
                here = builder.add(address, builder.shl(part, at(5)))
                words = builder.add(
                    words, look_up(builder, builder.add(table, builder.mul(part, at(table_bytes))), here)
                )
            builder.store(builder.add(builder.load(kept), builder.sext(words, PAGE_SUMS)), kept)

        with cgutils.for_range(builder, groups) as loop:
            add(builder.mul(loop.index, at(at_once)), at_once)
        done = builder.mul(groups, at(at_once))
        with cgutils.for_range(builder, builder.sub(parts, done)) as loop:
            add(builder.add(done, loop.index), 1)
        sums = builder.load(kept)
        stored = builder.store(
            sums,
            builder.inttoptr(array_start(context, builder, signature.args[3], arguments[3]), ir.PointerType(PAGE_SUMS)),
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
