"""An ingest brings a collection in step with a folder: every file counted once, everything whole, nothing done twice."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.ingesting import SETTINGS, Library, counts, write

from ragterm.engine.ingest import audit, ingest, reingest, remove_documents, resume, unfinished
from ragterm.engine.ingest.planning import FAILED_TRIES
from ragterm.engine.store import IndexerLock, NewJob, Owner
from ragterm.engine.store.jobs import TRIES_AT_ALL
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import ModelError, NotFoundError, ParseError, StoreError
from ragterm.engine.types.ingesting import IngestProgress, IngestReport

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]


def long_text(seed: int, words: int = 300) -> str:
    return f"# Number {seed}\n\n" + " ".join(f"{WORDS[(seed * 7 + i * i) % 12]}{(seed + i) % 17}" for i in range(words))


def sound(library: Library) -> None:
    assert audit(library.store, library.dense, library.keyword) == []


def names(report: IngestReport, outcome: str) -> list[str]:
    return [Path(one.path).name for one in report.outcomes if one.outcome == outcome]


def found_by(library: Library, word: str) -> list[str]:
    """Names of the documents in which the keyword index finds a word."""
    keys = [key for key, _ in library.keyword.search(word, 100)]
    return sorted({Path(one.path).name for one in library.store.chunks.by_keys(keys).values()})


def test_a_folder_becomes_searchable(library, docs):
    write(docs, a="# Apples\n\nApples are red.", sub__b="# Pears\n\nPears are green.")
    (docs / "picture.png").write_bytes(b"\x89PNG")
    (docs / "empty.md").write_text("")
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"added": 2, "skipped": 1, "failed": 1}
    failed = next(one for one in report.outcomes if one.outcome == "failed")
    assert failed.path.endswith("empty.md") and failed.stage and failed.error and failed.hint
    assert report.chunks == library.store.chunks.count() == 2
    assert found_by(library, "pears") == ["b.md"]
    keys, _ = library.dense.search(library.embedder.embed_query("# Apples\n\nApples are red."), 2)
    assert library.store.chunks.by_keys(keys[:1])[int(keys[0])].path.endswith("a.md")
    sound(library)


def test_a_second_ingest_reads_nothing(library, docs):
    write(docs, a="# A\n\nOne.", b="# B\n\nTwo.")
    ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    generation = library.store.generation
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 2}
    assert library.parsed == [] and library.loaded == 1 and library.store.generation == generation


def test_a_touched_file_is_hashed_and_not_parsed(library, docs):
    write(docs, a="# A\n\nOne.")
    ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    os.utime(docs / "a.md", (1, 1))
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 1}
    assert library.parsed == []
    assert library.store.documents.records().popitem()[1].mtime_ns == 1_000_000_000


def test_a_changed_file_replaces_its_chunks_and_keeps_equal_vectors(library, docs):
    text = "\n\n".join(long_text(i, 100) for i in range(20))
    write(docs, a=text, b="# B\n\nTwo.")
    before = ingest([docs], library.rooms(), SETTINGS)
    embedded = library.embedder.texts
    (changed,) = (row.id for row in library.store.documents.rows() if row.path.endswith("a.md"))
    known = {chunk.embedding_text for chunk in library.store.chunks.of_document(changed)}
    write(docs, a=text + " and a new end")
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"updated": 1, "unchanged": 1}
    new = {chunk.embedding_text for chunk in library.store.chunks.of_document(changed)} - known
    assert before.chunks > 100 and library.embedder.texts - embedded == len(new) <= 10
    assert library.store.documents.document(report.outcomes[0].document_id).text.endswith("new end")
    sound(library)


def test_files_that_are_gone_are_removed(library, docs):
    write(docs, a="# A\n\nApples.", sub__b="# B\n\nPears.", c="# C\n\nPlums.")
    ingest([docs], library.rooms(), SETTINGS)
    (docs / "a.md").unlink()
    (docs / "sub" / "b.md").unlink()
    report = ingest([docs / "sub"], library.rooms(), SETTINGS)
    assert counts(report) == {"removed": 1} and names(report, "removed") == ["b.md"]
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"removed": 1, "unchanged": 1}
    assert found_by(library, "apples pears plums") == ["c.md"]
    sound(library)


def test_a_named_file_that_is_gone_is_removed_and_an_unknown_path_is_an_error(library, docs):
    write(docs, a="# A\n\nApples.")
    ingest([docs], library.rooms(), SETTINGS)
    (docs / "a.md").unlink()
    assert counts(ingest([docs / "a.md"], library.rooms(), SETTINGS)) == {"removed": 1}
    with pytest.raises(NotFoundError):
        ingest([docs / "a.md"], library.rooms(), SETTINGS)


def test_a_moved_file_is_not_embedded_again(library, docs):
    write(docs, a=long_text(3))
    ingest([docs], library.rooms(), SETTINGS)
    embedded = library.embedder.texts
    (docs / "a.md").rename(docs / "z.md")
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"added": 1, "removed": 1}
    assert library.embedder.texts == embedded
    sound(library)


def test_exact_duplicates_and_who_follows_when_the_original_goes(library, docs):
    write(docs, a="# Same\n\nWords.", b="# Same\n\nWords.", c="# Same\n\nWords.", d="# Other\n\nText.")
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"added": 2, "duplicate": 2}
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 2, "duplicate": 2}
    (original,) = found_by(library, "words")
    (docs / original).unlink()
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"removed": 1, "added": 1, "duplicate": 1, "unchanged": 1}
    (heir,) = found_by(library, "words")
    assert heir != original
    sound(library)
    (docs / heir).write_text("# Same\n\nWords no more.")
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"updated": 1, "added": 1, "unchanged": 1}
    assert len(found_by(library, "words")) == 2
    sound(library)


def test_copies_of_a_file_that_fails_are_tried_themselves(library, docs):
    write(docs, a="# Same\n\nWords.", b="# Same\n\nWords.", c="# Same\n\nWords.")

    def break_the_first(path: Path) -> None:
        if not library.parsed:
            library.parsed.append(path.name)
            raise ParseError("It broke", "for a test", "never mind")

    library.before = break_the_first
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"failed": 1, "added": 1, "duplicate": 1}
    sound(library)


def test_removing_a_document_lets_its_duplicate_take_over(library, docs):
    write(docs, a="# Same\n\nWords.", b="# Same\n\nWords.")
    report = ingest([docs], library.rooms(), SETTINGS)
    original = next(one for one in report.outcomes if one.outcome == "added")
    assert remove_documents([original.document_id], library.rooms(), SETTINGS) == 1
    assert len(found_by(library, "words")) == 1
    assert [row.state for row in library.store.documents.rows()] == ["indexed"]
    sound(library)


def test_a_file_that_fails_twice_is_left_alone_until_it_changes(library, docs):
    write(docs, a="# A\n\nOne.")
    tried = []

    def breaks(path: Path) -> None:
        tried.append(path)
        raise ParseError("It broke", "for a test", "mend it")

    library.before = breaks
    for _ in range(FAILED_TRIES + 2):
        report = ingest([docs], library.rooms(), SETTINGS)
        assert counts(report) == {"failed": 1}
        assert report.outcomes[0].error == "It broke: for a test" and report.outcomes[0].hint == "mend it"
    assert len(tried) == FAILED_TRIES
    assert counts(reingest([report.outcomes[0].document_id], library.rooms(), SETTINGS)) == {"failed": 1}
    assert len(tried) == FAILED_TRIES + 1
    library.before = None
    write(docs, a="# A\n\nOne, mended.")
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"added": 1}
    sound(library)


def test_a_changed_file_that_cannot_be_read_any_more_no_longer_answers(library, docs):
    write(docs, a="# A\n\nApples.")
    ingest([docs], library.rooms(), SETTINGS)
    (docs / "a.md").write_text("")
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"failed": 1}
    assert found_by(library, "apples") == []
    sound(library)


def test_reingest_reads_unchanged_files_again(library, docs):
    write(docs, a="# A\n\nOne.", b="# B\n\nTwo.")
    report = ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    report = reingest([report.outcomes[0].document_id, "unknown"], library.rooms(), SETTINGS)
    assert counts(report) == {"updated": 1} and library.parsed == ["a.md"]
    sound(library)


def test_a_file_that_vanishes_while_it_is_read(library, docs):
    write(docs, a="# A\n\nOne.", b="# B\n\nTwo.")
    library.before = lambda path: path.unlink() if path.name == "a.md" else None
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"skipped": 1, "added": 1} and "gone" in report.outcomes[0].error
    assert [row.title for row in library.store.documents.rows()] == ["B"]


def test_a_file_that_changes_while_it_is_read(library, docs):
    write(docs, a="# A\n\nOne.", b="# B\n\nTwo.")
    changes = {"a.md": 1, "b.md": 99}

    def change(path: Path) -> None:
        if changes[path.name]:
            changes[path.name] -= 1
            path.write_text(f"# Changed\n\nAgain and again {changes[path.name]}.")

    library.before = change
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"added": 1, "failed": 1} and names(report, "failed") == ["b.md"]
    row = next(row for row in library.store.documents.rows() if row.state == "indexed")
    assert "Again and again 0" in library.store.documents.document(row.id).text
    sound(library)


# Progress, pause, cancel, resume


def test_progress_counts_every_file_and_ends_done(library, docs):
    write(docs, **{f"n{i}": long_text(i) for i in range(12)})
    pictures: list[IngestProgress] = []
    report = ingest([docs], library.rooms(), SETTINGS, pictures.append)
    assert [p.stage for p in pictures if p.stage in ("finding", "warming", "done")][:: len(pictures)] == ["finding"]
    assert pictures[0].stage == "finding" and pictures[-1].stage == "done"
    assert {"warming", "parsing", "embedding", "indexing"} <= {p.stage for p in pictures}
    assert pictures[-1].files_done == pictures[-1].files_total == 12
    assert pictures[-1].chunks_done == pictures[-1].chunks_known == report.chunks
    finished = [outcome for p in pictures for outcome in p.finished]
    assert sorted(one.path for one in finished) == sorted(one.path for one in report.outcomes)


def cancelled_after(library: Library, docs: Path, calls: int) -> IngestReport:
    """80 files of about 6 chunks, cancelled in the embedder's call number `calls` (a slice is at most 100 chunks)."""
    write(docs, **{f"n{i:02}": long_text(i) for i in range(80)})
    control = Control()
    library.embedder.on_call = lambda number: control.cancel() if number == calls else None
    report = ingest([docs], library.rooms(), SETTINGS, control=control)
    library.embedder.on_call = lambda number: None
    assert report.cancelled and report.counts["added"] < 80
    return report


def test_cancelling_keeps_what_is_done_and_resume_does_the_rest(library, docs):
    report = cancelled_after(library, docs, 3)
    done = report.counts["added"]
    assert done > 0 and counts(report) == {"added": done}
    assert unfinished(library.store) == 80 - done
    sound(library)
    rest = resume(library.rooms(), SETTINGS)
    assert counts(rest) == {"added": 80 - done} and not rest.cancelled
    assert unfinished(library.store) == 0
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 80}
    sound(library)


def test_cancelled_before_it_began(library, docs):
    write(docs, a="# A\n\nOne.")
    control = Control()
    control.cancel()
    assert ingest([docs], library.rooms(), SETTINGS, control=control).cancelled
    assert library.store.documents.rows() == []


def test_cancelling_does_not_wait_for_a_model_that_is_being_made(library, docs):
    write(docs, a="# A\n\nOne.")
    control, made = Control(), threading.Event()

    def slowly():
        control.cancel()
        assert made.wait(30)
        return library.embedder

    rooms = replace(library.rooms(), embedder=slowly)
    assert ingest([docs], rooms, SETTINGS, control=control).cancelled
    made.set()
    assert unfinished(library.store) == 1 and library.store.builds.live() is None


def test_pausing_stops_the_embedder_until_it_goes_on(tmp_path, docs):
    library = Library(tmp_path / "home" / "notes", seconds=0.02)
    write(docs, **{f"n{i:02}": long_text(i, 2000) for i in range(10)})
    control, stages = Control(), []
    paused = threading.Event()

    def watch(picture: IngestProgress) -> None:
        stages.append(picture.stage)
        if picture.stage == "embedding" and not paused.is_set():
            control.pause()
        if picture.stage == "paused":
            paused.set()

    def go_on() -> None:
        assert paused.wait(20)
        time.sleep(0.3)  # the slice in work ends
        calls = len(library.embedder.calls)
        time.sleep(0.3)
        held.append(len(library.embedder.calls) == calls)
        control.resume()

    held: list[bool] = []
    other = threading.Thread(target=go_on)
    other.start()
    report = ingest([docs], library.rooms(), SETTINGS, watch, control)
    other.join()
    assert held == [True] and counts(report) == {"added": 10}
    assert stages[-1] == "done"
    library.close()


def test_a_new_ingest_stands_for_a_cancelled_one(library, docs):
    cancelled_after(library, docs, 2)
    assert unfinished(library.store) > 0
    report = ingest([docs], library.rooms(), SETTINGS)
    assert sum(report.counts.values()) == 80 and unfinished(library.store) == 0
    sound(library)


# What can break


def test_the_embedder_fails_in_the_middle(tmp_path, docs):
    library = Library(tmp_path / "home" / "notes")
    write(docs, **{f"n{i:02}": long_text(i, 500) for i in range(8)})
    good = library.embedder.embed_documents

    def bad(texts):
        raise ModelError("The model broke", "for a test", "mend it")

    library.embedder.embed_documents = bad
    with pytest.raises(ModelError):
        ingest([docs], library.rooms(), SETTINGS)
    assert library.store.documents.rows() == [] and unfinished(library.store) == 8
    library.embedder.embed_documents = good
    assert counts(resume(library.rooms(), SETTINGS)) == {"added": 8}
    sound(library)
    library.close()


def test_another_model_is_refused_with_a_way_out(library, docs):
    write(docs, a="# A\n\nOne.")
    ingest([docs], library.rooms(), SETTINGS)
    library.embedder.model_id = "another"
    write(docs, b="# B\n\nTwo.")
    with pytest.raises(StoreError, match="another embedding model") as caught:
        ingest([docs], library.rooms(), SETTINGS)
    assert "-c" in caught.value.hint


def test_a_file_that_was_in_work_at_many_deaths_is_given_up(library, docs):
    write(docs, a="# A\n\nOne.", b="# B\n\nTwo.")
    request = None
    for _ in range(TRIES_AT_ALL):
        # A process that takes the job and dies: nothing but the count is left of it.
        if request is None:
            paths = {path.stem: str(path) for path in docs.iterdir()}
            from ragterm.engine.documents.sources import document_id

            jobs = [NewJob("ingest", document_id(paths["a"]), paths["a"], 12)]
            request = library.store.jobs.open_request(Owner(2**22 + 12345, "never"), jobs)
        library.store.jobs.recover()
        assert library.store.jobs.take(1) or library.store.jobs.take_alone()
    library.store.jobs.recover()
    assert unfinished(library.store) == 1
    report = resume(library.rooms(), SETTINGS)
    assert counts(report) == {"failed": 1}
    assert "killed" in report.outcomes[0].error and "ragterm ingest" in report.outcomes[0].hint
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"failed": 1, "added": 1}


def test_indexes_that_were_deleted_are_made_again(tmp_path, docs):
    library = Library(tmp_path / "home" / "notes")
    write(docs, **{f"n{i}": long_text(i) for i in range(5)})
    ingest([docs], library.rooms(), SETTINGS)
    library.close()
    shutil.rmtree(tmp_path / "home" / "notes" / "vectors")
    shutil.rmtree(tmp_path / "home" / "notes" / "keyword")
    library = Library(tmp_path / "home" / "notes")
    assert audit(library.store, library.dense, library.keyword) != []
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 5}
    sound(library)
    library.close()


def test_a_store_put_back_from_a_backup_gets_new_indexes(tmp_path, docs):
    folder = tmp_path / "home" / "notes"
    library = Library(folder)
    write(docs, a="# A\n\nApples.")
    ingest([docs], library.rooms(), SETTINGS)
    library.close()
    shutil.copy(folder / "store.sqlite3", tmp_path / "backup")
    library = Library(folder)
    write(docs, b="# B\n\nPears.")
    ingest([docs], library.rooms(), SETTINGS)
    library.close()
    shutil.copy(tmp_path / "backup", folder / "store.sqlite3")
    library = Library(folder)
    write(docs, b="# B\n\nPlums.")
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 1, "added": 1}
    assert found_by(library, "pears") == [] and found_by(library, "plums") == ["b.md"]
    sound(library)
    library.close()


def test_waiting_for_another_indexer_that_goes_away(library, docs):
    write(docs, a="# A\n\nOne.")
    lock, messages = IndexerLock(library.store.folder), []
    lock.acquire()

    def watch(picture: IngestProgress) -> None:
        messages.append(picture.message)
        if "indexing" in picture.message:
            lock.release()

    assert counts(ingest([docs], library.rooms(), SETTINGS, watch)) == {"added": 1}
    assert any(f"process {os.getpid()}" in message and "queued 1" in message for message in messages)


def test_two_at_once_share_the_work(tmp_path, docs):
    """Each of two processes (here: two openings of one collection) counts its own files; nothing is done twice."""
    first, second = Library(tmp_path / "h" / "c", seconds=0.03), Library(tmp_path / "h" / "c", seconds=0.03)
    write(docs, **{f"one__n{i:02}": long_text(i, 300) for i in range(15)})
    write(docs, **{f"two__n{i:02}": long_text(100 + i, 300) for i in range(15)})
    reports: dict[str, IngestReport] = {}

    def run(name: str, library: Library) -> None:
        reports[name] = ingest([docs / name], library.rooms(), SETTINGS)

    threads = [threading.Thread(target=run, args=pair) for pair in (("one", first), ("two", second))]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert counts(reports["one"]) == counts(reports["two"]) == {"added": 15}
    assert sorted(first.parsed + second.parsed) == sorted(2 * [f"n{i:02}.md" for i in range(15)])
    third = Library(tmp_path / "h" / "c")
    ingest([docs], third.rooms(), SETTINGS)
    sound(third)
    for library in (first, second, third):
        library.close()


def test_with_real_parser_processes(tmp_path, docs):
    library = Library(tmp_path / "home" / "notes", processes=True)
    write(docs, a="# A\n\nOne.", b="# B\n\nTwo.")
    (docs / "page.html").write_text(
        "<html><head><title>P</title></head><body><p>Some plain words here.</p></body></html>"
    )
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"added": 3}, report.outcomes
    sound(library)
    library.close()
