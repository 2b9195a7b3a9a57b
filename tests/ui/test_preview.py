"""The preview of a document: its chunks in its text, and the pages of a PDF beside it; each follows the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.fake_engine import HOSTILE, FakeEngine, make_document
from support.ui import make_app, running, screen_lines, screen_text, until

from ragterm.engine.types.documents import Block, Chunk
from ragterm.engine.types.errors import ParseError
from ragterm.ui import messages
from ragterm.ui.opening import open_file
from ragterm.ui.screens.preview import PreviewScreen
from ragterm.ui.widgets.chunk_reader import ChunkReader

PARAGRAPH = "Words of page {}: " + "the kettle boils and the lid stays shut. " * 30


class Paged(FakeEngine):
    """Document 1 is a PDF of four pages, a paragraph each, and its chunks overlap by ten characters."""

    def document(self, document_id: str, collection: str = "default", content_hash: str = "") -> Any:
        made = super().document(document_id, collection, content_hash)
        if made.kind != "pdf":
            return made
        text, blocks = "", []
        for page in range(1, 5):
            part = PARAGRAPH.format(page)
            blocks.append(Block("paragraph", len(text), len(text) + len(part), page, (f"Part {page}",)))
            text += part + "\n\n"
        return replace(made, text=text, blocks=tuple(blocks), pages=4)

    def chunks(self, document_id: str, collection: str = "default") -> list[Chunk]:
        document = self.document(document_id)
        if document.kind != "pdf":
            return super().chunks(document_id, collection)
        found = []
        for block in document.blocks:
            for start in (block.start, block.start + 590):
                end = min(start + 600, block.end)
                found.append(
                    Chunk(f"c{start}", document_id, "b1", len(found), start, end, document.text[start:end], "", block.page,
                          block.section, 120)
                )  # fmt: skip
        return found


async def previewed(app: Any, pilot: Any, number: int = 1) -> PreviewScreen:
    app.post_message(messages.PreviewRequested(make_document(number, hostile=app.engine.hostile).id))
    await until(pilot, lambda: isinstance(app.screen, PreviewScreen) and app.screen.reader.lines)
    return app.screen


async def pictured(app: Any, pilot: Any, page: int) -> None:
    await until(pilot, lambda: app.screen.pages.shown is not None and app.screen.pages.shown[0] == page)


def background_at(reader: ChunkReader, offset: int) -> Any:
    return reader._style(offset).bgcolor


@pytest.mark.parametrize("theme", ["ragterm", "paper", "contrast", "terminal"])
async def test_neighbouring_chunks_have_other_colours_and_what_they_share_is_underlined(theme: str) -> None:
    app = make_app(Paged(), theme=theme)
    async with running(app) as pilot:
        reader = (await previewed(app, pilot)).reader
        first, second, third = reader.pieces[:3]
        tints = [background_at(reader, one.start + 20) for one in (first, second, third)]
        assert len(set(tints)) == 3 and None not in tints
        shared = reader._style(second.start + 3)
        assert shared.underline and not reader._style(second.start + 50).underline
        assert background_at(reader, second.start + 3) == tints[0]  # both: the current chunk's colour wins
        reader.go(1)
        assert reader._style(second.start + 50).bold and not reader._style(first.start + 50).bold


async def test_keys_go_from_chunk_to_chunk_and_the_facts_follow() -> None:
    app = make_app(Paged())
    async with running(app) as pilot:
        screen = await previewed(app, pilot)
        text = screen_text(app)
        assert "chunk 1 of 8" in text and "page 1 of 4" in text and "120 tokens" in text and "Part 1" in text
        await pilot.press("n")
        await pilot.pause()
        one = screen.reader.pieces[1]
        assert f"characters {one.start:,}–{one.end:,}" in screen_text(app)
        assert "10 shared with the one before" in screen_text(app)
        await pilot.press("p", "p")
        await pilot.pause()
        assert "chunk 1 of 8" in screen_text(app)
        await pilot.press(*["right"] * 8)
        await pilot.pause()
        assert "chunk 8 of 8" in screen_text(app) and "Part 4" in screen_text(app)


async def test_the_page_stands_beside_the_text_and_both_turn_together() -> None:
    app = make_app(Paged())
    async with running(app) as pilot:
        screen = await previewed(app, pilot)
        await pictured(app, pilot, 1)
        assert "▀" in screen_text(app)
        await pilot.press("pagedown", "pagedown")
        await pictured(app, pilot, 3)
        assert "page 3 of 4" in screen_text(app) and "Words of page 3" in screen_text(app)
        assert screen.reader.chunk.page == 3
        await pilot.press("pageup")
        await pictured(app, pilot, 2)
        assert screen.reader.chunk.page == 2
        await pilot.press("n", "n")  # the chunk after the page's last one is on the next page
        await pictured(app, pilot, 3)
        await pilot.press("pageup", "pageup", "pageup")
        await pictured(app, pilot, 1)


async def test_the_last_page_stays_though_the_top_of_the_view_is_of_the_page_before() -> None:
    app = make_app(Paged())
    async with running(app, size=(160, 60)) as pilot:
        screen = await previewed(app, pilot)
        await pilot.press("pagedown", "pagedown", "pagedown")
        await pictured(app, pilot, 4)
        assert screen.reader.page_at(screen.reader.offset_at_top) < 4  # the text ends before its top could be page 4
        assert screen.pages.page == 4 and screen.reader.chunk.page == 4


async def test_a_scrolled_text_turns_the_page() -> None:
    app = make_app(Paged())
    async with running(app) as pilot:
        screen = await previewed(app, pilot)
        await pictured(app, pilot, 1)
        screen.reader.scroll_to(y=screen.reader.line_of(screen.document.blocks[2].start) + 1, animate=False, force=True)
        await pictured(app, pilot, 3)


async def test_pages_seen_before_are_not_drawn_again() -> None:
    app = make_app(Paged())
    async with running(app) as pilot:
        await previewed(app, pilot)
        await pictured(app, pilot, 1)
        await until(pilot, lambda: [call[2] for call in app.engine.calls if call[0] == "page_image"] == [1, 2])
        await pilot.press("pagedown")
        await pictured(app, pilot, 2)
        await pilot.press("pageup")
        await pictured(app, pilot, 1)
        pages = [call[2] for call in app.engine.calls if call[0] == "page_image"]
        assert pages.count(1) == 1 and pages.count(2) == 1


async def test_a_changed_file_is_said_and_the_text_stays() -> None:
    engine = Paged()
    engine.page_error = ParseError("The file has changed since it was indexed", f"other {HOSTILE}", "ingest it again")
    app = make_app(engine)
    async with running(app) as pilot:
        await previewed(app, pilot)
        await until(pilot, lambda: "The file has changed" in screen_text(app))
        assert "→ ingest it again" in screen_text(app) and "Words of page 1" in screen_text(app)
        engine.page_error = None
        await pilot.press("pagedown")
        await pictured(app, pilot, 2)
        assert "The file has changed" not in screen_text(app)


async def test_a_narrow_terminal_shows_one_of_the_two() -> None:
    app = make_app(Paged())
    async with running(app, size=(80, 24)) as pilot:
        screen = await previewed(app, pilot)
        assert "Words of page 1" in screen_text(app) and "▀" not in screen_text(app)
        assert not any(call[0] == "page_image" for call in app.engine.calls)
        await pilot.press("i")
        await pictured(app, pilot, 1)
        assert "▀" in screen_text(app) and not screen.reader.display
        await pilot.press("i")
        await pilot.pause()
        assert "Words of page 1" in screen_text(app) and "▀" not in screen_text(app)


async def test_a_document_without_pages_scrolls_by_page() -> None:
    app = make_app()
    async with running(app, size=(60, 16)) as pilot:
        screen = await previewed(app, pilot, 0)
        assert not screen.has_pages and "chunk 1 of" in screen_text(app)
        await pilot.press("pagedown")
        await until(pilot, lambda: screen.reader.scroll_offset.y > 0)


async def test_a_click_makes_a_chunk_the_current_one_and_c_copies_it() -> None:
    app = make_app(Paged())
    async with running(app) as pilot:
        screen = await previewed(app, pilot)
        target = screen.reader.pieces[1]
        y = screen.reader.line_of(target.start + 200)
        await pilot.click(ChunkReader, offset=(20, y))
        await pilot.pause()
        assert screen.reader.chunk == target
        await pilot.press("c")
        assert app.clipboard == target.text


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_hostile_documents_are_harmless(size: tuple[int, int]) -> None:
    app = make_app(FakeEngine(hostile=True))
    async with running(app, size=size) as pilot:
        for number in range(6):
            await previewed(app, pilot, number)
            await pilot.press("n", "end", "n", "i")
            await pilot.pause()
            assert not any(c in screen_text(app) for c in "\x1b\x9b\x07\x00\u202e\u2066")
            await pilot.press("escape")
            await pilot.pause()
            assert len(screen_lines(app)) == size[1]


async def test_what_is_gone_is_said() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.post_message(messages.PreviewRequested("0" * 16))
        await until(pilot, lambda: "No such document" in screen_text(app))


async def test_a_document_without_chunks_says_so() -> None:
    engine = FakeEngine()
    engine.chunks = lambda *_: []  # type: ignore[method-assign]
    app = make_app(engine)
    async with running(app) as pilot:
        await previewed(app, pilot, 0)
        await pilot.press("n", "p", "c")
        assert "this document has no chunks" in screen_text(app)


def test_only_documents_on_disk_are_opened(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("subprocess.Popen", lambda command, **_: started.append(command))
    monkeypatch.setattr("ragterm.ui.opening.opener", lambda: ["open-it"])
    for name in ("a.pdf", "run.sh", "x.desktop", "tool.py"):
        (tmp_path / name).write_text("x")
    assert open_file(str(tmp_path / "a.pdf")) == "opened a.pdf"
    assert "might be run" in open_file(str(tmp_path / "run.sh"))
    assert "might be run" in open_file(str(tmp_path / "x.desktop"))
    assert "not on disk" in open_file(str(tmp_path / "mail.eml!" / "a.pdf"))
    assert started == [["open-it", str(tmp_path / "a.pdf")]]
