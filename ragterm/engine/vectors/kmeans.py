"""k-means: `clusters` centroids such that the points lie close to the nearest of them.

Lloyd's algorithm (1982, "Least squares quantization in PCM"): assign every point to its nearest centroid, move every centroid
to the mean of its points, and again, until it hardly helps. It finds a local optimum, so the start matters: k-means++
(Arthur and Vassilvitskii 2007) draws each first centroid with a chance that grows with the squared distance to those drawn
before, here from a sample of the points.

Spherical k-means (Dhillon and Modha 2001) is the same for directions: nearest is the largest dot product, and each mean is
brought to length 1.

Assigning is a matrix product, which is all the time it takes: |x - c|^2 = |x|^2 - 2 (x.c - |c|^2 / 2), and |x| is the same
for every centroid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ragterm.engine.types.errors import UsageError
from ragterm.engine.vectors.index_state import unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Labels = NDArray[np.int64]

POINTS_PER_CENTROID = 256
"""More points than this for each centroid move none of them far: a sample is taken."""
_START_POINTS_PER_CENTROID = 8
_TILE = 1 << 20
"""Products at once: 4 MB, which stay in the cache until the largest of each row is found."""


def k_means(
    points: Floats,
    clusters: int,
    seed: int,
    rounds: int = 25,
    spherical: bool = False,
    each: Callable[[], None] | None = None,
) -> Floats:
    """Centroids float32 (clusters, d) of `points` float32 (n, d), n at least 1; the same for the same seed.

    It ends after `rounds`, or before when a round lowers the mean distance by less than a thousandth. Where the points have fewer
    distinct values than `clusters`, some centroids are equal, and only the first of equals has points. `spherical`: points and
    centroids have length 1. `each` is called before every round, and may raise to stop. Raises UsageError without points or clusters.
    """
    if not len(points) or clusters < 1:
        raise UsageError(f"{clusters} clusters of {len(points)} vectors", "", "k-means needs at least one of each")
    random = np.random.default_rng(seed)
    points = sample(points, clusters * POINTS_PER_CENTROID, random)
    centroids = first_centroids(points, clusters, random)
    before = np.inf
    for _ in range(rounds):
        if each is not None:
            each()
        labels, losses = nearest_centroids(points, centroids, spherical)
        loss = float(losses.mean())
        if not loss < before * (1 - 1e-3):
            break
        before = loss
        centroids = means(points, labels, losses, centroids)
        if spherical:
            centroids = unit_rows(centroids)
    return centroids


def sample(points: Floats, most: int, random: np.random.Generator) -> Floats:
    """At most so many of the points, in their order."""
    if len(points) <= most:
        return points
    return points[np.sort(random.choice(len(points), most, replace=False))]


def first_centroids(points: Floats, clusters: int, random: np.random.Generator) -> Floats:
    """k-means++ (Arthur and Vassilvitskii, section 2.2), on a sample."""
    points = sample(points, max(clusters * _START_POINTS_PER_CENTROID, 1024), random)
    chosen = np.empty(clusters, dtype=np.int64)
    chosen[0] = random.integers(len(points))
    gaps = np.full(len(points), np.inf, dtype=np.float32)
    for i in range(1, clusters):
        apart = points - points[chosen[i - 1]]
        np.minimum(gaps, np.einsum("ij,ij->i", apart, apart), out=gaps)
        ladder = np.cumsum(gaps, dtype=np.float64)
        place = int(np.searchsorted(ladder, random.random() * ladder[-1], side="right"))
        # Behind the last, where every point is a centroid already: any will do again.
        chosen[i] = min(place, len(points) - 1)
    return points[chosen]


def nearest_centroids(points: Floats, centroids: Floats, spherical: bool = False) -> tuple[Labels, Floats]:
    """The centroid of each point (n, d), int64 (n,), the first of equals, and what it costs, float32 (n,): the squared distance, or
    when `spherical` one minus the dot product."""
    labels = np.empty(len(points), dtype=np.int64)
    losses = np.empty(len(points), dtype=np.float32)
    transposed = np.ascontiguousarray(centroids.T)
    offsets = np.float32(0) if spherical else np.einsum("ij,ij->i", centroids, centroids) / np.float32(2)
    rows = max(1, _TILE // len(centroids))
    for start in range(0, len(points), rows):
        part = slice(start, start + rows)
        products = points[part] @ transposed  # (rows, clusters)
        products -= offsets
        labels[part] = products.argmax(axis=1)
        best = np.take_along_axis(products, labels[part, np.newaxis], axis=1)[:, 0]
        if spherical:
            losses[part] = 1 - best
        else:
            losses[part] = np.maximum(0, np.einsum("ij,ij->i", points[part], points[part]) - 2 * best)
    return labels, losses


def means(points: Floats, labels: Labels, losses: Floats, centroids: Floats) -> Floats:
    """The mean of each cluster's points, float32 (clusters, d). An empty one begins anew at one of the points that cost most, where it
    is sure to take that cost away; with nothing left to take away it stays."""
    counts = np.bincount(labels, minlength=len(centroids))
    filled = np.flatnonzero(counts)
    order = np.argsort(labels, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
    sums = np.add.reduceat(points[order], firsts, axis=0)
    moved = centroids.copy()
    moved[filled] = sums / counts[filled, np.newaxis].astype(np.float32)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        worst = np.argsort(-losses, kind="stable")[: len(empty)]
        worst = worst[losses[worst] > 0]
        moved[empty[: len(worst)]] = points[worst]
    return moved
