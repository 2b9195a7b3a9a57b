"""The ledger's rows: filtered, sorted, tried again, looked at; by keys and by mouse, narrow and wide."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len
from support.fake_engine import HOSTILE, FakeEngine
from support.ui import make_app, running, screen_lines, screen_text, until

from ragterm.engine.types.ingesting import OUTCOMES, DocumentOutcome, IngestProgress, IngestReport
from ragterm.ui import messages
from ragterm.ui.panes.documents import DocumentsPane
from ragterm.ui.widgets.ledger import IngestLedger
from ragterm.ui.widgets.ledger_table import SORT_KEYS, LedgerTable, matches, took, why
from ragterm.ui.widgets.row_table import fit

FILES = (
    DocumentOutcome(
        "/d/page 10.pdf", "added", "i10", "Ten", "pdf", "pypdfium2", 12, 40, 2.5, ("1 page waits for OCR",)
    ),
    DocumentOutcome("/d/page 9.pdf", "added", "i9", "Nine", "pdf", "pypdfium2", 3, 7, 0.4),
    DocumentOutcome(
        "/d/scan.pdf", "failed", "ff", "", "pdf", seconds=0.2, stage="parse", error="no text", hint="run OCR"
    ),
    DocumentOutcome("/d/copy.md", "duplicate", "cc", "Copy", "markdown"),
    DocumentOutcome("/d/huge.csv", "skipped", "hh", "", "csv", error="larger than 200 MB"),
    DocumentOutcome("/d/notes.md", "updated", "nn", "Notes", "markdown", "markdown", None, 7, 0.1),
)


def table_of(app: Any) -> LedgerTable:
    return app.query_one(LedgerTable)


def names(app: Any) -> list[str]:
    return [one.path.removeprefix("/d/") for one in table_of(app).rows]


async def ingested(app: Any, pilot: Any, files: tuple[DocumentOutcome, ...] = FILES) -> None:
    app.bridge.publish(messages.IngestStarted("default"))
    app.bridge.publish(messages.IngestProgressed(IngestProgress("embedding", "default", "", 9, 3, finished=files[:3])))
    app.bridge.publish(messages.IngestProgressed(IngestProgress("embedding", "default", "", 9, 6, finished=files[3:])))
    app.bridge.publish(messages.IngestFinished(IngestReport("default", files, 54, 4.0)))
    await until(pilot, lambda: "Done: " in screen_text(app) and len(table_of(app).outcomes) == len(files))
    table_of(app).focus()
    await pilot.pause()


@pytest.mark.parametrize("size", [(80, 40), (160, 48)])
async def test_each_file_has_its_stage_parser_pages_chunks_warnings_and_time(size: tuple[int, int]) -> None:
    app = make_app()
    async with running(app, size=size) as pilot:
        await ingested(app, pilot)
        row = next(one for one in screen_lines(app) if "page 10.pdf" in one)
        for fact in ("✓ added", "pypdfium2", " 12 ", " 40 ", " 1 ", "2.5 s"):
            assert fact in row, fact
        failed = next(one for one in screen_lines(app) if "scan.pdf" in one and "✗ failed" in one and "parse" in one)
        assert "parse: no text" in failed and "0.2 s" in failed
        assert any("– skipped" in one and "larger than" in one for one in screen_lines(app))


async def test_the_filter_takes_name_kind_state_and_reason_and_stays_for_the_next_ingest() -> None:
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot)
        await pilot.press("slash", *"pdf added")
        await pilot.pause()
        assert names(app) == ["page 10.pdf", "page 9.pdf"]
        await pilot.press("enter")
        assert table_of(app).has_focus
        await ingested(app, pilot)
        assert names(app) == ["page 10.pdf", "page 9.pdf"]
        await pilot.press("slash", "escape")
        await pilot.pause()
        assert len(names(app)) == len(FILES) and table_of(app).has_focus
    failed = FILES[2]
    assert matches(failed, ["failed", "pdf"]) and matches(failed, ["no", "text"]) and not matches(failed, ["added"])
    assert not matches(FILES[5], ["d"]) or "d" in "notes.md notes markdown updated"


async def test_a_letter_in_the_filter_is_a_letter() -> None:
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot)
        await pilot.press("slash", *"or R")
        assert app.query_one("#ledger-filter").value == "or R"
        assert app.engine.calls == [] and table_of(app).sorted_by == ""


async def test_sorting_by_key_and_click_is_stable_and_remembered() -> None:
    app = make_app()
    async with running(app, size=(160, 48)) as pilot:
        await ingested(app, pilot)
        await pilot.press("o")
        assert table_of(app).sorted_by == "stage"
        assert names(app)[:3] == ["scan.pdf", "huge.csv", "copy.md"]
        assert names(app)[3:5] == ["page 10.pdf", "page 9.pdf"]  # equals: in the order in which they ended
        await pilot.press("o")
        assert names(app) == ["copy.md", "huge.csv", "notes.md", "page 9.pdf", "page 10.pdf", "scan.pdf"]
        head = next(one for one in screen_lines(app) if "parser" in one and "file ↑" in one)
        region = table_of(app).content_region
        await pilot.click(LedgerTable, offset=(head.index("chunks") - region.x, 0))
        await pilot.pause()
        assert names(app)[:3] == ["page 10.pdf", "page 9.pdf", "notes.md"]
        await pilot.click(LedgerTable, offset=(head.index("chunks") - region.x, 0))
        await pilot.pause()
        assert names(app)[-1] == "page 10.pdf" and names(app)[:2] == ["scan.pdf", "copy.md"]
        await ingested(app, pilot)
        assert table_of(app).sorted_by == "chunks" and names(app)[-1] == "page 10.pdf"


def test_every_column_and_outcome_can_be_sorted() -> None:
    for outcome in OUTCOMES:
        for key in SORT_KEYS.values():
            key(DocumentOutcome("/x", outcome))


async def test_sorted_rows_that_arrive_go_where_they_belong() -> None:
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot, FILES[:3])
        await pilot.press("o", "o")
        table_of(app).add(FILES[3:])
        assert names(app) == ["copy.md", "huge.csv", "notes.md", "page 9.pdf", "page 10.pdf", "scan.pdf"]


async def test_it_follows_the_newest_until_the_reader_moves_away() -> None:
    many = tuple(DocumentOutcome(f"/d/{n}.md", "added", str(n)) for n in range(40))
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot, many)
        assert table_of(app).current.path == "/d/39.md" and " 39.md" in screen_text(app)
        await pilot.press("up")
        table_of(app).add([DocumentOutcome("/d/late.md", "added", "late")])
        await pilot.pause()
        assert table_of(app).current.path == "/d/38.md"
        assert table_of(app).rows[-1].path == "/d/late.md"


async def test_files_in_work_stand_below_with_their_stage() -> None:
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot, FILES[:2])
        app.bridge.publish(messages.IngestStarted("default"))
        working = (("/d/scan.pdf", "parsing"), ("/d/notes.md", "embedding"))
        app.bridge.publish(
            messages.IngestProgressed(IngestProgress("embedding", "default", finished=FILES[:2], working=working))
        )
        await until(pilot, lambda: "▸ reading   scan.pdf" in screen_text(app))
        assert "▸ embedding notes.md" in screen_text(app)
        assert names(app) == ["page 10.pdf", "page 9.pdf", "scan.pdf", "notes.md"]
        await pilot.press("o", "o", "end", "enter", "r")
        assert names(app) == ["page 9.pdf", "page 10.pdf", "scan.pdf", "notes.md"]
        assert len(app.screen_stack) == 1 and app.engine.calls == []  # nothing is done to a file in work
        app.bridge.publish(messages.IngestFinished(IngestReport("default", FILES[:3], 47, 4.0)))
        await until(pilot, lambda: "▸" not in screen_text(app))
        assert names(app) == ["page 9.pdf", "page 10.pdf", "scan.pdf"] and "✗ failed" in screen_text(app)


async def test_r_tries_the_marked_again_and_capital_r_all_that_failed() -> None:
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot)
        await pilot.press("home", "space", "space", "r")
        await until(pilot, lambda: any(call[0] == "reingest" for call in app.engine.calls))
        assert app.engine.calls[-1][1] == ("i10", "i9")
        await until(pilot, lambda: not app.bridge.ingesting)
        await pilot.press("R")
        await until(pilot, lambda: len([call for call in app.engine.calls if call[0] == "reingest"]) == 2)
        assert app.engine.calls[-1][1] == ("f" * 16,)  # the failed document of the collection


async def test_keys_in_the_ledger_never_meet_the_list_behind_it() -> None:
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot)
        await pilot.press("x", "delete", "l")
        await pilot.pause()
        assert len(app.screen_stack) == 1 and app.limit is None
        pane = app.query_one(DocumentsPane)
        assert pane.check_action("remove", ()) is False
        pane.table.focus()
        await pilot.pause()
        assert pane.check_action("remove", ()) is True


async def test_enter_opens_the_document_or_says_why_not() -> None:
    app = make_app()
    async with running(app) as pilot:
        indexed = app.bridge.listed.documents[3]
        files = (DocumentOutcome(indexed.path, "added", indexed.id), FILES[2])
        await ingested(app, pilot, files)
        await pilot.press("end", "enter")
        await until(pilot, lambda: type(app.screen).__name__ == "ErrorScreen")
        assert "scan.pdf could not be read" in screen_text(app) and "→ run OCR" in screen_text(app)
        await pilot.press("escape", "home", "enter")
        await until(pilot, lambda: type(app.screen).__name__ == "PreviewScreen")
        assert app.screen.document.id == indexed.id


async def test_pause_cancel_and_retry_are_offered_when_they_make_sense() -> None:
    app = make_app()
    async with running(app, size=(200, 44)) as pilot:
        assert "R Retry failed" in screen_lines(app)[-1] and "Pause" not in screen_lines(app)[-1]
        app.engine.step = 0.2
        app.bridge.reingest([row.id for row in app.bridge.listed.documents[1:12]])
        await until(pilot, lambda: app.query(IngestLedger) and "p Pause" in screen_lines(app)[-1])
        assert "c Cancel ingest" in screen_lines(app)[-1] and "Retry failed" not in screen_lines(app)[-1]
        assert "p pause · c cancel" in screen_text(app)
        table_of(app).focus()
        await pilot.press("p")
        assert app.bridge.ingest_paused
        await pilot.press("c")
        await until(pilot, lambda: "Cancelled: " in screen_text(app))


async def test_hostile_names_and_reasons_are_drawn_harmlessly() -> None:
    bad = DocumentOutcome(
        f"/d/{HOSTILE}.pdf", "failed", "x", HOSTILE, "pdf", stage=HOSTILE, error=HOSTILE, hint=HOSTILE
    )
    app = make_app(FakeEngine(hostile=True))
    async with running(app) as pilot:
        await ingested(app, pilot, (bad,))
        text = screen_text(app)
        assert "✗ failed" in text and not any(c in text for c in "\x1b\x9b\x07\x00\u202e\u2066")
        await pilot.press("enter")
        await until(pilot, lambda: type(app.screen).__name__ == "ErrorScreen")


async def test_ten_thousand_files_cost_what_is_seen() -> None:
    many = tuple(DocumentOutcome(f"/d/{n}.md", "added", str(n)) for n in range(10_000))
    app = make_app()
    async with running(app) as pilot:
        await ingested(app, pilot)
        asked: list[str] = []
        table = table_of(app)
        cells = table.cells
        table.cells = lambda one: (asked.append(one.path), cells(one))[1]  # type: ignore[assignment]
        table.add(many)
        await pilot.pause()
        assert "9999.md" in screen_text(app) and len(set(asked)) < 100


def test_a_long_name_is_cut_in_the_middle() -> None:
    for text in ("features__steps__test_files__par-hyperlinks.docx", "世" * 40 + ".md", "e\u0301" * 40):
        cut = fit(text, 21, middle=True)
        assert cell_len(cut) == 21 and "…" in cut and cut.endswith(text[-3:]) and cut.startswith(text[:2])
    assert fit("features__steps__par-hyperlinks.docx", 20, middle=True) == "feature…erlinks.docx"
    assert fit("short.md", 12, middle=True) == "short.md    "


def test_words_for_time_and_reason() -> None:
    assert [took(s) for s in (0.0, 0.04, 0.4, 99.0, 3600.0)] == ["", "", "0.4 s", "99.0 s", "60 min"]
    assert why(FILES[2]) == "parse: no text → run OCR"
    assert why(FILES[4]) == "larger than 200 MB" and why(FILES[0]) == ""
