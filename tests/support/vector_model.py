"""A `VectorDB` as a dictionary: what the real one must answer, computed anew at each question in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from support.vector_truth import true_scores

Test = Callable[[Mapping[str, Any]], bool]

FILTERS: list[tuple[dict[str, Any], Test]] = [
    ({}, lambda m: True),
    ({"year": {"$gte": 2020}}, lambda m: m.get("year", 0) >= 2020),
    ({"tag": {"$in": ["a", "b"]}}, lambda m: m.get("tag") in ("a", "b")),
    ({"tag": "c", "year": {"$lt": 2022}}, lambda m: m.get("tag") == "c" and "year" in m and m["year"] < 2022),
    ({"year": {"$exists": False}}, lambda m: "year" not in m),
    ({"$or": [{"tag": "a"}, {"$not": {"year": {"$lte": 2021}}}]},
     lambda m: m.get("tag") == "a" or not ("year" in m and m["year"] <= 2021)),
]  # fmt: skip


class Model:
    """Items in the order of insertion; a replaced vector counts as new."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.items: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}

    def copy(self) -> Model:
        other = Model(self.metric)
        other.items = copy.deepcopy(self.items)
        return other

    def put(self, doc_id: str, vector: np.ndarray, metadata: Mapping[str, Any] | None) -> None:
        self.items.pop(doc_id, None)
        self.items[doc_id] = (np.array(vector, dtype=np.float32), dict(metadata or {}))

    def kept(self, doc_id: str) -> np.ndarray:
        vector = self.items[doc_id][0].astype(np.float64)
        return vector / (np.linalg.norm(vector) or 1) if self.metric == "cosine" else vector

    def check_hits(self, hits: list[tuple[str, float]], query: np.ndarray, k: int, test: Test = lambda m: True) -> None:
        """Exact, ties aside."""
        allowed = [doc_id for doc_id, (_, metadata) in self.items.items() if test(metadata)]
        ids = [doc_id for doc_id, _ in hits]
        assert len(ids) == len(set(ids)) == min(max(k, 0), len(allowed)), (ids, allowed)
        assert set(ids) <= set(allowed)
        if not ids:
            return
        vectors = np.array([self.items[doc_id][0] for doc_id in allowed])
        scores = true_scores(self.metric, vectors, np.asarray(query, dtype=np.float32))
        slack = 1e-5 * max(1.0, float(np.abs(scores).max()))
        truth = dict(zip(allowed, scores.tolist(), strict=True))
        found = np.array([score for _, score in hits])
        assert all(type(score) is float for _, score in hits)
        assert (np.diff(found) <= 0).all()
        assert np.abs(found - [truth[doc_id] for doc_id in ids]).max() <= slack
        best = np.sort(scores)[::-1][: len(ids)]
        assert np.abs(found - best).max() <= slack

    def check(self, database: Any, queries: np.ndarray) -> None:
        """Everything that can be asked."""
        assert len(database) == len(self.items)
        assert database.ids() == list(self.items)
        for doc_id, (_, metadata) in self.items.items():
            item = database.get(doc_id)
            assert (item.id, dict(item.metadata)) == (doc_id, metadata)
            assert doc_id in database
            assert np.allclose(item.vector, self.kept(doc_id), rtol=1e-6, atol=1e-7)
        for query in queries:
            for k in (1, 4, 1000):
                self.check_hits(database.search(query, k), query, k)
                self.check_hits(database.search_exact(query, k), query, k)
            for given, test in FILTERS:
                self.check_hits(database.search(query, 5, given), query, 5, test)
                self.check_hits(database.search_exact(query, 5, given), query, 5, test)
