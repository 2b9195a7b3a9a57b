"""The leaves: each form against plain arithmetic. The compiled ones and those of `intrinsics.py` are compared in test_compiled.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ragterm.engine.vectors import kernels
from ragterm.engine.vectors.codes import (
    code_limit,
    from_nibbles,
    levels_of,
    nibbles,
    quantise,
    query_unit,
    restored,
    row_width,
    step_of,
)
from ragterm.engine.vectors.execution import loop_of

rows_and_query = st.integers(1, 3).flatmap(
    lambda blocks: st.tuples(
        npst.arrays(np.uint8, (2, 64 * blocks)), npst.arrays(np.int8, 128 * blocks, elements=st.integers(-127, 127))
    )
)


@given(rows_and_query)
def test_loops_and_numpy_give_the_integers_of_plain_arithmetic(given_arrays):
    codes, query = given_arrays
    width = codes.shape[1]
    first, second = codes[0].tolist(), codes[1].tolist()
    by_bytes = sum(x * y for x, y in zip(second, query.tolist(), strict=False))
    between = sum(x * (y - 128) for x, y in zip(first, second, strict=True))
    by_nibbles = 0
    for dimension, component in enumerate(query.tolist()):
        block, place = divmod(dimension, 128)
        byte = second[64 * block + place % 64]
        by_nibbles += component * (byte & 15 if place < 64 else byte >> 4)
    for form in (lambda f: f, loop_of):
        assert form(kernels.dot_bytes)(codes, 1, query[:width]) == by_bytes
        assert form(kernels.dot_rows)(codes, 0, 1) == between
        assert form(kernels.dot_nibbles)(codes, 1, query) == by_nibbles


def test_the_largest_codes_do_not_overflow():
    codes = np.full((1, 4096), 255, dtype=np.uint8)
    query = np.full(8192, -127, dtype=np.int8)
    for form in (lambda f: f, loop_of):
        assert form(kernels.dot_bytes)(codes, 0, query[:4096]) == -4096 * 255 * 127
        assert form(kernels.dot_rows)(codes, 0, 0) == 4096 * 255 * 127
        assert form(kernels.dot_nibbles)(codes, 0, query) == -8192 * 15 * 127


@given(npst.arrays(np.float32, (2, 70), elements=st.floats(-2, 2, width=32)))
def test_products_of_floats_are_those_of_float64(vectors):
    exact = float(vectors[0].astype(np.float64) @ vectors[1].astype(np.float64))
    for form in (lambda f: f, loop_of):
        assert form(kernels.dot_floats)(vectors, 1, vectors[0]) == pytest.approx(exact, abs=1e-3)
        assert form(kernels.dot_doubles)(vectors, 1, vectors[0]) == pytest.approx(exact, abs=1e-12)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**31 - 1))
def test_an_entry_gives_back_what_was_packed(gap, node):
    entry = kernels.pack(gap, node)
    assert (kernels.entry_distance(entry), kernels.entry_node(entry)) == (gap, node)
    assert kernels.entry_node(np.int64(entry)) == node
    assert not kernels.is_expanded(entry)
    assert kernels.is_expanded(entry | 1)
    assert kernels.entry_distance(entry | 1) == gap


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 9)), min_size=2))
def test_entries_are_ordered_by_distance_then_node(pairs):
    assert [kernels.pack(*p) for p in sorted(pairs)] == sorted(kernels.pack(*p) for p in pairs)


@given(st.lists(st.integers(-(2**62), 2**62), min_size=8, max_size=40), st.integers(-(2**62), 2**62))
def test_an_entry_is_put_where_it_belongs_and_the_last_drops_out(values, entry):
    length = len(values) // 8 * 8
    entries = np.array(sorted(values), dtype=np.int64)
    before = entries.tolist()
    place = kernels.insert_sorted(entries, length, entry)
    assert entries.tolist() == sorted([*before[:length], entry])[:length] + before[length:]
    assert place == length or entries[place] == entry


def test_codes_of_8_bits_are_rounded_scaled_components_cut_off_at_127():
    vectors = np.array([[0.5, -0.25, 0.0], [0.004, 1.0, -1.0]], dtype=np.float32)
    codes = quantise(vectors, 0.5, 8)
    assert codes.shape == (2, 64)
    assert (codes[:, :3].astype(int) - 128).tolist() == [[127, -64, 0], [1, 127, -127]]
    assert (codes[:, 3:] == 128).all()


def test_codes_of_4_bits_stand_for_the_middle_of_their_step():
    vectors = np.array([[0.0, -0.01, 0.99, -1.0, 5.0, -5.0, 0.3]], dtype=np.float32)
    assert levels_of(vectors, 1.0, 4, 7).tolist() == [[8, 7, 15, 0, 15, 0, 10]]
    stands_for = restored(quantise(vectors, 1.0, 4), 1.0, 4, 7)[0]
    assert stands_for.tolist() == [0.0625, -0.0625, 0.9375, -0.9375, 0.9375, -0.9375, 0.3125]
    assert step_of(1.0, 4) == 0.125


@given(npst.arrays(np.uint8, (3, 256), elements=st.integers(0, 15)))
def test_nibbles_come_back(values):
    assert nibbles(values).shape == (3, 128)
    assert (from_nibbles(nibbles(values)) == values).all()


@pytest.mark.parametrize(
    ("dimensions", "of_bytes", "of_nibbles"), [(1, 64, 64), (64, 64, 64), (65, 128, 64), (384, 384, 192)]
)
def test_rows_are_whole_blocks(dimensions, of_bytes, of_nibbles):
    assert (row_width(dimensions, 8), row_width(dimensions, 4)) == (of_bytes, of_nibbles)


@pytest.mark.parametrize("shape", [(0, 3), (4, 3)])
def test_the_scale_of_nothing_and_of_zeros_is_one(shape):
    assert code_limit(np.zeros(shape, dtype=np.float32), 4) == 1.0
    assert query_unit(np.zeros(3, dtype=np.float32)) > 0


@pytest.mark.parametrize(("bits", "usual", "worst"), [(8, 0.002, 0.01), (4, 0.03, 0.06)])
def test_the_cosine_of_codes_is_close_to_the_cosine(bits, usual, worst):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((200, 384))
    vectors = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    limit = code_limit(vectors, bits)
    meant = restored(quantise(vectors, limit, bits), limit, bits, 384).astype(np.float64)
    error = np.abs(meant @ vectors.T.astype(np.float64) - vectors.astype(np.float64) @ vectors.T.astype(np.float64))
    np.fill_diagonal(error, 0)
    assert np.quantile(error, 0.99) < usual
    assert error.max() < worst


def test_rows_begin_at_a_cache_line():
    for shape in (7, (3, 64), (1, 5)):
        assert kernels.aligned(shape, np.int64, 5).ctypes.data % 64 == 0


@pytest.mark.parametrize(
    ("name", "features", "avx2", "vnni"),
    [
        ("", "+avx2,+avx512f,+avx512bw,+avx512vl,+avx512vnni", True, True),
        ("", "+avx2,+avx512f,+avx512bw,+avx512vl,-avx512vnni", True, False),
        ("", "+fma,-avx2", False, False),
        ("", "", False, False),
        ("haswell", "", True, False),
        ("haswell", "-avx2", False, False),
        ("nehalem", "", False, False),
        ("generic", "+avx2,+avx512f,+avx512bw,+avx512vl,+avx512vnni", False, False),
    ],
)
def test_instructions_are_those_that_numba_compiles_for(monkeypatch, name, features, avx2, vnni):
    from numba import config

    from ragterm.engine.vectors import avx2_intrinsics, intrinsics

    monkeypatch.setattr(config, "CPU_NAME", name or None)
    monkeypatch.setattr(config, "CPU_FEATURES", features)
    assert (avx2_intrinsics.supported(), intrinsics.supported()) == (avx2, vnni)
