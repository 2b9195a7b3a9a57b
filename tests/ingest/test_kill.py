"""`kill -9` at random moments: the next start continues, no document is half there, none is lost or doubled."""

from __future__ import annotations

import random
import time

from support.forked import Forked
from support.ingest_process import main
from support.ingesting import SETTINGS, Library, write

from ragterm.engine.ingest import audit, ingest, unfinished
from ragterm.engine.store import CollectionStore
from ragterm.engine.types.ingesting import IngestProgress

WORDS = [
    "ant",
    "bee",
    "cat",
    "dog",
    "eel",
    "fox",
    "gnu",
    "hen",
    "ibis",
    "jay",
    "kite",
    "lark",
    "mole",
    "newt",
    "owl",
    "pig",
]


def contents(store: CollectionStore) -> dict[str, list[tuple[str, int, int, str]]]:
    """Everything that must be the same however often the ingest was interrupted."""
    return {
        row.path: [(c.id, c.start, c.end, c.text) for c in store.chunks.of_document(row.id)]
        for row in store.documents.rows()
    }


def test_the_one_that_waits_takes_over_when_the_other_dies(tmp_path):
    rng = random.Random(3)
    for number in range(40):
        text = " ".join(rng.choice(WORDS) + str(rng.randrange(50)) for _ in range(300))
        write(tmp_path / "docs", **{f"{'one' if number % 2 else 'two'}__n{number:02}": f"# Note {number}\n\n{text}"})
    folder = tmp_path / "h" / "c"
    first = Forked(main, folder, tmp_path / "docs" / "one", 0.3)
    assert first.stdout.readline() == "ready\n"
    messages: list[str] = []

    def watch(picture: IngestProgress) -> None:
        messages.append(picture.message)
        if "another ragterm" in picture.message and first.poll() is None:
            first.kill()
            first.end()

    second = Library(folder)
    while second.store.jobs.indexer() is None:  # until the first one is at it
        time.sleep(0.01)
    report = ingest([tmp_path / "docs" / "two"], second.rooms(), SETTINGS, watch)
    assert any(f"process {first.pid}" in message and "queued 20 files" in message for message in messages)
    assert report.counts["added"] == len(report.outcomes) == 20
    assert len(contents(second.store)) == 40 and unfinished(second.store) == 0
    assert any("another ingest" in warning for warning in report.warnings)
    assert audit(second.store, second.dense, second.keyword) == []
    second.close()


def test_ten_kills(tmp_path):
    docs, rng = tmp_path / "docs", random.Random(2)
    for number in range(120):
        text = " ".join(rng.choice(WORDS) + str(rng.randrange(50)) for _ in range(rng.choice([30, 300, 900])))
        write(docs, **{f"n{number:03}": f"# Note {number}\n\n{text}"})
    folder, kills = tmp_path / "h" / "killed", 0
    while True:
        process = Forked(main, folder, docs, 0.05)
        assert process.stdout.readline() == "ready\n"
        if kills == 10:
            assert process.end() == (["done\n"], 0)
            break
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        assert process.end() == ([], -9), "it was done before it was killed ten times: make the documents longer"
        kills += 1
        with CollectionStore(folder) as store:
            assert audit(store) == []
    killed, whole = Library(folder), Library(tmp_path / "h" / "whole")
    ingest([docs], whole.rooms(), SETTINGS)
    assert unfinished(killed.store) == 0
    assert len(contents(whole.store)) == 120
    assert contents(killed.store) == contents(whole.store)
    assert audit(killed.store, killed.dense, killed.keyword) == []
    killed.close()
    whole.close()
