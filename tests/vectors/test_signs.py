"""Codes of one bit: the rotation, the estimates and the bound on their errors, against the paper's theorem and plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.vector_truth import made

from ragterm.engine.vectors import kernels, signs
from ragterm.engine.vectors.execution import loop_of


def rotated(vectors: np.ndarray, flips: np.ndarray, form=signs.rotate) -> np.ndarray:
    result = np.empty((len(vectors), flips.shape[1]), dtype=np.float32)
    for vector, into in zip(vectors, result, strict=True):
        form(vector, flips, into, np.empty_like(into))
    return result


@given(st.integers(1, 300), st.integers(0, 5))
def test_a_rotation_keeps_every_product(dimensions, seed):
    vectors = np.random.default_rng(seed).standard_normal((3, dimensions)).astype(np.float32)
    turned = rotated(vectors, signs.rotation(dimensions, seed))
    assert np.allclose(turned @ turned.T, vectors @ vectors.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("dimensions", [1, 64, 100, 384, 512])
def test_one_component_is_spread_over_all(dimensions):
    """No coordinate of the space stays one: each component of a rotated axis is small."""
    axes = np.eye(dimensions, dtype=np.float32)[:: max(1, dimensions // 8)]
    turned = np.abs(rotated(axes, signs.rotation(dimensions, 1)))
    assert turned.max() < 5 / np.sqrt(signs.padded(dimensions))


@pytest.mark.parametrize("dimensions", [3, 70, 200])
def test_the_loop_rotates_to_the_last_bit_as_numpy_does(dimensions):
    vectors = np.random.default_rng(0).standard_normal((2, dimensions)).astype(np.float32)
    flips = signs.rotation(dimensions, 1)
    assert np.array_equal(rotated(vectors, flips), rotated(vectors, flips, loop_of(signs.rotate)))


@pytest.mark.parametrize("dimensions", [1, 63, 384, 450])
def test_bounds_are_those_of_plain_arithmetic(dimensions):
    rng = np.random.default_rng(dimensions)
    codes = signs.signs_of(
        rng.standard_normal((20, dimensions)).astype(np.float32), signs.rotation(dimensions, 1), True
    )
    values = codes.view(np.float32)
    query = rng.integers(-signs.LEVELS, signs.LEVELS + 1, signs.grouped(dimensions)).astype(np.int8)
    among = rng.permutation(20)
    scale, constant, width = (np.float32(x) for x in (0.01, -0.3, 2.0))
    bounds = np.zeros(20, dtype=np.float32)
    highest = kernels.bound_rows(codes, values, among, 4, 4, query, scale, constant, width, bounds, 2)
    for i in (0, 7, 15):
        row = among[4 + i]
        factor, spread, half_square = values[row, :3].tolist()
        bits = f"{int.from_bytes(codes[row, kernels.SIGNS_FROM :].tobytes(), 'little'):b}"[::-1]
        total = sum(int(query[j]) for j in range(signs.padded(dimensions)) if bits[j : j + 1] == "1")
        expected = factor * (0.01 * total + 0.3) + 2 * spread - half_square
        assert bounds[2 + i] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert highest == bounds[2:18].max() and not bounds[:2].any() and not bounds[18:].any()


def estimated(vectors: np.ndarray, query: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of the products with `query`, and their standard deviations."""
    flips = signs.rotation(vectors.shape[1], seed)
    codes = signs.signs_of(vectors, flips, False)
    size = signs.padded(vectors.shape[1])
    bits = np.unpackbits(codes[:, kernels.SIGNS_FROM : kernels.SIGNS_FROM + size // 8], axis=1, bitorder="little")
    values = codes.view(np.float32)
    turned = rotated(query[np.newaxis], flips)[0].astype(np.float64)
    spread = values[:, kernels.SPREAD] * np.sqrt(query.astype(np.float64) @ query)
    return values[:, kernels.FACTOR] * ((2.0 * bits - 1) @ turned), spread


@pytest.mark.parametrize("name", ["normal", "duplicates", "one_coordinate", "far_from_the_origin"])
def test_estimates_are_right_on_average_and_as_far_off_as_the_theorem_says(name):
    """Over rotations, and for any data: theorem 3.2 of RaBitQ."""
    vectors, queries = made(name, 8, 40, 2)
    vectors, query = vectors.astype(np.float32), queries[0].astype(np.float32)
    exact = vectors.astype(np.float64) @ query
    runs = [estimated(vectors, query, seed) for seed in range(50)]
    deviations = np.array([(estimate - exact) / np.maximum(spread, 1e-12) for estimate, spread in runs])
    deviations = deviations[:, (vectors != 0).any(axis=1)]
    assert np.abs(deviations.mean(axis=0)).max() < 0.6  # of fifty, the mean's own deviation is 0.14
    assert np.sqrt((deviations**2).mean()) < 1.1
    assert (deviations < -2).mean() < 0.04


def test_a_zero_vector_has_an_estimate_of_zero():
    codes = signs.signs_of(np.zeros((1, 40), dtype=np.float32), signs.rotation(40, 1), True)
    assert codes.shape == (1, signs.sign_width(40)) and not codes.any()
    assert signs.signs_of(np.empty((0, 40), dtype=np.float32), signs.rotation(40, 1), True).shape == (0, 64)


def test_a_row_of_up_to_384_dimensions_is_one_line_of_the_cache():
    assert [signs.sign_width(d) for d in (1, 384, 385, 768, 1024)] == [64, 64, 128, 128, 192]
