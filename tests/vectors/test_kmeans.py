"""k-means against clusters placed by hand and sums done in plain Python."""

import numpy as np
import pytest

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.kmeans import first_centroids, k_means, means, nearest_centroids, sample


def blobs(seed=0, each=50):
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10], [5, 30]], dtype=np.float32)
    points = np.repeat(centres, each, axis=0) + rng.normal(0, 0.3, (5 * each, 2)).astype(np.float32)
    return centres, points[rng.permutation(len(points))]


@pytest.mark.parametrize("seed", range(5))
def test_clusters_far_apart_are_found(seed):
    centres, points = blobs()
    found = k_means(points, 5, seed)
    assert found.dtype == np.float32
    for centre in centres:
        mine = points[np.linalg.norm(points - centre, axis=1) < 3]
        assert np.abs(found - mine.mean(axis=0)).max(axis=1).min() < 1e-4


def test_every_point_goes_to_its_nearest_centroid_the_first_of_equals():
    rng = np.random.default_rng(1)
    points, centroids = (rng.normal(3, 1, (n, 7)).astype(np.float32) for n in (500, 20))
    centroids[13] = centroids[4]
    labels, losses = nearest_centroids(points, centroids)
    squares = ((points[:, None].astype(np.float64) - centroids) ** 2).sum(axis=2)
    assert labels.tolist() == squares.argmin(axis=1).tolist()
    assert 13 not in labels
    assert 4 in labels
    assert losses == pytest.approx(squares.min(axis=1), abs=1e-4)


def test_spherical_centroids_are_directions_and_nearest_is_the_largest_product():
    rng = np.random.default_rng(2)
    points = rng.standard_normal((400, 6)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centroids = k_means(points, 9, 1, spherical=True)
    assert np.linalg.norm(centroids, axis=1) == pytest.approx(1, abs=1e-6)
    long = centroids * np.linspace(0.1, 5, 9, dtype=np.float32)[:, None]
    labels, losses = nearest_centroids(points, long, spherical=True)
    products = points.astype(np.float64) @ long.T.astype(np.float64)
    assert labels.tolist() == products.argmax(axis=1).tolist()
    assert losses == pytest.approx(1 - products.max(axis=1), abs=1e-5)


def test_rounds_lower_the_loss():
    points = np.random.default_rng(3).standard_normal((3000, 4)).astype(np.float32)
    losses = [nearest_centroids(points, k_means(points, 32, 1, rounds))[1].mean() for rounds in (0, 1, 3, 25)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.8 * losses[0]


def test_means_by_hand_and_an_empty_cluster_begins_at_the_point_that_costs_most():
    points = np.array([[0, 0], [2, 0], [10, 4], [20, 4], [11, 7]], dtype=np.float32)
    labels = np.array([0, 0, 2, 2, 2])
    losses = np.array([1, 1, 9, 50, 8], dtype=np.float32)
    centroids = np.full((4, 2), -7, dtype=np.float32)
    moved = means(points, labels, losses, centroids)
    assert moved == pytest.approx(np.array([[1, 0], [20, 4], [41 / 3, 5], [10, 4]]))
    assert (centroids == -7).all()
    still = means(points, labels, np.zeros(5, dtype=np.float32), centroids)
    assert still[[1, 3]].tolist() == [[-7, -7], [-7, -7]]


def test_no_cluster_stays_empty_while_points_are_distinct():
    points = np.zeros((300, 3), dtype=np.float32)
    points[:30] = np.random.default_rng(4).standard_normal((30, 3))
    centroids = k_means(points, 31, 1)
    labels, losses = nearest_centroids(points, centroids)
    assert len(set(labels.tolist())) == 31
    assert losses.max() < 1e-5


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_points_than_clusters_are_all_centroids(count):
    points = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    centroids = k_means(points, 8, 1)
    assert centroids.shape == (8, 2)
    assert {tuple(c) for c in centroids.tolist()} == {tuple(p) for p in points.tolist()}


def test_a_seed_decides():
    points = np.random.default_rng(5).standard_normal((5000, 3)).astype(np.float32)
    one, same, other = (k_means(points, 10, seed) for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_the_start_prefers_points_far_from_those_chosen():
    points = np.zeros((500, 2), dtype=np.float32)
    points[7], points[400] = [100, 0], [0, 100]
    for seed in range(5):
        start = first_centroids(points, 3, np.random.default_rng(seed))
        assert sorted(start.tolist()) == [[0, 0], [0, 100], [100, 0]]


def test_a_sample_is_distinct_points_in_order():
    points = np.arange(100, dtype=np.float32)[:, None]
    part = sample(points, 40, np.random.default_rng(0))[:, 0]
    assert len(part) == 40
    assert (np.diff(part) > 0).all()
    assert sample(points, 100, np.random.default_rng(0)) is points


@pytest.mark.parametrize(("points", "clusters"), [(0, 3), (3, 0)])
def test_nothing_to_cluster_is_refused(points, clusters):
    with pytest.raises(UsageError):
        k_means(np.zeros((points, 2), dtype=np.float32), clusters, 1)
