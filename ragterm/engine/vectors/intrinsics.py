"""The leaves of `kernels.py` for processors with AVX-512 VNNI: the same functions, by the same names, as LLVM instructions.

VPDPBUSD multiplies 64 unsigned bytes by 64 signed ones and adds the products, four at a time, to 16 sums of 32 bits: a block of
codes in one instruction. LLVM does not find it from the plain loop. Sums of 32 bits are exact up to 65,000 dimensions.

How such a leaf is written, and those that need no particular processor: `instructions.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.extending import intrinsic

from ragterm.engine.vectors.instructions import (
    BLOCKS_OF_BYTES,
    BLOCKS_OF_NIBBLES,
    I8,
    I32,
    I64,
    array_start,
    at,
    call,
    compiled_for,
    load,
    over_blocks,
    row_address,
)

BYTES = ir.VectorType(I8, 64)
SUMS = ir.VectorType(I32, 16)
ZERO_SUMS = ir.Constant(SUMS, [0] * 16)
SIGN_BITS = ir.Constant(BYTES, [128] * 64)
LOW_HALVES = ir.Constant(BYTES, [15] * 64)
FOUR_BITS = ir.Constant(BYTES, [4] * 64)

NEEDED = ("avx512f", "avx512bw", "avx512vl", "avx512vnni")


def supported() -> bool:
    """Whether this processor has the instructions, and numba compiles for it and not for another (NUMBA_CPU_NAME)."""
    return not config.CPU_NAME and compiled_for(*NEEDED)


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
    return builder.sext(call(builder, "llvm.vector.reduce.add.v16i32", I32, sums), I64)


@intrinsic  # type: ignore[misc]
def dot_bytes(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = array_start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            unsigned = load(builder, builder.add(address, offset), BYTES)
            signed = load(builder, builder.add(query_address, offset), BYTES)
            return [add_products(builder, sums[0], unsigned, signed)]

        return _total(builder, over_blocks(builder, length, [ZERO_SUMS], step, BLOCKS_OF_BYTES)[0])

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

        return _total(builder, over_blocks(builder, length, [ZERO_SUMS], step, BLOCKS_OF_BYTES)[0])

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

        low, high = over_blocks(builder, length, [ZERO_SUMS, ZERO_SUMS], step, BLOCKS_OF_NIBBLES)
        return _total(builder, builder.add(low, high))

    return types.int64(codes, types.int64, query), generate


WORDS = ir.VectorType(ir.IntType(16), 32)
HALF_BYTES = ir.VectorType(I8, 32)
PAGE_SUMS = ir.VectorType(I32, 32)
ZERO_WORDS = ir.Constant(WORDS, [0] * 32)


def _words(value: int) -> ir.Constant:
    return ir.Constant(WORDS, [value] * 32)


def _looked_up(builder: Any, table: Any, first: int, code: Any) -> Any:
    """VPERMI2W: of the 64 words of the table from `first` on, for each code the one that its six lower bits name."""
    one, other = (load(builder, builder.add(table, at(2 * (first + half))), WORDS) for half in (0, 32))
    return call(builder, "llvm.x86.avx512.vpermi2var.hi.512", WORDS, one, code, other)


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
    found = [call(builder, "llvm.x86.avx512.permvar.hi.512", WORDS, words, part) for part in (low, high)]
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
        return builder.sext(call(builder, "llvm.vector.reduce.smax.v32i32", I32, sums), I64)

    return generate


@intrinsic  # type: ignore[misc]
def sum_page(typing: Any, codes: Any, page: Any, table: Any, totals: Any) -> Any:
    return types.int64(codes, types.int64, table, totals), _page_sums(_of_256, 512, 4)


@intrinsic  # type: ignore[misc]
def sum_page_of_halves(typing: Any, codes: Any, page: Any, table: Any, totals: Any) -> Any:
    return types.int64(codes, types.int64, table, totals), _page_sums(_of_16_and_16, 64, 2)
