"""Vectors, files and the exact order for the tests of `ragterm vec`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def unit_rows(count: int, dimensions: int, seed: int = 1) -> np.ndarray:
    """float32 (count, dimensions), each of length 1."""
    rows = np.random.default_rng(seed).standard_normal((count, dimensions))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write_lines(path: Path, rows: np.ndarray, metadata: list[dict] | None = None) -> Path:
    """JSON lines under the ids d0, d1, ..."""
    facts = metadata or [{} for _ in rows]
    lines = [
        json.dumps({"id": f"d{i}", "vector": row.tolist(), "metadata": fact})
        for i, (row, fact) in enumerate(zip(rows, facts, strict=True))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def exact_order(rows: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers by falling float64 cosine, and the cosines in that order."""
    a, b = rows.astype(np.float64), query.astype(np.float64)
    cosines = a @ b / (np.linalg.norm(a, axis=1) * np.linalg.norm(b))
    order = np.argsort(-cosines, kind="stable")
    return order, cosines[order]
