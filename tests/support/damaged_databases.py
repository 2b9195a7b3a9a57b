"""Small databases whose truth is known, and their index files damaged in every way that a disk knows."""

from __future__ import annotations

import random

import numpy as np
from support.vector_model import Model

from ragterm import VectorDB

DIMENSIONS = 4
QUERIES = np.random.default_rng(9).standard_normal((2, DIMENSIONS)).astype(np.float32)


def add(db: VectorDB, model: Model, rows: int, seed: int) -> None:
    """So many rows to both, some of them under ids that are there."""
    rng = np.random.default_rng(seed)
    ids = [f"{rng.integers(0, 50)}" for _ in range(rows)]
    vectors = rng.standard_normal((rows, DIMENSIONS)).astype(np.float32)
    facts = [{"year": int(rng.integers(2018, 2025)), "tag": "abc"[i % 3]} for i in range(rows)]
    db.insert_batch(ids, vectors, facts)
    for item in zip(ids, vectors, facts, strict=True):
        model.put(*item)


def damages_of(sound: bytes, seed: str, flips: int, cuts: int) -> list[bytes]:
    """The file with a bit turned over, cut, empty, longer, all zeros, and another file."""
    rng = random.Random(seed)
    damages = []
    for _ in range(flips):
        at = rng.randrange(len(sound))
        damages.append(sound[:at] + bytes([sound[at] ^ (1 << rng.randrange(8))]) + sound[at + 1 :])
    damages += [sound[: rng.randrange(len(sound))] for _ in range(cuts)]
    return [*damages, b"", sound[:-1], sound + b"\0", sound * 2, bytes(len(sound)), b"x" * 100]


def each_is_recognised(path, model: Model, damages: list[bytes]) -> None:
    """With each in the place of the index file: nothing of it is used, and what is found is true."""
    for damage in damages:
        (path / "index.snapshot").write_bytes(damage)
        with VectorDB.open(path) as again:
            assert again.get_stats()["linked"] == 0
            model.check_hits(again.search(QUERIES[0], 5), QUERIES[0], 5)
            again._rows._closed = True  # as if it were killed: what is in the file stays
