"""How a leaf kernel is written as LLVM instructions, and the leaves that are the same for every processor: they fetch rows ahead of
time, and keep entries in order. `intrinsics.py` and `sign_intrinsics.py` hold those for AVX-512 VNNI, `avx2_intrinsics.py` for AVX2.

A function here is handed arrays and returns LLVM values: `@intrinsic` puts its instructions where the call stands.
Addresses appear in these four modules and in no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils, codegen
from numba.core.extending import intrinsic
from numba.np.arrayobj import make_array

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
ENTRIES = ir.VectorType(I64, 8)
SMALLEST = -0x8000000000000000
BLOCKS_OF_BYTES, BLOCKS_OF_NIBBLES = 6, 3
"""Of rows of 384 dimensions."""
WITH_AVX2 = ("core-avx2", "haswell", "broadwell", "skylake", "x86-64-v3", "znver1", "znver2", "znver3")
"""Processors that NUMBA_CPU_NAME may name. LLVM does not tell what a processor has that is not this one."""


def compiled_for(*features: str) -> bool:
    """Whether numba compiles for a processor with all of these features of LLVM's, which may be less than this one has: some virtual
    machines, NUMBA_CPU_FEATURES and NUMBA_ENABLE_AVX hide some. An instruction that is not among them ends the process."""
    if config.CPU_NAME == "generic":
        return False
    asked = config.CPU_FEATURES
    given = (codegen.get_host_cpu_features() if asked is None else asked).split(",")
    named = config.CPU_NAME in WITH_AVX2 and "-avx2" not in given
    return all(f"+{name}" in given or (named and name == "avx2") for name in features)


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


def call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, signature, name)
    return builder.call(function, arguments)


def fetch(builder: Any, address: Any) -> None:
    """Into the second level of the caches (PREFETCHT1): the first has room for few requests at a time, and a batch of rows keeps all of
    it waiting. A sixth of a search's time on a Zen 4, where 40 rows of three lines are asked for at once."""
    read, second_level, data = (ir.Constant(I32, value) for value in (0, 2, 1))
    line = builder.inttoptr(address, ir.PointerType(I8))
    call(builder, "llvm.prefetch.p0", ir.VoidType(), line, read, second_level, data)


def over_blocks(
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
            pushed = call(builder, "llvm.smax.v8i64", ENTRIES, shifted, added)
            stored = builder.store(
                call(builder, "llvm.smin.v8i64", ENTRIES, here, pushed),
                builder.inttoptr(address, ir.PointerType(ENTRIES)),
            )
            stored.align = 8
            mask = builder.bitcast(builder.icmp_signed("<", here, added), I8)
            count = builder.zext(call(builder, "llvm.ctpop.i8", I8, mask), I64)
            builder.store(builder.add(builder.load(smaller), count), smaller)
            builder.store(loaded, above)
        return builder.load(smaller)

    return types.int64(entries, types.int64, types.int64), generate
