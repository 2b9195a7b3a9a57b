import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ragterm.engine.vectors import kernels
from ragterm.engine.vectors.codes import code_limit, quantise
from ragterm.engine.vectors.execution import loop_of

codes = st.integers(0, 40).flatmap(
    lambda d: st.tuples(*(npst.arrays(np.int8, d, elements=st.integers(-127, 127)) for _ in range(2)))
)


@given(codes)
def test_loops_and_numpy_give_the_integers_of_plain_arithmetic(pair):
    a, b = pair
    dot = sum(int(x) * int(y) for x, y in zip(a, b, strict=True))
    squared = sum((int(x) - int(y)) ** 2 for x, y in zip(a, b, strict=True))
    for function, expected in ((kernels.dot, dot), (kernels.squared_euclidean, squared)):
        assert function(a, b) == expected
        assert loop_of(function)(a, b) == expected
    assert kernels.distance(kernels.INNER_PRODUCT, a, b) == -dot
    assert kernels.distance(kernels.EUCLIDEAN, a, b) == squared


def test_the_largest_codes_do_not_overflow():
    a = np.full(4096, 127, dtype=np.int8)
    for form in (kernels.dot, loop_of(kernels.dot)):
        assert form(a, a) == 4096 * 127 * 127
        assert form(a, -a) == -4096 * 127 * 127
    for form in (kernels.squared_euclidean, loop_of(kernels.squared_euclidean)):
        assert form(a, -a) == 4096 * 254 * 254


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**31 - 1))
def test_an_entry_gives_back_what_was_packed(gap, node):
    entry = kernels.pack(gap, node)
    assert (kernels.entry_distance(entry), kernels.entry_node(entry)) == (gap, node)
    assert kernels.entry_node(np.int64(entry)) == node


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 9)), min_size=2))
def test_entries_are_ordered_by_distance_then_node(pairs):
    assert [kernels.pack(*p) for p in sorted(pairs)] == sorted(kernels.pack(*p) for p in pairs)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62)), max_size=60))
def test_the_heap_does_what_heapq_does(operations):
    heap, size, reference = np.empty(64, dtype=np.int64), 0, []
    for value in operations:
        if value is not None:
            size = kernels.heap_push(heap, size, value)
            heapq.heappush(reference, value)
        elif reference:
            assert heap[0] == heapq.heappop(reference)
            size = kernels.heap_pop(heap, size)
        assert size == len(reference)
    for expected in sorted(reference):
        assert heap[0] == expected
        size = kernels.heap_pop(heap, size)


def test_codes_are_rounded_scaled_components_cut_off_at_127():
    vectors = np.array([[0.5, -0.25, 0.0], [0.004, 1.0, -1.0]], dtype=np.float32)
    assert quantise(vectors, 0.5).tolist() == [[127, -64, 0], [1, 127, -127]]
    assert quantise(vectors[0], 0.5).tolist() == [127, -64, 0]


@pytest.mark.parametrize("shape", [(0, 3), (4, 3)])
def test_the_scale_of_nothing_and_of_zeros_is_one(shape):
    assert code_limit(np.zeros(shape, dtype=np.float32)) == 1.0


def test_a_single_large_component_among_zeros_still_sets_the_scale():
    vectors = np.zeros((200, 384), dtype=np.float32)
    vectors[7, 3] = 0.5
    assert code_limit(vectors) == 0.5


def test_the_cosine_of_codes_is_close_to_the_cosine():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((200, 384))
    vectors = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    limit = code_limit(vectors)
    approximate = quantise(vectors, limit).astype(np.float64)
    approximate = approximate @ approximate.T * (limit / 127) ** 2
    error = np.abs(approximate - vectors.astype(np.float64) @ vectors.T.astype(np.float64))
    assert np.quantile(error, 0.99) < 0.003
    assert error.max() < 0.03  # a vector with a component beyond the scale, with itself
