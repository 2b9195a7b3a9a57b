"""Archives and e-mails in an ingest: what they hold is counted, kept in step with them, and read once."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.containers import mail_of, put, tar_of, zip_of
from support.forked import Forked
from support.ingest_process import main
from support.ingesting import SETTINGS, Library, counts, write

from ragterm.engine.documents import unpacking
from ragterm.engine.documents.sources import document_id
from ragterm.engine.ingest import audit, containers, ingest, reingest, remove_documents, resume, unfinished
from ragterm.engine.store import NewJob, Owner
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.ingesting import IngestProgress, IngestReport


def outcomes(report: IngestReport, docs: Path) -> dict[str, str]:
    """Outcome by path; every path once."""
    assert len({one.path for one in report.outcomes}) == len(report.outcomes)
    return {os.path.relpath(one.path, docs): one.outcome for one in report.outcomes}


def paths(library: Library, docs: Path) -> dict[str, str]:
    return {os.path.relpath(row.path, docs): row.state for row in library.store.documents.rows()}


def sound(library: Library) -> None:
    assert audit(library.store, library.dense, library.keyword) == []
    assert not (library.store.folder / "unpacked").exists()
    assert unfinished(library.store) == 0


def found_by(library: Library, word: str, docs: Path) -> list[str]:
    keys = [key for key, _ in library.keyword.search(word, 100)]
    return sorted({os.path.relpath(one.path, docs) for one in library.store.chunks.by_keys(keys).values()})


def test_a_mail_and_an_archive_become_documents_with_their_members(library, docs):
    put(
        docs / "mail.eml",
        mail_of("The plums are ripe.", {"notes.md": "# Notes\n\nPears fell.", "logo.png": b"\x89PNG"}),
    )
    put(docs / "a.zip", zip_of({"x/one.md": "# One\n\nApples.", "x/two.txt": "Quinces are yellow.", "x/.hidden": "no"}))
    report = ingest([docs], library.rooms(), SETTINGS)
    assert outcomes(report, docs) == {
        "mail.eml": "added",
        "mail.eml!/notes.md": "added",
        "mail.eml!/logo.png": "skipped",
        "a.zip": "added",
        "a.zip!/x/one.md": "added",
        "a.zip!/x/two.txt": "added",
    }
    assert found_by(library, "pears", docs) == ["mail.eml!/notes.md"]
    assert found_by(library, "plums", docs) == ["mail.eml"]
    # The listing of an archive answers no question: only the file itself is found by its name.
    assert found_by(library, "quinces two", docs) == ["a.zip!/x/two.txt"]
    archive = library.store.documents.document(document_id(docs / "a.zip"))
    assert "x/two.txt" in archive.text and "1 file left out: hidden" in archive.warnings
    skipped = library.store.documents.row(document_id(f"{docs}/mail.eml!/logo.png"))
    assert skipped is not None and skipped.state == "skipped" and ".png" in skipped.error
    sound(library)


def test_progress_counts_members(library, docs):
    put(docs / "a.zip", zip_of({f"{n}.md": f"# N\n\nNumber {n}." for n in range(5)} | {"x.png": b"x"}))
    pictures: list[IngestProgress] = []
    ingest([docs], library.rooms(), SETTINGS, pictures.append)
    assert pictures[-1].stage == "done" and pictures[-1].files_done == pictures[-1].files_total == 7
    assert sum(len(picture.finished) for picture in pictures) == 7


def test_a_second_ingest_opens_nothing_and_counts_everything(library, docs):
    put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples.", "b.tar": tar_of({"two.txt": "Quinces."}), "c.png": b"x"}))
    put(docs / "mail.eml", mail_of("Hello.", {"twin.md": "# One\n\nApples.", "empty.txt": b""}))
    first = ingest([docs], library.rooms(), SETTINGS)
    assert counts(first) == {"added": 5, "duplicate": 1, "skipped": 1, "failed": 1}
    ingest([docs], library.rooms(), SETTINGS)  # what failed is tried twice
    library.parsed.clear()
    generation = library.store.generation
    again = ingest([docs], library.rooms(), SETTINGS)
    assert counts(again) == {"unchanged": 5, "duplicate": 1, "skipped": 1, "failed": 1}
    assert set(outcomes(again, docs)) == set(outcomes(first, docs))
    assert library.parsed == [] and library.store.generation == generation
    sound(library)


def test_a_touched_container_is_hashed_and_not_opened(library, docs):
    archive = put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples.", "b.png": b"x"}))
    ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    os.utime(archive, (1, 1))
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 2, "skipped": 1}
    assert library.parsed == []


def test_a_changed_container_replaces_what_changed(library, docs):
    put(
        docs / "a.zip",
        zip_of({"one.md": "# One\n\nApples.", "two.md": "# Two\n\nPears.", "old.md": "# Old\n\nMedlars."}),
    )
    ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    embedded = library.embedder.texts
    put(
        docs / "a.zip", zip_of({"one.md": "# One\n\nApples.", "two.md": "# Two\n\nPlums.", "new.md": "# New\n\nSloes."})
    )
    report = ingest([docs], library.rooms(), SETTINGS)
    assert outcomes(report, docs) == {
        "a.zip": "updated",
        "a.zip!/one.md": "unchanged",
        "a.zip!/two.md": "updated",
        "a.zip!/new.md": "added",
        "a.zip!/old.md": "removed",
    }
    assert sorted(library.parsed) == ["a.zip", "new.md", "two.md"]
    assert library.embedder.texts - embedded == 2
    assert found_by(library, "pears medlars", docs) == []
    assert found_by(library, "sloes", docs) == ["a.zip!/new.md"]
    removed = library.dense.search(library.embedder.embed_query("# Old\n\nMedlars."), 10)[0]
    assert {one.path for one in library.store.chunks.by_keys(removed).values()} == {
        f"{docs}/a.zip!/{name}.md" for name in ("one", "two", "new")
    }
    sound(library)


def test_a_nested_container_that_is_unchanged_keeps_its_members(library, docs):
    inner = zip_of({"deep.md": "# Deep\n\nDamsons."})
    put(docs / "a.zip", zip_of({"inner.zip": inner, "x.md": "# X\n\nApples."}))
    ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    put(docs / "a.zip", zip_of({"inner.zip": inner, "x.md": "# X\n\nPears."}))
    report = ingest([docs], library.rooms(), SETTINGS)
    assert outcomes(report, docs) == {
        "a.zip": "updated",
        "a.zip!/x.md": "updated",
        "a.zip!/inner.zip": "unchanged",
        "a.zip!/inner.zip!/deep.md": "unchanged",
    }
    assert sorted(library.parsed) == ["a.zip", "x.md"]
    put(docs / "a.zip", zip_of({"x.md": "# X\n\nPears."}))
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"updated": 1, "unchanged": 1, "removed": 2}
    assert found_by(library, "damsons", docs) == []
    sound(library)


def test_what_it_held_goes_with_a_container(library, docs):
    put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples."}))
    put(docs / "mail.eml", mail_of("Plums.", {"n.md": "# N\n\nPears."}))
    put(docs / "b.zip", zip_of({"two.md": "# Two\n\nSloes."}))
    ingest([docs], library.rooms(), SETTINGS)
    (docs / "a.zip").unlink()
    put(docs / "b.zip", b"PK\x03\x04 no more than that")
    assert outcomes(ingest([docs], library.rooms(), SETTINGS), docs) == {
        "a.zip": "removed",
        "a.zip!/one.md": "removed",
        "b.zip": "failed",
        "b.zip!/two.md": "removed",
        "mail.eml": "unchanged",
        "mail.eml!/n.md": "unchanged",
    }
    (docs / "mail.eml").unlink()
    assert counts(ingest([docs / "mail.eml"], library.rooms(), SETTINGS)) == {"removed": 2}
    assert paths(library, docs) == {"b.zip": "failed"}
    assert found_by(library, "apples pears plums sloes", docs) == [] and library.store.chunks.count() == 0
    with pytest.raises(NotFoundError):
        ingest([f"{docs}/mail.eml!/n.md"], library.rooms(), SETTINGS)
    sound(library)


def test_a_moved_container_is_not_embedded_again(library, docs):
    put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples."}))
    ingest([docs], library.rooms(), SETTINGS)
    embedded = library.embedder.texts
    (docs / "a.zip").rename(docs / "b.zip")
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"added": 2, "removed": 2}
    assert library.embedder.texts == embedded
    sound(library)


def test_a_copy_of_a_container_is_opened_when_the_original_goes(library, docs):
    content = zip_of({"one.md": "# One\n\nApples."})
    put(docs / "a.zip", content)
    put(docs / "b.zip", content)
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"added": 2, "duplicate": 1}
    (docs / "a.zip").unlink()
    ingest([docs], library.rooms(), SETTINGS)
    assert paths(library, docs) == {"b.zip": "indexed", "b.zip!/one.md": "indexed"}
    sound(library)


def test_a_member_takes_the_place_of_its_twin_on_disk(library, docs):
    write(docs, one="# One\n\nApples.")
    ingest([docs], library.rooms(), SETTINGS)
    put(docs / "a.zip", zip_of({"b.zip": zip_of({"one.md": "# One\n\nApples."})}))
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"unchanged": 1, "added": 2, "duplicate": 1}
    (docs / "one.md").unlink()
    ingest([docs], library.rooms(), SETTINGS)
    # Its bytes were let go of: both containers are opened again for them.
    assert paths(library, docs) == {"a.zip": "indexed", "a.zip!/b.zip": "indexed", "a.zip!/b.zip!/one.md": "indexed"}
    sound(library)


def test_removing_a_container_removes_its_members(library, docs):
    put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples.", "b.zip": zip_of({"c.md": "# C\n\nSloes."})}))
    ingest([docs], library.rooms(), SETTINGS)
    assert remove_documents([document_id(docs / "a.zip")], library.rooms(), SETTINGS) == 4
    assert paths(library, docs) == {}
    assert counts(ingest([docs], library.rooms(), SETTINGS)) == {"added": 4}
    sound(library)


def test_reading_a_member_again(library, docs):
    put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples.", "x.png": b"x", "two.md": "# Two\n\nPears."}))
    ingest([docs], library.rooms(), SETTINGS)
    library.parsed.clear()
    report = reingest([document_id(f"{docs}/a.zip!/one.md")], library.rooms(), SETTINGS)
    assert outcomes(report, docs) == {"a.zip!/one.md": "updated"} and sorted(library.parsed) == ["a.zip", "one.md"]
    report = reingest([document_id(f"{docs}/a.zip!/x.png")], library.rooms(), SETTINGS)
    assert outcomes(report, docs)["a.zip!/x.png"] == "skipped"
    assert counts(ingest([f"{docs}/a.zip!/one.md"], library.rooms(), SETTINGS)) == {"updated": 1}
    sound(library)


def test_a_member_named_before_it_is_known(library, docs):
    put(docs / "a.zip", zip_of({"one.md": "# One\n\nApples."}))
    assert counts(ingest([f"{docs}/a.zip!/one.md"], library.rooms(), SETTINGS)) == {"added": 2}


def test_nested_archives_share_the_limit_of_files(library, docs, monkeypatch):
    monkeypatch.setattr(containers, "MEMBERS_LIMIT", 10)
    inner = {f"{n}.zip": zip_of({f"{n}-{m}.md": f"# {n}\n\nText {m}." for m in range(5)}) for n in range(4)}
    put(docs / "a.zip", zip_of(inner))
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"added": 1 + 10}
    warnings = [warning for one in report.outcomes for warning in one.warnings]
    assert any("over the limit of 10 files in a.zip" in warning for warning in warnings)
    sound(library)


def test_what_is_unpacked_is_read_soon_and_let_go_of(library, docs):
    for number in range(40):
        put(
            docs / f"{number:02}.zip", zip_of({f"{number:02}-{n}.md": f"# N\n\nNumber {number} {n}." for n in range(5)})
        )
    staged: list[int] = []
    library.before = lambda path: staged.append(len(list((library.store.folder / "unpacked").glob("*/*"))))
    ingest([docs], library.rooms(), SETTINGS)
    assert library.parsed.index("00-0.md") < library.parsed.index("39.zip")
    assert len(staged) == 240 and max(staged) < 150


def test_cancelled_in_the_middle_and_resumed(library, docs):
    put(docs / "a.zip", zip_of({f"{n}.md": f"# N\n\nNumber {n}." for n in range(30)}))
    for again in (
        lambda: resume(library.rooms(), SETTINGS),
        lambda: ingest([docs], library.rooms(), SETTINGS),
    ):
        control = Control()
        library.before = lambda path, control=control: control.cancel() if path.name == "7.md" else None
        assert ingest([docs], library.rooms(), SETTINGS, control=control).cancelled
        library.before = None
        assert unfinished(library.store)
        again()
        assert len(paths(library, docs)) == 31
        sound(library)
        remove_documents([document_id(docs / "a.zip")], library.rooms(), SETTINGS)


def test_staging_that_is_gone_is_made_again(library, docs):
    import shutil

    put(
        docs / "a.zip",
        zip_of({f"{n}.md": f"# N\n\nNumber {n}." for n in range(30)} | {"b.zip": zip_of({"x.md": "# X\n\nSloes."})}),
    )
    control = Control()
    library.before = lambda path: control.cancel() if path.name == "7.md" else None
    ingest([docs], library.rooms(), SETTINGS, control=control)
    library.before = None
    shutil.rmtree(library.store.folder / "unpacked")
    report = ingest([docs], library.rooms(), SETTINGS)
    assert len(outcomes(report, docs)) == 33 and not report.counts["failed"]
    assert len(paths(library, docs)) == 33
    sound(library)


def test_members_wait_for_a_container_that_is_to_be_read_again(library, docs):
    """As after a kill between the opening of a container and its commit, with the container changed since."""
    files = {f"{n}.md": f"# N\n\nNumber {n}." for n in range(12)}
    archive = put(docs / "a.zip", zip_of(files))
    names = [str(archive), *(f"{archive}!/{name}" for name in files)]
    jobs = [NewJob("ingest", document_id(name), name) for name in names]
    library.store.jobs.open_request(Owner(2**22 + 4242, "1"), jobs)
    put(archive, zip_of({**files, "0.md": "# N\n\nSloes."}))
    report = ingest([docs], library.rooms(), SETTINGS)
    assert counts(report) == {"added": 13} and len(outcomes(report, docs)) == 13
    assert set(paths(library, docs).values()) == {"indexed"} and found_by(library, "sloes", docs) == ["a.zip!/0.md"]
    assert library.parsed.count("a.zip") == 1
    sound(library)


def test_killed_in_the_middle(tmp_path):
    """As `test_kill`, with containers: nothing half there, nothing lost or doubled."""
    docs, rng = tmp_path / "docs", random.Random(4)
    for number in range(6):
        files = {f"{n}.md": f"# {number} {n}\n\n" + "plum " * rng.choice([30, 300]) + f"{number} {n}" for n in range(6)}
        put(
            docs / f"{number}.zip",
            zip_of({**files, "mail.eml": mail_of(f"Body {number}.", {"a.txt": f"Sloe {number}."})}),
        )
    folder = tmp_path / "h" / "killed"
    for kill in range(3):
        process = Forked(main, folder, docs, 0.05)
        assert process.stdout.readline() == "ready\n"
        if kill == 2:
            assert process.end() == (["done\n"], 0)
            break
        time.sleep(rng.uniform(0.1, 0.5))
        process.kill()
        process.end()
    killed, whole = Library(folder), Library(tmp_path / "h" / "whole")
    ingest([docs], whole.rooms(), SETTINGS)
    assert paths(killed, docs) == paths(whole, docs) and len(paths(whole, docs)) == 6 * 9
    for row in whole.store.documents.rows():
        texts = [[c.text for c in one.store.chunks.of_document(row.id)] for one in (killed, whole)]
        assert texts[0] == texts[1], row.path
    sound(killed)
    killed.close()
    whole.close()


def test_a_bomb_costs_its_own_row_with_real_parser_processes(tmp_path, docs):
    library = Library(tmp_path / "home" / "notes", processes=True)
    with (docs / "zeros").open("wb") as zeros:
        zeros.truncate(unpacking.RATIO_FREE * 2)
    import zipfile

    with zipfile.ZipFile(docs / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(docs / "zeros", "zeros.txt")
    (docs / "zeros").unlink()
    put(docs / "good.zip", zip_of({"one.md": "# One\n\nApples."}))
    report = ingest([docs], library.rooms(), replace(SETTINGS, ingest=replace(SETTINGS.ingest, memory_mb=1024)))
    assert outcomes(report, docs) == {"bomb.zip": "failed", "good.zip": "added", "good.zip!/one.md": "added"}
    failed = next(one for one in report.outcomes if one.outcome == "failed")
    assert "the limit is 200 times" in failed.error
    sound(library)
    library.close()
