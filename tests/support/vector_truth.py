"""What a `VectorIndex` must find, by brute force in float64, and the data that is hard for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

METRICS = ("cosine", "dot", "euclidean")
Rng = np.random.Generator


def normal(rng: Rng, n: int, d: int) -> np.ndarray:
    return rng.standard_normal((n, d))


def duplicates(rng: Rng, n: int, d: int) -> np.ndarray:
    return normal(rng, max(1, n // 7), d)[rng.integers(0, max(1, n // 7), n)]


def tight_clusters(rng: Rng, n: int, d: int) -> np.ndarray:
    """Rows of a cluster differ in the last bits of float32."""
    return 10 * normal(rng, 5, d)[rng.integers(0, 5, n)] + 1e-6 * normal(rng, n, d)


def far_from_the_origin(rng: Rng, n: int, d: int) -> np.ndarray:
    return 1000 + normal(rng, n, d)


def one_coordinate(rng: Rng, n: int, d: int) -> np.ndarray:
    points = 1e-3 * normal(rng, n, d)
    points[:, d // 2] += 1
    return points


def with_zeros(rng: Rng, n: int, d: int) -> np.ndarray:
    points = normal(rng, n, d)
    points[rng.random(n) < 0.3] = 0
    return points


def norms_of_all_sizes(rng: Rng, n: int, d: int) -> np.ndarray:
    return normal(rng, n, d) * 10.0 ** rng.integers(-6, 7, n)[:, np.newaxis]


def huge(rng: Rng, n: int, d: int) -> np.ndarray:
    return normal(rng, n, d) * 1e30


def tiny(rng: Rng, n: int, d: int) -> np.ndarray:
    return normal(rng, n, d) * 1e-30


def subnormal(rng: Rng, n: int, d: int) -> np.ndarray:
    return normal(rng, n, d) * 1e-42


def all_sizes_of_float32(rng: Rng, n: int, d: int) -> np.ndarray:
    return normal(rng, n, d) * 10.0 ** rng.integers(-42, 37, n)[:, np.newaxis]


def on_a_grid(rng: Rng, n: int, d: int) -> np.ndarray:
    """Many exact ties, and codes that lose nothing."""
    return rng.integers(-1, 2, (n, d)).astype(np.float64)


DATA: dict[str, Callable[[Rng, int, int], np.ndarray]] = {
    function.__name__: function
    for function in (
        normal, duplicates, tight_clusters, far_from_the_origin, one_coordinate, with_zeros, norms_of_all_sizes, huge,
        tiny, subnormal, all_sizes_of_float32, on_a_grid,
    )
}  # fmt: skip


def made(name: str, n: int, d: int, queries: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n, d) and queries (q, d): of the same kind, some of them rows, one zero."""
    points = DATA[name](np.random.default_rng([seed, *name.encode()]), n + queries, d).astype(np.float32)
    vectors, asked = points[:n], points[n:].copy()
    asked[::3] = vectors[: len(asked[::3])]
    asked[1] = 0
    return vectors, asked


def true_scores(metric: str, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """float64 (n,). `vectors` as given by the caller: for cosine of any length."""
    wide, query = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "euclidean":
        return -np.sqrt(((wide - query) ** 2).sum(axis=1))
    products = (wide * query).sum(axis=1)
    if metric == "dot":
        return products
    lengths = np.sqrt((wide * wide).sum(axis=1)) * np.sqrt(query @ query)
    return np.divide(products, lengths, out=np.zeros(len(wide)), where=lengths > 0)


def unit(query: np.ndarray) -> np.ndarray:
    wide = query.astype(np.float64)
    return wide / (np.sqrt(wide @ wide) or 1.0)


def scale_of(metric: str, vectors: np.ndarray, query: np.ndarray) -> float:
    """What a float64 sum can be off by is this times 1e-16 or so."""
    longest = float(np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1)).max(initial=0.0))
    length = float(np.sqrt((query.astype(np.float64) ** 2).sum()))
    return 1.0 if metric == "cosine" else longest * length if metric == "dot" else longest + length


def wrong(
    metric: str,
    kept: np.ndarray,
    alive: np.ndarray,
    query: np.ndarray,
    k: int,
    found: tuple[np.ndarray, np.ndarray],
    given: np.ndarray | None = None,
) -> str:
    """What is wrong with an exact result, "" for nothing. `kept` are the vectors of the index, at length 1 for cosine, so that ties
    are decided as float64 decides them there; `given` those that came in: cosines of theirs may be off by float32's 1e-6."""
    rows, scores = found
    truth = true_scores(metric, kept, query) if metric != "cosine" else true_scores("dot", kept, unit(query))
    slack = 1e-14 * scale_of(metric, kept, query) * kept.shape[1]
    if metric == "euclidean":
        slack = 1e-12 * np.abs(truth).max(initial=0.0)
    expected = min(k, int(alive.sum()))
    if len(rows) != expected or len(scores) != expected:
        return f"{len(rows)} rows where {expected} are due"
    if len(set(rows.tolist())) != len(rows) or not alive[rows].all():
        return f"rows twice or dead: {rows.tolist()}"
    if not (np.abs(scores - truth[rows]) <= slack + 1e-6 * (metric == "cosine")).all():
        return f"scores {scores.tolist()} are {truth[rows].tolist()}"
    if not (np.diff(scores) <= 0).all():
        return f"scores not in order: {scores.tolist()}"
    best = np.sort(truth[alive])[::-1][:expected]
    if not (np.abs(truth[rows] - best) <= slack).all():
        return f"found {truth[rows].tolist()}, the best are {best.tolist()}"
    if given is not None and metric == "cosine":
        if not (np.abs(scores - true_scores(metric, given, query)[rows]) <= 1e-6).all():
            return "scores are not those of the vectors that came in"
        if not (np.abs(scores) <= 1).all():
            return "a cosine beyond 1"
    return ""


def recall(metric: str, kept: np.ndarray, live: np.ndarray, query: np.ndarray, found: np.ndarray, k: int) -> float:
    """The share of the best `k` of the rows `live` (bool) that are among `found`; what ties with the last counts as it."""
    truth = true_scores(metric, kept, query)
    k = min(k, int(live.sum()))
    if k == 0:
        return float(len(found) == 0)
    if not live[found].all() or len(set(found.tolist())) != len(found):
        return -1.0
    last = np.sort(truth[live])[-k]
    slack = 1e-12 * max(1.0, abs(last))
    return min(1.0, int((truth[found] >= last - slack).sum()) / k)
