"""The Documents pane: list, ledger, collections, what one can do to documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_engine import FakeEngine, make_document
from support.ui import make_app, running, screen_text, until, write_files
from textual.widgets import Button, Input

from ragterm.engine.types.documents import DocumentRow
from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport
from ragterm.ui import messages
from ragterm.ui.panes.documents import DocumentsPane, matches
from ragterm.ui.screens.dialogs import ConfirmScreen, ErrorScreen
from ragterm.ui.widgets.document_card import card
from ragterm.ui.widgets.ledger import IngestLedger, bar, progress_head, summary
from ragterm.ui.widgets.ledger_table import LedgerTable
from ragterm.ui.widgets.row_table import RowTable
from ragterm.ui.wording import counted, duration, natural, size


def table_of(app) -> RowTable:
    return app.query_one("#table", RowTable)


def titles(app) -> list[str]:
    return [row.title for row in table_of(app).rows]


async def test_documents_are_listed_in_the_order_a_person_counts() -> None:
    app = make_app()
    async with running(app):
        assert titles(app) == ["scan", *(f"Service handbook {n}" for n in range(25))]
        assert "Documents of default: 26" in screen_text(app)
        assert "1 failed" in screen_text(app)


async def test_sorting_by_key_and_by_a_click_on_the_head() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("o")
        assert [row.kind for row in table_of(app).rows] == sorted(row.kind for row in table_of(app).rows)
        lines = screen_text(app).splitlines()
        y = next(i for i, one in enumerate(lines) if "state" in one and "title" in one)
        region = table_of(app).content_region
        await pilot.click("#table", offset=(lines[y].index("state") - region.x, 0))
        await pilot.pause()
        assert table_of(app).rows[0].state == "failed"
        await pilot.click("#table", offset=(lines[y].index("state") - region.x, 0))
        await pilot.pause()
        assert table_of(app).rows[-1].state == "failed"


async def test_the_filter_takes_words_of_title_path_kind_and_state() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("slash", *"pdf hand 1")
        await pilot.pause()
        assert titles(app) == [f"Service handbook {n}" for n in (1, 13, 19)]
        await pilot.press("escape")
        await pilot.pause()
        assert len(titles(app)) == 26
        assert table_of(app).has_focus


def test_matching_by_hand() -> None:
    row = DocumentRow("1", "/docs/Report.PDF", "Annual Report", "pdf", 3, 4, "indexed")
    assert matches(row, ["report", "annual"])
    assert matches(row, ["indexed"])
    assert not matches(row, ["report", "monthly"])
    assert sorted(["page 10", "Page 9", "page 1"], key=natural) == ["page 1", "Page 9", "page 10"]


async def test_the_card_says_what_is_known_and_shows_the_first_lines() -> None:
    app = make_app()
    async with running(app, size=(160, 44)) as pilot:
        assert "parse: no text on any page" in screen_text(app)
        assert "ocrmypdf" in screen_text(app)
        await pilot.press("down", "down")
        await until(pilot, lambda: "The Aurora kettle carries" in screen_text(app))
        assert "read by pdfium · 3 pages" in screen_text(app)
        assert "! 2 pages hold only pictures" in screen_text(app)


def test_the_card_in_full() -> None:
    row = DocumentRow("1", "/d/a.pdf", "A", "pdf", 3, 4, "indexed", ("w1", "w2"), 12_100, "2026-01-05T10:00:00Z",
                      seconds=0.3, parser="pdfium")  # fmt: skip
    said = card(row, make_document(1), {}).plain
    assert said.startswith("A\n/d/a.pdf\npdf · read by pdfium · 3 pages · 4 chunks · 12 kB · 0.3 s\n2026-01-05 10:00\n")
    assert "\n\n! w1\n! w2\n\nAurora" in said
    copy = DocumentRow("2", "/d/b.pdf", "B", "pdf", None, 0, "duplicate", duplicate_of="1")
    assert "the same content as A" in card(copy, None, {"1": "A"}).plain
    assert card(None, None, {}).plain == "No document is chosen."


async def test_a_text_that_is_gone_is_said_in_the_card_and_opens_no_dialog() -> None:
    app = make_app()
    async with running(app, size=(160, 44)) as pilot:
        row = DocumentRow("0" * 16, "/gone.md", "Gone", "markdown", None, 3, "indexed")
        app.bridge.publish(messages.DocumentsListed("default", (), (row,)))
        await until(pilot, lambda: "No such document" in screen_text(app))
        assert len(app.screen_stack) == 1


async def test_enter_opens_the_text_and_for_a_failure_the_reason() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ErrorScreen))
        assert "scan.pdf could not be read" in screen_text(app)
        assert "→ run it through OCR first" in screen_text(app)
        await pilot.press("escape", "down", "enter")
        await until(pilot, lambda: type(app.screen).__name__ == "PreviewScreen")
        assert "Service handbook 0" in screen_text(app)


async def test_marked_documents_are_removed_after_a_question() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("down", "space", "space", "x")
        assert isinstance(app.screen, ConfirmScreen)
        assert "Service handbook 0" in screen_text(app) and "Service handbook 1" in screen_text(app)
        await pilot.press("enter")  # the focus is on "Keep"
        assert len(app.screen_stack) == 1 and app.engine.calls == []
        marked = {row.id for row in table_of(app).chosen}
        await pilot.press("x", "y")
        await until(pilot, lambda: any(call[0] == "remove" for call in app.engine.calls))
        assert set(app.engine.calls[-1][1]) == marked and len(marked) == 2
        await until(pilot, lambda: len(titles(app)) == 24)
        assert table_of(app).marked == set()


async def test_reingest_takes_the_marked_ones() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("down", "r")
        await until(pilot, lambda: any(call[0] == "reingest" for call in app.engine.calls))
        assert len(app.engine.calls[-1][1]) == 1


async def test_questions_can_be_limited_to_marked_documents() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("down", "space", "space", "l")
        await until(pilot, lambda: app.limit is not None)
        assert len(app.limit) == 2


async def test_an_empty_collection_teaches_and_loads_the_samples_with_one_key() -> None:
    app = make_app(FakeEngine(count=0))
    async with running(app) as pilot:
        assert "Drag a folder or files" in screen_text(app)
        assert app.query_one("#samples", Button).has_focus
        await pilot.press("s")
        await until(pilot, lambda: any(call[0] == "ingest" for call in app.engine.calls))
        assert app.engine.calls[0][1][0].endswith("sample_docs")
        await until(pilot, lambda: not app.bridge.ingesting and "Drag a folder or files" not in screen_text(app))


async def test_collections_are_made_switched_and_deleted() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("n", *"default", "enter")
        assert "there is a collection of this name" in screen_text(app)
        app.screen.query_one(Input).value = "contracts"
        await pilot.press("enter")
        await until(pilot, lambda: app.bridge.collection == "contracts" and "Drag a folder" in screen_text(app))
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: app.bridge.collection == "default" and len(titles(app)) == 26)
        assert app.collection_names == ("default",)


async def test_the_ledger_follows_an_ingest_pauses_and_is_closed(tmp_path: Path) -> None:
    names = [f"note {n}.md" for n in range(12)] + ["broken.md"]
    folder = write_files(tmp_path / "docs", names)
    app = make_app(FakeEngine(step=0.1))
    async with running(app) as pilot:
        app.bridge.ingest([str(folder)])
        await until(pilot, lambda: "42 chunks/s" in screen_text(app))
        await pilot.press("p")
        assert app.bridge.ingest_paused
        await until(pilot, lambda: "p go on · c cancel" in screen_text(app))
        text = screen_text(app)
        assert "paused" in text and "of 13 files" in text and "p go on · c cancel" in text
        await pilot.press("p")
        assert not app.bridge.ingest_paused
        await until(pilot, lambda: "Done: 12 added, 1 failed" in screen_text(app))
        app.query_one(LedgerTable).focus()
        await pilot.press("home")
        await until(pilot, lambda: "parse: the file is damaged" in screen_text(app))
        assert "→ open it in" in screen_text(app)
        assert "added     note 0.md" in screen_text(app)
        await until(pilot, lambda: len(titles(app)) == 38)
        await pilot.press("e")
        await pilot.pause()
        assert "Done: 12 added" not in screen_text(app)


async def test_an_ingest_is_cancelled_and_says_so(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "docs", [f"{n}.md" for n in range(80)])
    app = make_app(FakeEngine(step=0.05))
    async with running(app) as pilot:
        app.bridge.ingest([str(folder)])
        await until(pilot, lambda: "of 80 files" in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: "Cancelled: " in screen_text(app))
        assert "Ingest cancelled" in screen_text(app)


async def test_pause_and_cancel_are_offered_only_while_an_ingest_runs() -> None:
    app = make_app()
    async with running(app):
        assert "Pause" not in screen_text(app).splitlines()[-1]
        pane = app.query_one(DocumentsPane)
        assert pane.check_action("cancel", ()) is False


async def test_the_last_line_follows_the_list() -> None:
    """The list comes from a thread, after the focus: what can be done with a document is offered as soon as there is one."""
    app = make_app()
    async with running(app) as pilot:
        app.query_one(DocumentsPane).table.focus()
        full = app.bridge.listed
        assert full is not None
        for documents, offered in [((), False), (full.documents, True)]:
            app.bridge.publish(messages.DocumentsListed(full.collection, full.collections, documents))
            await until(pilot, lambda offered=offered: ("Re-ingest" in screen_text(app).splitlines()[-1]) is offered)


async def test_the_keyboard_is_not_lost_where_a_list_goes_and_comes_at_once() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.query_one(DocumentsPane).table.focus()
        full = app.bridge.listed
        assert full is not None
        for documents in ((), full.documents) * 3:
            app.bridge.publish(messages.DocumentsListed(full.collection, full.collections, documents))
        await until(pilot, lambda: app.focused is app.query_one(DocumentsPane).table)


async def test_the_keyboard_finds_the_button_that_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    async with running(app) as pilot:
        pane, full = app.query_one(DocumentsPane), app.bridge.listed
        assert full is not None
        pane.table.focus()
        await until(pilot, lambda: app.focused is pane.table)
        # The frame after which the focus moves comes at once, before what is mounted has made its button.
        monkeypatch.setattr(pane, "call_after_refresh", lambda ask: ask())
        app.bridge.publish(messages.DocumentsListed(full.collection, full.collections, ()))
        await until(pilot, lambda: app.focused is not None and app.focused.id == "samples")


async def test_ten_thousand_documents_cost_what_is_seen() -> None:
    rows = tuple(
        DocumentRow(f"{n:016x}", f"/docs/{n}.md", f"Document {n}", "markdown", None, 3, "indexed")
        for n in range(10_000)
    )
    app = make_app()
    async with running(app) as pilot:
        asked = []
        table = table_of(app)
        cells = table.cells
        table.cells = lambda row: (asked.append(row.id), cells(row))[1]  # type: ignore[assignment]
        app.bridge.publish(messages.DocumentsListed("default", tuple(app.engine.collections()), rows))
        await until(pilot, lambda: len(table.rows) == 10_000)
        await pilot.press("end")
        await pilot.pause()
        assert table.current.title == "Document 9999"
        assert "Document 9999" in screen_text(app)
        assert len(set(asked)) < 200


async def test_cursor_and_marks_survive_a_new_list() -> None:
    app = make_app()
    async with running(app) as pilot:
        await pilot.press("down", "down", "space")
        key, marked = table_of(app).current.id, set(table_of(app).marked)
        app.engine.remove_documents([table_of(app).rows[1].id])
        app.bridge.refresh_documents()
        await until(pilot, lambda: len(titles(app)) == 25)
        assert table_of(app).current.id == key
        assert table_of(app).marked == marked


def test_the_head_of_the_ledger_fits_its_width() -> None:
    progress = IngestProgress("embedding", "default", "/a/" + "x" * 200 + ".md", 212, 117, 4210, 9000, 61.7, 68.0, 81.0)
    for width in (40, 60, 80, 140):
        first, second = progress_head(progress, width, failed=3).plain.split("\n")
        assert len(first) == width
        assert len(second) <= width
        assert "117 of 212 files · 3 failed" in first
        assert "about 1 min 21 s left" in second
        assert ("4,210 chunks · 62 chunks/s" in second) == (width >= 80)


def test_the_bar_in_half_cells() -> None:
    assert bar(0, 4) == ("", "━━━━")
    assert bar(0.5, 4) == ("━━", "━━")
    assert bar(0.625, 4) == ("━━╸", "━")
    assert bar(1, 4) == ("━━━━", "")
    assert bar(7, 4) == ("━━━━", "")


def test_the_summary_counts_every_outcome() -> None:
    outcomes = [DocumentOutcome(f"/{n}", "added") for n in range(3)]
    outcomes += [DocumentOutcome("/x", "failed"), DocumentOutcome("/y", "skipped", error="too large")]
    report = IngestReport("default", tuple(outcomes), 120, 4.0, warnings=("the language is not English [/x]",))
    text = summary(report).plain
    assert text == (
        "Done: 3 added, 1 failed, 1 skipped   120 chunks in 4 s, 30 chunks/s\nthe language is not English [/x]"
    )
    assert summary(IngestReport("default", (), 0, 0.1)).plain.startswith("Done: nothing to do")


async def test_the_report_completes_what_the_progress_left_out() -> None:
    app = make_app()
    async with running(app) as pilot:
        one, two = DocumentOutcome("/a.md", "added"), DocumentOutcome("/b.md", "unchanged")
        app.bridge.publish(messages.IngestStarted("default"))
        app.bridge.publish(messages.IngestProgressed(IngestProgress("embedding", "default", finished=(one,))))
        app.bridge.publish(messages.IngestFinished(IngestReport("default", (one, two), 4, 1.0)))
        await until(pilot, lambda: "unchanged b.md" in screen_text(app))
        assert app.query_one(IngestLedger).table.outcomes == [one, two]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (duration(8.4), "8 s"),
        (duration(81), "1 min 21 s"),
        (duration(7500), "2 h 5 min"),
        (size(812), "812 B"),
        (size(14_200), "14 kB"),
        (size(3_100_000), "3.1 MB"),
        (size(5_000_000_000), "5.0 GB"),
        (counted(1, "file"), "1 file"),
        (counted(1200, "file"), "1,200 files"),
    ],
)
def test_figures_as_a_person_says_them(made: str, said: str) -> None:
    assert made == said
