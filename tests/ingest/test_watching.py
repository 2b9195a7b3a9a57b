"""Following folders: what changes is noticed, in one round after a moment of quiet, whatever happens to the folder."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.ingesting import SETTINGS, write

from ragterm.engine.ingest import audit, ingest
from ragterm.engine.ingest.watching import Changes, FolderWatch, Pace
from ragterm.engine.types.errors import StoreError
from ragterm.engine.types.ingesting import DocumentOutcome, IngestReport

PACE = Pace(quiet=0.05, patience=0.5, tick=0.05)


class Rounds:
    """What a watch did; `expect` waits for what its thread will bring about."""

    def __init__(self, work: Callable[[list[str]], object] = lambda paths: None) -> None:
        self.done: list[list[str]] = []
        self.notices: list[str] = []
        self.looks = 0
        self._work = work

    def work(self, paths) -> None:
        self._work(list(paths))
        self.done.append([Path(path).name for path in paths])

    def watch(self, *roots: Path, pace: Pace = PACE, leave: tuple[Path, ...] = ()) -> FolderWatch:
        def asked() -> list[str]:
            self.looks += 1
            return [str(root) for root in roots]

        watch = FolderWatch(asked, self.work, self.notices.append, leave=leave, pace=pace).start()
        assert watch.started.wait(10)
        return watch

    def look_again(self) -> None:
        """Wait until the watch has looked at its roots several times, and done what it then found to do."""
        seen = self.looks
        until(lambda: self.looks > seen + 4)


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not come true"
        time.sleep(0.01)


@pytest.mark.parametrize("poll", [0.0, 0.05])
def test_a_collection_follows_its_folder(library, docs, poll):
    write(docs, a="# A\n\nApples.", sub__b="# B\n\nPears.")
    reports: list[IngestReport] = []
    rounds = Rounds(lambda paths: reports.append(ingest(paths, library.rooms(), SETTINGS, following=True)))
    watch = rounds.watch(docs, pace=Pace(quiet=0.05, patience=0.5, tick=0.05, poll=poll))
    assert library.store.chunks.count() == 2  # the first look
    write(docs, c="# C\n\nPlums.", sub__new__d="# D\n\nFigs.")
    until(lambda: library.store.chunks.count() == 4)
    (docs / "a.md").rename(docs / "z.md")
    (docs / "sub" / "b.md").unlink()
    (docs / "c.md").write_text("# C\n\nPlums, many of them.")
    names = lambda: sorted(Path(row.path).name for row in library.store.documents.rows())  # noqa: E731
    until(lambda: names() == ["c.md", "d.md", "z.md"])
    until(lambda: library.keyword.search("many", 5))
    (docs / ".ragtermignore").write_text("sub/\n")
    until(lambda: names() == ["c.md", "z.md"])
    watch.stop()
    assert watch.error is None and audit(library.store, library.dense, library.keyword) == []


def test_what_changes_during_a_round_is_the_next_round(docs):
    write(docs, a="one")
    inside, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def work(paths) -> None:
        seen.append((docs / "a.md").read_text())
        if len(seen) == 2:
            inside.set()
            assert go_on.wait(10)

    rounds = Rounds(work)
    watch = rounds.watch(docs)
    write(docs, a="two")
    assert inside.wait(10)
    write(docs, a="three")
    go_on.set()
    until(lambda: seen[-1] == "three" and len(rounds.done) == len(seen))
    watch.stop()


def test_a_burst_of_changes_is_one_round(docs):
    write(docs, a="one")
    rounds = Rounds()
    watch = rounds.watch(docs, pace=Pace(quiet=0.4, patience=5.0, tick=0.05))
    write(docs, **{f"n{i}": "text" for i in range(200)})
    until(lambda: len(rounds.done) == 2)
    watch.stop()
    assert rounds.done == [["docs"], ["docs"]]


def test_a_folder_that_vanishes_keeps_its_documents_until_it_is_back(library, docs, tmp_path):
    write(docs, a="# A\n\nApples.", b="# B\n\nPears.")
    rounds = Rounds(lambda paths: ingest(paths, library.rooms(), SETTINGS, following=True))
    watch = rounds.watch(docs)
    docs.rename(tmp_path / "elsewhere")
    until(lambda: any("gone" in line for line in rounds.notices))
    docs.mkdir()  # the empty place where a drive was mounted
    rounds.look_again()
    assert library.store.chunks.count() == 2
    docs.rmdir()
    (tmp_path / "elsewhere").rename(docs)
    write(docs, c="# C\n\nPlums.")
    until(lambda: library.store.chunks.count() == 3)
    write(docs, d="# D\n\nFigs.")  # and it is followed as before
    until(lambda: library.store.chunks.count() == 4)
    watch.stop()
    assert [line.rpartition("docs ")[2].split(":")[0] for line in rounds.notices] == ["is gone or empty", "is back"]


def test_only_the_roots_concerned_and_files_that_were_named(tmp_path):
    one, two, named = tmp_path / "one", tmp_path / "two", tmp_path / "named.md"
    write(one, a="text")
    write(two, b="text", inner__c="text")
    named.write_text("text")
    rounds = Rounds()
    watch = rounds.watch(one, two, two / "inner", named)
    assert rounds.done == [["inner", "named.md", "one", "two"]] or sorted(rounds.done[0]) == [
        "inner",
        "named.md",
        "one",
        "two",
    ]
    write(one, a="changed")
    until(lambda: len(rounds.done) == 2)
    replaced = tmp_path / "other.md"
    replaced.write_text("an editor writes another file and renames it")
    replaced.rename(named)
    until(lambda: len(rounds.done) == 3)
    write(two, inner__c="changed")
    until(lambda: len(rounds.done) == 4)
    watch.stop()
    assert rounds.done[1:] == [["one"], ["named.md"], ["two", "inner"]] or rounds.done[3] == ["inner", "two"]


def test_what_is_never_read_starts_no_round(docs, tmp_path):
    write(docs, a="text")
    home = docs / "home"
    home.mkdir()
    (docs / ".git").mkdir()
    (docs / "node_modules" / "x").mkdir(parents=True)
    rounds = Rounds()
    watch = rounds.watch(docs, leave=(home,))
    for path in (
        home / "store.sqlite3",
        docs / ".git" / "index",
        docs / "node_modules" / "x" / "a.md",
        docs / ".a.md.swp",
    ):
        path.write_text("x")
    rounds.look_again()
    assert len(rounds.done) == 1
    (docs / ".gitignore").write_text("x")
    until(lambda: len(rounds.done) == 2)
    watch.stop()


def test_a_round_that_fails_is_told_and_tried_again(docs, monkeypatch):
    monkeypatch.setattr("ragterm.engine.ingest.watching._RETRY_SECONDS", 0.1)
    write(docs, a="text")
    tries: list[int] = []

    def work(paths) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("The disk is full", "for a test", "free some space")

    rounds = Rounds(work)
    watch = rounds.watch(docs)
    until(lambda: len(rounds.done) == 1)
    watch.stop()
    assert len(tries) == 3 and "The disk is full: for a test (free some space)" in rounds.notices


def test_without_notifications_the_folders_are_walked(docs, monkeypatch):
    import watchfiles

    real = watchfiles.watch
    monkeypatch.setattr("ragterm.engine.ingest.watching._POLL_WITHOUT_EVENTS", 0.05)

    def limited(*paths, **options):
        if not options["force_polling"]:
            raise OSError("OS file watch limit reached.")
        return real(*paths, **options)

    monkeypatch.setattr(watchfiles, "watch", limited)
    write(docs, a="text")
    rounds = Rounds()
    watch = rounds.watch(docs)
    write(docs, b="text")
    until(lambda: len(rounds.done) == 2)
    watch.stop()
    assert any("limit reached" in line for line in rounds.notices)


def test_a_root_that_is_added_later_is_followed(tmp_path):
    write(tmp_path / "one", a="text")
    roots = [tmp_path / "one"]
    rounds = Rounds()
    watch = FolderWatch(lambda: [str(root) for root in roots], rounds.work, pace=PACE).start()
    assert watch.started.wait(10)
    write(tmp_path / "two", b="text")
    roots.append(tmp_path / "two")
    until(lambda: ["two"] in rounds.done)
    write(tmp_path / "two", b="changed")
    until(lambda: rounds.done.count(["two"]) == 2)
    watch.stop()
    assert not watch.running and shutil.rmtree(tmp_path / "two") is None


def test_only_what_is_new_is_news():
    def report(*outcomes: tuple[str, str, str]) -> IngestReport:
        return IngestReport("c", tuple(DocumentOutcome(path, what, error=why) for path, what, why in outcomes), 0, 0.0)  # type: ignore[arg-type]

    changes = Changes()
    first = report(("a", "added", ""), ("b", "failed", "no text"), ("c", "skipped", "hidden"))
    assert [one.path for one in changes.of(first)] == ["a", "b", "c"]
    again = report(("a", "unchanged", ""), ("b", "failed", "no text"), ("c", "skipped", "hidden"))
    assert changes.of(again) == []
    later = report(("a", "updated", ""), ("b", "failed", "damaged"), ("c", "added", ""))
    assert [one.path for one in changes.of(later)] == ["a", "b", "c"]
    assert [one.path for one in changes.of(report(("c", "skipped", "hidden")))] == ["c"]
