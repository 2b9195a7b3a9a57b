"""For a process that writes to a `VectorDB` until it is killed; asked, it waits for a line of its input before each step. Interpreted
kernels; small databases have a graph, or lists.

What stands under an id follows from the id and the number of the step that wrote it, and a step from the seed, so whoever reads the
folder can tell what must be there. Before a step its number is printed as "n?", after it as "n!".
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

DIMENSIONS = 6
IDS = 30


def vector_of(doc_id: str, step: int) -> np.ndarray:
    return np.random.default_rng([step, *doc_id.encode()]).standard_normal(DIMENSIONS).astype(np.float32)


def changes_of(seed: int, step: int) -> tuple[list[str], list[str]]:
    """The ids that a step puts, and those that it deletes where they are there, one by one."""
    rng = random.Random(1000 * seed + step)
    if step % 4 == 3:
        return [], [f"{rng.randrange(IDS)}"]
    return [f"{rng.randrange(IDS)}" for _ in range(rng.choice([1, 3, 20]))], []


def apply(seed: int, step: int, model: dict[str, int]) -> dict[str, int]:
    """From id to the step that wrote it, after one more step."""
    after = dict(model)
    put, deleted = changes_of(seed, step)
    for doc_id in put:
        after[doc_id] = step
    for doc_id in deleted:
        after.pop(doc_id, None)
    return after


def main(path: Path, seed: int, first: int, asked: bool = False) -> None:
    from ragterm.engine.vectors import execution, inverted_search, searching
    from ragterm.engine.vectors.database import VectorDB

    execution.is_warm = lambda *_: True
    searching.EXACT_LIMIT = inverted_search.EXACT_LIMIT = 8
    db = VectorDB.open(path)
    for step in range(first, 10**9):
        if asked and not sys.stdin.readline():
            return
        print(f"{step}?", flush=True)
        put, deleted = changes_of(seed, step)
        if put:
            db.insert_batch(put, np.array([vector_of(doc_id, step) for doc_id in put]), [{"step": step} for _ in put])
        for doc_id in deleted:
            if doc_id in db:
                db.delete(doc_id)
        print(f"{step}!", flush=True)
        if step % 5 == 1:
            db.link()
        if step % 5 == 3:
            db.save()
