"""The source viewer: wrapping keeps every character in its place, spans are highlighted, changed and lost sources are said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from support.fake_engine import TEXT, FakeEngine, make_document
from support.ui import make_app, running, screen_lines, screen_text, until

from ragterm.engine.types.answers import Citation
from ragterm.ui import messages
from ragterm.ui.screens.source import SourceScreen, SourceView, wrap


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("ab -/\n\t世é\u0301👩"), max_size=120), st.integers(2, 12))
def test_lines_cover_the_text_in_order_and_fit(text: str, width: int) -> None:
    lines = wrap(text, width)
    at = 0
    for start, end in lines:
        assert text[at:start] in ("", "\n")  # nothing but a newline lies between two lines
        assert "\n" not in text[start:end]
        shown = text[start:end].rstrip(" ").replace("\t", " ")
        assert cell_len(shown) <= width or len(shown) == 1
        at = end
    assert text[at:] in ("", "\n")


def test_a_line_breaks_between_words() -> None:
    text = "A customer may return it within 30 days."
    assert [text[a:b] for a, b in wrap(text, 14)] == ["A customer may ", "return it ", "within 30 ", "days."]
    assert wrap("x" * 10, 4) == [(0, 4), (4, 8), (8, 10)]


QUOTE = "A customer may return an unused kettle within 30 days and receives a full refund."


def citation(engine: FakeEngine, **changes) -> Citation:
    document = make_document(1)
    start = TEXT.index(QUOTE)
    made = Citation(1, document.id, document.title, document.path, "0" * 64, 1, ("2 Refunds",), "x", start,
                    start + len(QUOTE), QUOTE, "verbatim", 1.0)  # fmt: skip
    return replace(made, **changes)


def highlighted(app) -> str:
    """The text on the screen that has the background of a citation."""
    view = app.screen.query_one(SourceView)
    wanted = view.get_component_rich_style("source--span", partial=True).bgcolor
    found = []
    for y in range(view.size.height):
        for segment in view.render_line(y):
            if segment.style is not None and segment.style.bgcolor == wanted:
                found.append(segment.text)
    return "".join(found)


async def opened(app, pilot, wish) -> None:
    app.post_message(wish)
    await until(pilot, lambda: isinstance(app.screen, SourceScreen) and app.screen.query_one(SourceView).lines)


@pytest.mark.parametrize("width", [80, 120, 200])
async def test_a_citation_opens_at_its_span_with_page_section_and_neighbours(width: int) -> None:
    app = make_app()
    async with running(app, size=(width, 40)) as pilot:
        await opened(app, pilot, messages.SourceRequested(citation=citation(app.engine)))
        assert highlighted(app).replace("  ", " ").strip() == QUOTE
        text = screen_text(app)
        assert "page 1 of 3" in text and "verbatim" in text
        assert "It does not cover limescale" in " ".join(text.split())  # what stands before it
        assert "p.1" in text and "p.2" in text
        await pilot.press("c")
        assert app.clipboard == QUOTE
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_the_head_follows_the_scroll() -> None:
    app = make_app()
    async with running(app, size=(80, 12)) as pilot:
        await opened(app, pilot, messages.SourceRequested(document_id=make_document(1).id))
        assert "page 1 of 3" in screen_text(app)
        await pilot.press("end")
        await until(pilot, lambda: "page 2 of 3" in screen_text(app))
        assert "3 Repairs" in screen_text(app)


async def test_a_source_that_changed_is_shown_as_it_was_cited_while_that_version_is_kept() -> None:
    engine = FakeEngine()
    document = make_document(1)
    old = replace(document, content_hash="1" * 64, text=TEXT.replace("30 days", "14 days"))
    engine.versions[document.id, "1" * 64] = old
    quote = QUOTE.replace("30 days", "14 days")
    app = make_app(engine)
    async with running(app) as pilot:
        wish = citation(engine, content_hash="1" * 64, quote=quote)
        await opened(app, pilot, messages.SourceRequested(citation=wish))
        assert "has changed since this answer was written: this is the version that was cited" in screen_text(app)
        assert highlighted(app).replace("  ", " ").strip() == quote


async def test_a_quote_is_found_where_it_has_moved_to() -> None:
    engine = FakeEngine()
    document = make_document(1)
    engine._documents["default"][document.id] = replace(
        document, text="New first line.\n\n" + TEXT, content_hash="2" * 64
    )
    app = make_app(engine)
    async with running(app) as pilot:
        await opened(app, pilot, messages.SourceRequested(citation=citation(engine)))
        assert "The source has changed since this answer was written" in screen_text(app)
        assert highlighted(app).replace("  ", " ").strip() == QUOTE


async def test_a_quote_that_is_gone_is_told() -> None:
    engine = FakeEngine()
    document = make_document(1)
    engine._documents["default"][document.id] = replace(document, text="All new.", blocks=(), content_hash="2" * 64)
    app = make_app(engine)
    async with running(app) as pilot:
        await opened(app, pilot, messages.SourceRequested(citation=citation(engine)))
        assert "It said: “A customer may return" in screen_text(app)
        assert highlighted(app) == ""


async def test_a_citation_outlives_its_document() -> None:
    app = make_app()
    async with running(app) as pilot:
        app.engine.remove_documents([make_document(1).id])
        await opened(app, pilot, messages.SourceRequested(citation=citation(app.engine)))
        assert "no longer in the collection" in screen_text(app)
        assert highlighted(app).replace("  ", " ").strip() == QUOTE


async def test_a_chunk_is_marked_and_a_document_that_is_not_there_is_an_error() -> None:
    app = make_app()
    async with running(app) as pilot:
        chunk = app.engine.chunks(make_document(1).id)[4]
        await opened(app, pilot, messages.SourceRequested(chunk=chunk))
        assert any("│ A customer may return" in one for one in screen_lines(app))
        await pilot.press("escape")
        app.post_message(messages.SourceRequested(document_id="f" * 16))
        await until(pilot, lambda: "No such document" in screen_text(app))


async def test_a_book_opens_and_its_end_is_reached() -> None:
    engine = FakeEngine()
    document = make_document(0)
    text = "\n".join(f"Line {n} of a long book with some words in it." for n in range(20_000))
    engine._documents["default"][document.id] = replace(document, text=text, blocks=())
    app = make_app(engine)
    async with running(app) as pilot:
        start = text.index("Line 19000 ")
        await opened(app, pilot, messages.SourceRequested(document_id=document.id, start=start, end=start + 10))
        await until(pilot, lambda: "Line 19000 of" in screen_text(app))
        assert highlighted(app) == "Line 19000"
        await pilot.press("end")
        await until(pilot, lambda: "Line 19999 of" in screen_text(app))
