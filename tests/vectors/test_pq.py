"""Product quantisation: codes by hand, and the sum from a table against the product with what the code stands for."""

import numpy as np
import pytest

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors import pq
from ragterm.engine.vectors.execution import loop_of
from ragterm.engine.vectors.pq import PqParameters, ProductQuantiser

by_hand = ProductQuantiser(np.array([[[0, 1, 5], [0, 1, -5]], [[2, 2, 3], [7, 8, 9]]], dtype=np.float32), 8)
FORMS = [pytest.param(lambda f: f, id="numpy"), pytest.param(loop_of, id="loop")]


def trained(bits, dimensions=24, subspaces=6, rows=400, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)
    return vectors, pq.train_quantiser(vectors, PqParameters(subspaces, bits), 1)


def in_pages(codes, bits):
    kept = pq.as_kept(codes, bits)
    assert len(kept) % pq.PAGE_ROWS == 0
    return np.ascontiguousarray(kept.reshape(-1, pq.PAGE_ROWS, kept.shape[1]).transpose(0, 2, 1))


def test_each_part_gets_the_number_of_its_nearest_centroid():
    vectors = np.array([[0.9, 0.8, 2, 7.4], [4, -9, 3, 100], [-1, 0, 2, 7.6]], dtype=np.float32)
    codes = by_hand.encode(vectors)
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[1, 0], [2, 2], [0, 1]]
    assert by_hand.decode(codes).tolist() == [[1, 1, 2, 7], [5, -5, 3, 9], [0, 0, 2, 8]]


@pytest.mark.parametrize("form", FORMS)
def test_products_of_a_query_by_hand(form):
    sums = np.full((2, 3), 99, dtype=np.float32)
    form(pq.products)(by_hand.parts, np.array([1, 2, 10, -1], dtype=np.float32), sums)
    assert sums.tolist() == [[0, 3, -5], [13, 12, 21]]
    sums[0, 2] = -99
    assert form(pq.largest_in)(sums, np.full(3, 1000, dtype=np.float32)) == 99
    sums[0, 2] = -5
    table = np.zeros((2, 3), dtype=np.int16)
    form(pq.whole_table)(sums, 0.4, table)
    assert table.tolist() == [[0, 8, -12], [32, 30, 52]]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("form", FORMS)
def test_the_sum_from_the_table_is_the_product_with_what_the_code_stands_for(bits, form):
    vectors, quantiser = trained(bits)
    query = np.random.default_rng(9).standard_normal(24).astype(np.float32)
    codes = quantiser.encode(vectors)[:96]
    sums = np.empty((6, 1 << bits), dtype=np.float32)
    table = np.empty(sums.shape, dtype=np.int16)
    form(pq.products)(quantiser.parts, query, sums)
    unit = float(np.abs(sums).max()) / pq.TABLE_LIMIT
    form(pq.whole_table)(sums, unit, table)
    sum_page = form(pq.sum_page if bits == 8 else pq.sum_page_of_halves)
    totals = np.empty((3, 32), dtype=np.int32)
    for page in range(3):
        assert sum_page(in_pages(codes, bits), page, table, totals[page]) == totals[page].max()
    # Part by part in plain Python, from the centroids of each part's own k-means.
    expected = [
        sum(
            float(quantiser.parts[s, j, code]) * float(query[4 * s + j]) for s, code in enumerate(row) for j in range(4)
        )
        for row in codes.tolist()
    ]
    # Half a unit for each part is rounded off.
    assert totals.reshape(-1) * unit == pytest.approx(expected, abs=6 * unit / 2 + 1e-5)
    assert np.ptp(totals) > 3000
    assert quantiser.decode(codes).astype(np.float64) @ query == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_loops_and_numpy_give_the_same_bits(bits):
    vectors, quantiser = trained(bits)
    pages = in_pages(quantiser.encode(vectors)[:32], bits)
    query = np.random.default_rng(8).standard_normal(24).astype(np.float32)
    sum_page = pq.sum_page if bits == 8 else pq.sum_page_of_halves
    results = []
    for form in (lambda f: f, loop_of):
        sums = np.empty((6, 1 << bits), dtype=np.float32)
        table, totals = np.empty(sums.shape, dtype=np.int16), np.empty(32, dtype=np.int32)
        form(pq.products)(quantiser.parts, query, sums)
        form(pq.whole_table)(sums, 1e-3, table)
        form(sum_page)(pages, 0, table, totals)
        results.append((sums.tobytes(), table.tobytes(), totals.tobytes()))
    assert results[0] == results[1]


def test_the_largest_sums_need_32_bits():
    totals = np.empty(32, dtype=np.int32)
    for sign in (1, -1):
        for form in (lambda f: f, loop_of):
            for sum_page, table in ((pq.sum_page, (96, 256)), (pq.sum_page_of_halves, (192, 16))):
                table = np.full(table, sign * pq.TABLE_LIMIT, dtype=np.int16)
                form(sum_page)(np.full((1, 96, 32), 255, dtype=np.uint8), 0, table, totals)
                assert (totals == sign * len(table) * pq.TABLE_LIMIT).all()


def test_a_byte_holds_an_even_part_below_and_an_odd_one_above():
    codes = np.array([[1, 2, 15, 0], [0, 15, 3, 4]], dtype=np.uint8)
    assert pq.as_kept(codes, 4).tolist() == [[0x21, 0x0F], [0xF0, 0x43]]
    assert pq.as_coded(pq.as_kept(codes, 4), 4).tolist() == codes.tolist()
    assert pq.as_kept(codes, 8) is codes
    assert pq.as_coded(codes, 8) is codes


def test_more_parts_and_more_bits_lose_less():
    vectors = np.random.default_rng(0).standard_normal((3000, 24)).astype(np.float32)

    def lost(vectors, subspaces, bits):
        quantiser = pq.train_quantiser(vectors, PqParameters(subspaces, bits), 1)
        return float(((quantiser.decode(quantiser.encode(vectors)) - vectors) ** 2).mean())

    losses = [lost(vectors[:800], *shape) for shape in ((2, 4), (6, 4), (6, 8), (12, 8), (24, 8))]
    assert losses == sorted(losses, reverse=True)
    # A normal variable in 16 levels at best loses 0.009497 (Max 1960, table I).
    assert lost(vectors, 24, 4) == pytest.approx(0.0095, abs=0.0012)


def test_fewer_vectors_than_centroids_are_coded_without_loss():
    vectors, quantiser = trained(8, rows=100)
    assert (quantiser.decode(quantiser.encode(vectors)) == vectors).all()


def test_a_seed_decides():
    vectors, quantiser = trained(4)
    assert pq.train_quantiser(vectors, PqParameters(6, 4), 1).parts.tobytes() == quantiser.parts.tobytes()
    assert pq.train_quantiser(vectors, PqParameters(6, 4), 2).parts.tobytes() != quantiser.parts.tobytes()


@pytest.mark.parametrize(
    ("subspaces", "bits", "named"), [(5, 8, "24 dimensions"), (0, 8, "24"), (6, 5, "5 bits"), (3, 4, "3 subspaces")]
)
def test_parameters_that_cannot_be_are_refused(subspaces, bits, named):
    with pytest.raises(UsageError, match=named):
        pq.train_quantiser(np.zeros((3, 24), dtype=np.float32), PqParameters(subspaces, bits), 1)


def test_bytes_of_a_row():
    assert (PqParameters(48, 8).row_bytes, PqParameters(96, 4).row_bytes) == (48, 48)
