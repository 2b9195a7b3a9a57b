"""`kill -9` at random moments, and two processes on one folder: no vector that was promised is lost, none is half there."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from support.forked import Forked
from support.vector_folder_process import DIMENSIONS, ids_of, main, metadata_of, vectors_of

from ragterm.engine.vectors.folder import DatabaseFolder
from ragterm.engine.vectors.item_rows import Mark


def start(folder: Path, *arguments: object) -> Forked:
    process = Forked(main, folder, *arguments)
    assert process.stdout.readline() == "ready\n"
    return process


def whole_batches(folder: DatabaseFolder, name: str) -> int:
    """How many batches of one writer are there; checks that each is whole, and the counter the last one's."""
    batch = 0
    while folder.items.row_of(ids_of(name, batch)[0]) is not None:
        ids, vectors = ids_of(name, batch)[:-1], vectors_of(name, batch)
        rows = folder.items.rows_of(ids)
        assert (rows >= 0).all()
        assert folder.items.alive()[rows].all() and folder.items.ids_of(rows) == ids
        assert np.array_equal(folder.vectors()[rows], vectors[:-1])
        assert [folder.items.metadata_of(row) for row in rows] == [metadata_of(batch, i) for i in range(len(ids))]
        batch += 1
    counter = folder.items.row_of(f"{name}-counter")
    assert (counter is None) == (batch == 0)
    if counter is not None:
        assert np.array_equal(folder.vector(counter), vectors_of(name, batch - 1)[-1])
        assert folder.items.metadata_of(counter)["batch"] == batch - 1
    return batch


def rows_of_batches(name: str, batches: int) -> int:
    return sum(len(ids_of(name, batch)) for batch in range(batches))


def check(path: Path, promised: int, batches_of_one: int | None = None) -> int:
    folder = DatabaseFolder.open(path)
    batches = whole_batches(folder, "w")
    assert batches >= promised
    if batches_of_one is not None:
        assert batches == batches_of_one
    # Nothing but whole batches: every row belongs to one, and all but the replaced counters are alive.
    assert folder.items.mark == Mark(batches, rows_of_batches("w", batches))
    assert len(folder.items) == folder.items.mark.rows - max(0, batches - 1)
    assert folder.verify() == []
    folder.close()
    return batches


def test_killed_at_random_moments(tmp_path):
    DatabaseFolder.create(tmp_path, DIMENSIONS, {}).close()
    rng = random.Random(7)
    batches = 0
    for _ in range(10):
        process = start(tmp_path, "w")
        lines = [process.stdout.readline() for _ in range(rng.randrange(1, 9))]
        time.sleep(rng.random() * 0.03)
        process.kill()
        lines += process.end()[0]
        promised = [int(line) for line in lines if line.endswith("\n")]
        assert promised == list(range(batches, batches + len(promised)))
        before, batches = batches, check(tmp_path, batches + len(promised))
        assert before < batches <= before + len(promised) + 1


@pytest.mark.parametrize(
    ("point", "kept"),
    [("half of the vectors", 0), ("vectors written", 0), ("rows in the transaction", 0), ("committed", 1)],
)
def test_killed_at_every_step_of_an_insert(tmp_path, point, kept):
    DatabaseFolder.create(tmp_path, DIMENSIONS, {}).close()
    done = 0
    for at in (0, 1, 3):  # the third writes over what the second left, and over the end of a block
        assert start(tmp_path, "w", 100, point, at).end() == ([f"{done + i}\n" for i in range(at)], -9)
        done = check(tmp_path, done + at, done + at + kept)
    lines, code = start(tmp_path, "w", 5).end()
    assert (len(lines), code) == (5, 0)
    check(tmp_path, done + 5, done + 5)


def test_a_reader_never_sees_an_id_without_its_vector(tmp_path):
    DatabaseFolder.create(tmp_path, DIMENSIONS, {}).close()
    reader = DatabaseFolder.open(tmp_path)
    writer = start(tmp_path, "w", 60)
    known, looks, counter = Mark(0, 0), 0, -1
    while known.generation < 60:
        if not reader.items.changed_elsewhere():
            assert writer.poll() in (None, 0)
            time.sleep(0.0005)
            continue
        looks += 1
        changes = reader.items.refresh(known)
        assert changes.mark.rows == rows_of_batches("w", changes.mark.generation)
        vectors, alive = reader.vectors(), reader.items.alive()
        assert len(vectors) == len(alive) == changes.mark.rows
        ids = [doc_id for batch in range(known.generation, changes.mark.generation) for doc_id in ids_of("w", batch)]
        assert reader.items.ids_of(changes.new) == ids
        expected = [vectors_of("w", batch) for batch in range(known.generation, changes.mark.generation)]
        assert np.array_equal(vectors[changes.first :], np.concatenate(expected))
        # One counter is alive, the newest; those between are removed in the commit that replaced them.
        assert (len(alive) - np.count_nonzero(alive)) == changes.mark.generation - 1
        replaced = [row for row in [counter, *changes.new] if row >= 0 and reader.items.ids_of([row]) == ["w-counter"]]
        assert changes.removed.tolist() == replaced[:-1]
        known, counter = changes.mark, replaced[-1]
        assert not alive[changes.removed].any() and alive[counter]
    assert looks > 1
    assert writer.end()[1] == 0
    reader.close()


def test_two_writers_take_turns(tmp_path):
    DatabaseFolder.create(tmp_path, DIMENSIONS, {}).close()
    here = DatabaseFolder.open(tmp_path)
    others = [start(tmp_path, name, 20) for name in ("one", "two")]
    for batch in range(20):
        here.insert(
            ids_of("here", batch),
            vectors_of("here", batch),
            [metadata_of(batch, i) for i in range(len(ids_of("here", batch)))],
        )
    for process in others:
        assert process.end()[1] == 0
    here.items.refresh()
    assert [whole_batches(here, name) for name in ("one", "two", "here")] == [20, 20, 20]
    assert here.items.mark == Mark(60, 3 * rows_of_batches("one", 20))
    assert here.verify() == []
    here.close()
