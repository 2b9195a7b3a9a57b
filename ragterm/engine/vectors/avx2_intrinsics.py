"""The leaves of `kernels.py` for processors with AVX2 and without AVX-512 VNNI: most of those with x86 that were made from 2013 on.

VPMADDUBSW multiplies 32 unsigned bytes by 32 signed ones and adds each two products in 16 bits. With nibbles these are at most
2 x 15 x 128, so that of eight such sums none overflows; with whole bytes they would, which is why those are widened to 16 bits
first and multiplied by VPMADDWD, whose sums have 32.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
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
    shape_of,
)
from ragterm.engine.vectors.kernels import GROUP, SIGNS_FROM

BYTES = ir.VectorType(I8, 32)
HALF = ir.VectorType(I8, 16)
WORDS = ir.VectorType(ir.IntType(16), 16)
SUMS = ir.VectorType(I32, 8)
CHOSEN = ir.VectorType(ir.IntType(1), 32)
ZERO_BYTES = ir.Constant(BYTES, [0] * 32)
ONE_BYTES = ir.Constant(BYTES, [1] * 32)
LOW_HALVES = ir.Constant(BYTES, [15] * 32)
FOUR_BITS = ir.Constant(BYTES, [4] * 32)
SIGN_BITS = ir.Constant(HALF, [128] * 16)
ONE_WORDS = ir.Constant(WORDS, [1] * 16)
ZERO_SUMS = ir.Constant(SUMS, [0] * 8)


def supported() -> bool:
    """Whether the processor that numba compiles for has the instructions."""
    return compiled_for("avx2")


def _pairs(builder: Any, unsigned: Any, signed: Any) -> Any:
    """VPMADDUBSW."""
    return call(builder, "llvm.x86.avx2.pmadd.ub.sw", WORDS, unsigned, signed)


def _add_pairs(builder: Any, sums: Any, words: Any, others: Any) -> Any:
    """VPMADDWD and VPADDD."""
    return builder.add(sums, call(builder, "llvm.x86.avx2.pmadd.wd", SUMS, words, others))


def _total(builder: Any, sums: Any) -> Any:
    return builder.sext(call(builder, "llvm.vector.reduce.add.v8i32", I32, sums), I64)


def _add_products_of_bytes(builder: Any, sums: Any, unsigned: Any, signed: Any) -> Any:
    return _add_pairs(builder, sums, builder.zext(unsigned, WORDS), builder.sext(signed, WORDS))


@intrinsic  # type: ignore[misc]
def dot_bytes(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = array_start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            sums = list(sums)
            for part in range(4):
                place = builder.add(offset, at(16 * part))
                unsigned = load(builder, builder.add(address, place), HALF)
                signed = load(builder, builder.add(query_address, place), HALF)
                sums[part % 2] = _add_products_of_bytes(builder, sums[part % 2], unsigned, signed)
            return sums

        return _total(builder, builder.add(*over_blocks(builder, length, [ZERO_SUMS] * 2, step, BLOCKS_OF_BYTES)))

    return types.int64(codes, types.int64, query), generate


@intrinsic  # type: ignore[misc]
def dot_rows(typing: Any, codes: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        other, _ = row_address(context, builder, signature.args[0], arguments[0], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            sums = list(sums)
            for part in range(4):
                place = builder.add(offset, at(16 * part))
                unsigned = load(builder, builder.add(address, place), HALF)
                signed = builder.xor(load(builder, builder.add(other, place), HALF), SIGN_BITS)
                sums[part % 2] = _add_products_of_bytes(builder, sums[part % 2], unsigned, signed)
            return sums

        return _total(builder, builder.add(*over_blocks(builder, length, [ZERO_SUMS] * 2, step, BLOCKS_OF_BYTES)))

    return types.int64(codes, types.int64, types.int64), generate


@intrinsic  # type: ignore[misc]
def dot_nibbles(typing: Any, codes: Any, row: Any, query: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, length = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = array_start(context, builder, signature.args[2], arguments[2])

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            words = []
            for part in range(2):
                bytes_ = load(builder, builder.add(builder.add(address, offset), at(32 * part)), BYTES)
                low = builder.add(builder.add(query_address, builder.shl(offset, at(1))), at(32 * part))
                lower, upper = (load(builder, start, BYTES) for start in (low, builder.add(low, at(64))))
                words.append(_pairs(builder, builder.and_(bytes_, LOW_HALVES), lower))
                words.append(_pairs(builder, builder.lshr(bytes_, FOUR_BITS), upper))
            four = builder.add(builder.add(words[0], words[1]), builder.add(words[2], words[3]))
            return [_add_pairs(builder, sums[0], four, ONE_WORDS)]

        return _total(builder, over_blocks(builder, length, [ZERO_SUMS], step, BLOCKS_OF_NIBBLES)[0])

    return types.int64(codes, types.int64, query), generate


@intrinsic  # type: ignore[misc]
def sum_where_set(typing: Any, signs: Any, row: Any, query: Any) -> Any:
    """32 bits at a time say which bytes of the query are kept (VPCMPEQB, VPAND); multiplied with ones they are added up."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        head, _ = row_address(context, builder, signature.args[0], arguments[0], arguments[1])
        query_address = array_start(context, builder, signature.args[2], arguments[2])
        length = shape_of(context, builder, signature.args[2], arguments[2])[0]
        bits_address = builder.add(head, at(SIGNS_FROM))

        def step(offset: Any, sums: list[Any]) -> list[Any]:
            sums = list(sums)
            for part in range(2):
                place = builder.add(offset, at(32 * part))
                bits = load(builder, builder.add(bits_address, builder.lshr(place, at(3))), I32)
                values = load(builder, builder.add(query_address, place), BYTES)
                kept = builder.select(builder.bitcast(bits, CHOSEN), values, ZERO_BYTES)
                sums[part] = _add_pairs(builder, sums[part], _pairs(builder, ONE_BYTES, kept), ONE_WORDS)
            return sums

        return _total(builder, builder.add(*over_blocks(builder, length, [ZERO_SUMS] * 2, step, GROUP // 64)))

    return types.int64(signs, types.int64, query), generate
