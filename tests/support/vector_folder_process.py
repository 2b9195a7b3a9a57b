"""For a process that inserts into a database folder until it is killed, or dies at a point in batch number `at`.

Batch b has the ids `NAME-b-0`, `NAME-b-1`, ... and `NAME-counter`, which so is replaced by every batch. What an id's vector and
metadata are follows from the id and the batch alone, so that whoever reads the folder can tell. After each insert that
returned, the batch's number is printed.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

DIMENSIONS = 48


def size_of(batch: int) -> int:
    """1, a few, or more than a block of checksums."""
    return (1, 7, 130, 1100)[batch % 4]


def ids_of(name: str, batch: int) -> list[str]:
    return [*(f"{name}-{batch}-{i}" for i in range(size_of(batch))), f"{name}-counter"]


def metadata_of(batch: int, position: int) -> dict[str, object]:
    return {"batch": batch, "position": position, "tags": ["odd" if batch % 2 else "even"]}


def vectors_of(name: str, batch: int) -> np.ndarray:
    seed = [batch, *name.encode()]
    return np.random.default_rng(seed).standard_normal((size_of(batch) + 1, DIMENSIONS)).astype(np.float32)


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


write = os.write


def write_half_and_die(file: int, data: memoryview) -> None:
    write(file, data[: len(data) // 2])
    die()


def main(path: Path, name: str, batches: int = 1000000, point: str = "", at: int = 0) -> None:
    from ragterm.engine.vectors import item_store, vectors_file
    from ragterm.engine.vectors.folder import DatabaseFolder

    folder = DatabaseFolder.open(path)
    last = f"{name}-counter"
    first = folder.items.metadata_of(row)["batch"] + 1 if (row := folder.items.row_of(last)) is not None else 0
    print("ready", flush=True)
    for batch in range(first, first + batches):
        if point and batch == first + at:
            if point == "half of the vectors":
                vectors_file.os.write = write_half_and_die
            elif point == "vectors written":
                vectors_file.VectorFile.flush = die
            elif point == "rows in the transaction":
                item_store.ItemStore._finish = die
            elif point == "committed":
                item_store.ItemStore.refresh = die
        folder.insert(
            ids_of(name, batch), vectors_of(name, batch), [metadata_of(batch, i) for i in range(size_of(batch) + 1)]
        )
        print(batch, flush=True)
    folder.close()
