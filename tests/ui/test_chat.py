"""Chat: asking, streaming, citations by mouse and keyboard, what goes wrong, and hostile text. The bridge is real."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import traces
from support.pane_app import PaneApp, TraceEngine
from support.ui import screen_text, until
from textual.pilot import Pilot

from ragterm.engine.types.answers import Sentence
from ragterm.engine.types.errors import LlmError
from ragterm.ui import messages
from ragterm.ui.panes.chat import ChatPane
from ragterm.ui.safe_text import plain
from ragterm.ui.widgets.answer import Exchange, answer_as_text, with_atoms
from ragterm.ui.widgets.conversation import Conversation
from ragterm.ui.widgets.line_view import spots_of
from ragterm.ui.widgets.text_view import TextScreen

QUESTION = "How long?"


async def ask(pilot: Pilot[Any], question: str = QUESTION) -> Exchange:
    pane: ChatPane = pilot.app.pane  # type: ignore[attr-defined]
    pane.prompt.focus()
    pane.prompt.replace_text(question)
    await pilot.press("enter")
    await until(pilot, lambda: bool(pane.conversation.exchanges) and not pane.conversation.exchanges[-1].under_way)
    await until(pilot, lambda: not pane.conversation._pending)
    return pane.conversation.exchanges[-1]


def text(app: PaneApp) -> str:
    conversation = app.query_one(Conversation)
    return "\n".join(line.content.plain for line in conversation.lines)


def run(
    steps: Callable[[PaneApp, Pilot[Any]], Awaitable[None]],
    engine: TraceEngine | None = None,
    size: tuple[int, int] = (100, 40),
) -> None:
    async def go() -> None:
        app = PaneApp(ChatPane, engine)
        async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(go())


# --- What an answer's lines say -------------------------------------------------------------------


def test_marks_carry_the_verdict_of_their_sentence_and_lead_to_their_citation() -> None:
    found = traces.trace()
    assert found.answer is not None
    written, atoms = with_atoms(found.answer, "cite:1")
    marks = [atoms[c].plain for c in written if c in atoms]
    assert marks == ["[2]✓", "[2]≡", "[4]~", " ✗", "[2]✓", "[3]✓"]
    leads = [[name for _, _, name in spots_of(atoms[c])] for c in written if c in atoms]
    assert leads == [["cite:1:0"], ["cite:1:0"], ["cite:1:2"], [], ["cite:1:0"], ["cite:1:1"]]


def test_a_marker_that_looks_like_a_link_is_still_a_mark() -> None:
    found = traces.trace()
    assert found.answer is not None
    broken = replace(found.answer, text="See [2](http://evil) and [3]: x", sentences=())
    written, atoms = with_atoms(broken, "cite:1")
    assert [atoms[c].plain for c in written if c in atoms] == ["[2]", "[3]"]


def test_of_several_citations_with_one_number_a_mark_leads_to_the_one_it_says() -> None:
    found = traces.trace()
    assert found.answer is not None
    one = found.answer.citations[0]
    quotes = ("Ask within 30 days.", "Partners ask on behalf of customers.", "Opened boxes cost ten euros.")
    said = (quotes[2] + " [1]", quotes[0] + " [1]")
    written = " ".join(said)
    sentences = (
        Sentence(said[0], 0, len(said[0]), (1,), "verbatim"),
        Sentence(said[1], len(said[0]) + 1, len(written), (1,), "verbatim"),
    )
    citations = tuple(replace(one, marker=1, quote=quote) for quote in quotes)
    marked, atoms = with_atoms(replace(found.answer, text=written, sentences=sentences, citations=citations), "c:1")
    assert [spots_of(atoms[c])[0][2] for c in marked if c in atoms] == ["c:1:2", "c:1:0"]


def test_private_characters_of_a_model_do_not_become_marks() -> None:
    found = traces.trace()
    assert found.answer is not None
    written, atoms = with_atoms(replace(found.answer, text="\ue000\ue001 [2]", sentences=()), "c")
    assert written.startswith("\ufffd\ufffd ") and len(atoms) == 1


@pytest.mark.parametrize("width", [20, 40, 78, 120, 250])
@pytest.mark.parametrize("make", [traces.trace, traces.declined, traces.broken_off, traces.hostile])
def test_every_line_fits(width: int, make: Callable[[], Any]) -> None:
    found = make()
    exchange = Exchange(
        1, found.question, "done", trace=found, notice=found.answer.notice, limited_to=(traces.HOSTILE,)
    )
    for line in exchange.lines(width):
        assert line.content.cell_length <= width, line.content.plain
        assert plain(line.content.plain) == line.content.plain


def test_the_copied_answer_names_every_source() -> None:
    exchange = Exchange(1, QUESTION, "done", trace=traces.trace())
    copied = answer_as_text(exchange)
    assert copied.startswith(QUESTION)
    assert "full refund of an annual plan [2]." in copied
    assert (
        '[2] /home/marta/policies/refund-policy-2025.pdf, page 3: "Annual plans can be refunded in full within 30 days of purchase."'
        " (verbatim)" in copied
    )


# --- Asking ---------------------------------------------------------------------------------------


def test_a_question_is_asked_streamed_and_cited() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        exchange = await ask(pilot)
        shown = text(app)
        assert exchange.state == "done"
        assert f"▌ {QUESTION}" in shown
        assert "Customers have 30 days from" in shown
        assert "[2] ≡ verbatim" in shown and "[3] ✓ supported" in shown and "[4] ~ weak" in shown
        assert "refund-policy-2025.pdf, page 3 › Refunds › Annual plans" in shown
        assert "✗ 1 unsupported" in shown and "ollama:llama3.2:3b" in shown
        assert "removed [9]: no such passage" in shown
        assert app.engine.calls[-1] == ("ask", QUESTION, None, ())
        assert app.pane.prompt.text == ""

    run(steps)


def test_the_last_answers_go_along_with_the_next_question() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        first = await ask(pilot)
        await ask(pilot, "And monthly plans?")
        assert first.answer is not None
        assert app.engine.calls[-1] == ("ask", "And monthly plans?", None, ((QUESTION, first.answer.text),))

    run(steps)


def test_the_stages_and_the_growing_text_are_shown_while_it_works() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        gate = threading.Semaphore(3)
        app.engine.gate = lambda: gate.acquire(timeout=5)
        app.pane.prompt.replace_text(QUESTION)
        await pilot.press("enter")
        await until(pilot, lambda: "Customers have **30" in "".join(e.text for e in app.pane.conversation.exchanges))
        await until(pilot, lambda: "Customers have 30" in text(app) or "Customers have **30" in text(app))
        title = str(app.pane.prompt.border_title)
        assert "ollama:llama3.2:3b is writing" in title and "dense 1.2 ms" in title
        app.engine.gate = None
        gate.release(200)
        await until(pilot, lambda: not app.pane.conversation.exchanges[-1].under_way)

    run(steps)


def test_escape_stops_and_keeps_what_was_written() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        gate = threading.Semaphore(4)
        app.engine.gate = lambda: gate.acquire(timeout=5)
        app.pane.prompt.replace_text(QUESTION)
        await pilot.press("enter")
        await until(
            pilot,
            lambda: "30" in app.pane.conversation.exchanges[-1].text if app.pane.conversation.exchanges else False,
        )
        await pilot.press("escape")
        gate.release(2)
        await until(pilot, lambda: app.pane.conversation.exchanges[-1].state == "stopped")
        await until(pilot, lambda: "You stopped this answer. What was written is kept." in text(app))
        assert "Customers have" in text(app)
        app.engine.gate = None
        assert (await ask(pilot)).state == "done"

    run(steps)


def test_an_error_is_one_line_with_the_next_step_and_the_app_stays_usable() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.broken = LlmError("Ollama is not running", "nothing answers at 127.0.0.1:11434", "run: ollama serve")
        exchange = await ask(pilot)
        assert exchange.state == "failed"
        assert "✗ Ollama is not running: nothing answers at 127.0.0.1:11434" in text(app)
        assert "→ run: ollama serve" in text(app)
        app.engine.broken = None
        await pilot.press("escape", "r")
        await until(pilot, lambda: app.pane.conversation.exchanges[-1].state == "done")
        assert len(app.pane.conversation.exchanges) == 2

    run(steps)


def test_a_broken_connection_keeps_the_part_and_says_so() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.answering = lambda settings: traces.broken_off()
        await ask(pilot)
        assert "Customers have 30 days" in text(app)
        assert "✗ Ollama closed the connection" in text(app) and "→ press r to ask again" in text(app)

    run(steps)


def test_a_declined_answer_looks_different_and_offers_the_nearest_passages() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.answering = lambda settings: traces.declined()
        await ask(pilot)
        assert "○ Not found in your documents" in text(app)
        assert "The nearest passages" in text(app) and "cosine 0.77" in text(app)
        await pilot.press("escape", "tab", "enter")
        await pilot.pause()
        wish = app.heard[-1]
        assert isinstance(wish, messages.SourceRequested) and wish.chunk is not None and wish.citation is None

    run(steps)


def test_the_notice_is_shown_once() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.answering = lambda settings: traces.declined()
        await ask(pilot)
        await ask(pilot, "again?")
        assert text(app).count("No language model is running") == 1

    run(steps)


# --- Citations ------------------------------------------------------------------------------------


def test_digits_open_the_citation_of_that_number() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        exchange = await ask(pilot)
        await pilot.press("escape", "3")
        await pilot.pause()
        assert exchange.answer is not None
        assert isinstance(app.heard[-1], messages.SourceRequested)
        assert app.heard[-1].citation == exchange.answer.citations[1]
        before = len(app.heard)
        await pilot.press("8")
        await pilot.pause()
        assert len(app.heard) == before

    run(steps)


def test_tab_walks_over_the_citations_and_then_leaves() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await ask(pilot)
        await pilot.press("escape")
        conversation = app.pane.conversation
        visited = []
        for _ in range(4):
            await pilot.press("tab")
            visited.append(conversation.spot)
        assert visited == ["cite:1:0", "cite:1:2", "cite:1:1", ""]
        assert app.pane.prompt.has_focus

    run(steps)


def test_a_click_on_a_mark_opens_its_source() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        exchange = await ask(pilot)
        conversation = app.pane.conversation
        row, column = next(
            (y, line.content.plain.index("[4]"))
            for y, line in enumerate(conversation.lines)
            if "[4]~" in line.content.plain
        )
        place = conversation.content_region.offset - conversation.region.offset
        await pilot.click(conversation, offset=(place.x + column + 1, place.y + row - conversation.scroll_offset.y))
        await pilot.pause()
        assert exchange.answer is not None
        assert isinstance(app.heard[-1], messages.SourceRequested)
        assert app.heard[-1].citation == exchange.answer.citations[2]
        assert app.pane.prompt.has_focus, "a click must not take the prompt away from the typist"

    run(steps)


def test_the_trace_and_the_prompt_are_one_key_away() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        exchange = await ask(pilot)
        await pilot.press("escape", "i")
        await pilot.pause()
        assert isinstance(app.heard[-1], messages.TraceOpened)
        assert (app.heard[-1].trace, app.heard[-1].pane) == (exchange.trace, "inspector")
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(app.screen, TextScreen)
        assert exchange.trace is not None and app.screen.shown == exchange.trace.prompt

    run(steps)


def test_copying_the_answer_and_the_chosen_quote() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        exchange = await ask(pilot)
        await pilot.press("escape", "y")
        assert app.clipboard == answer_as_text(exchange)
        await pilot.press("tab", "tab", "tab", "Y")
        assert exchange.answer is not None
        assert app.clipboard == exchange.answer.citations[1].quote

    run(steps)


# --- The prompt -----------------------------------------------------------------------------------


def test_up_and_down_recall_questions_and_the_draft() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await ask(pilot, "one")
        await ask(pilot, "two")
        prompt = app.pane.prompt
        await pilot.press(*"dra")
        seen = []
        for key in ("up", "up", "up", "down", "down", "down"):
            await pilot.press(key)
            seen.append(prompt.text)
        assert seen == ["two", "one", "one", "two", "dra", "dra"]

    run(steps)


def test_typing_with_the_focus_on_the_answers_goes_to_the_prompt() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await ask(pilot)
        await pilot.press("escape")
        assert app.pane.conversation.has_focus
        await pilot.press("W", "h", "y")
        assert app.pane.prompt.has_focus and app.pane.prompt.text == "Why"

    run(steps)


def test_typing_right_after_an_example_was_chosen_is_the_next_question() -> None:
    """Keys that are commands among the answers (u, c, i, r) must not swallow letters of a question."""

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.bridge.refresh_documents()
        await until(pilot, lambda: bool(app.pane.conversation.examples))
        await pilot.press("escape", "1", *"curio")
        assert app.pane.prompt.text == "curio"

    run(steps)


def test_shift_enter_makes_a_line_and_enter_sends() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await pilot.press("a", "shift+enter", "b")
        assert app.pane.prompt.text == "a\nb"
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.pane.conversation.exchanges))
        assert app.pane.conversation.exchanges[0].question == "a\nb"

    run(steps)


def test_a_path_that_is_not_there_is_said_and_can_be_mended(tmp_path: Path) -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.pane.prompt.replace_text(str(tmp_path / "nothing-here"))
        await pilot.press("enter")
        await until(pilot, lambda: any("no file or folder" in note.message for note in app._notifications))
        assert app.pane.prompt.text.endswith("nothing-here")
        assert not app.pane.conversation.exchanges

    run(steps)


def test_a_typed_path_is_offered_not_asked(tmp_path: Path) -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.pane.prompt.replace_text(str(tmp_path))
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.heard))
        assert isinstance(app.heard[-1], messages.PathsDropped) and app.heard[-1].paths == (str(tmp_path),)
        assert not app.pane.conversation.exchanges

    run(steps)


def test_a_limit_is_shown_and_holds_until_lifted() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.bridge.publish(messages.LimitChanged(("doc01",), ("refund-policy-2023.pdf",)))
        await pilot.pause()
        assert "only in refund-policy-2023.pdf" in str(app.pane.prompt.border_title)
        await ask(pilot)
        assert app.engine.calls[-1][2] == ("doc01",)
        assert "only in 1 document: refund-policy-2023.pdf" in text(app)
        app.bridge.publish(messages.LimitChanged(None))
        await pilot.pause()
        await ask(pilot)
        assert app.engine.calls[-1][2] is None

    run(steps)


def test_a_new_conversation_starts_empty() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        await ask(pilot)
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert not app.pane.conversation.exchanges and QUESTION not in text(app)
        await ask(pilot)
        assert app.engine.calls[-1][3] == ()

    run(steps)


# --- Empty states ---------------------------------------------------------------------------------


def test_with_no_documents_it_says_how_to_begin_and_loads_the_samples() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.bridge.refresh_documents()
        await until(pilot, lambda: "Drop a folder" in text(app))
        await pilot.press("escape", "tab", "enter")
        await pilot.pause()
        wish = app.heard[-1]
        assert isinstance(wish, messages.PathsDropped) and wish.paths[0].endswith("sample_docs")

    run(steps, TraceEngine(count=0))


def test_with_documents_three_examples_can_be_asked() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.bridge.refresh_documents()
        await until(pilot, lambda: "Ask anything about your 25 documents." in text(app))
        asked = app.pane.conversation.examples[1]
        await pilot.press("escape", "2")
        await until(pilot, lambda: bool(app.pane.conversation.exchanges))
        assert app.pane.conversation.exchanges[0].question == asked

    run(steps)


# --- Scrolling ------------------------------------------------------------------------------------


def test_it_follows_the_text_only_while_the_reader_is_at_the_end() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        for _ in range(4):
            await ask(pilot)
        conversation = app.pane.conversation
        assert conversation.max_scroll_y > 20
        assert conversation.scroll_offset.y == conversation.max_scroll_y
        conversation.scroll_to(y=3, animate=False)
        await pilot.pause()
        exchange = conversation.exchanges[-1]
        exchange.state, exchange.trace, exchange.text = "writing", None, "word " * 2000
        conversation.changed(exchange)
        await until(pilot, lambda: not conversation._pending)
        assert conversation.scroll_offset.y == 3
        conversation.scroll_to(y=conversation.max_scroll_y, animate=False)
        await pilot.pause()
        exchange.text += "more " * 2000
        conversation.changed(exchange)
        await until(pilot, lambda: not conversation._pending)
        await pilot.pause()
        assert conversation.scroll_offset.y == conversation.max_scroll_y

    run(steps, size=(100, 24))


def test_a_change_of_width_keeps_the_place_and_does_not_make_all_lines_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.ui.widgets.conversation.CATCH_UP", 0.0)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        conversation = app.pane.conversation
        for number in range(40):
            found = traces.trace(question=f"question {number}?")
            conversation.add(Exchange(number, found.question, "done", trace=found))
        await pilot.pause()
        conversation.scroll_to(y=conversation._starts[10], animate=False)
        await pilot.pause()
        made: list[int] = []
        real = Exchange.lines

        def lines(self: Exchange, width: int) -> Any:
            if not self.made_for(width):
                made.append(self.number)
            return real(self, width)

        monkeypatch.setattr(Exchange, "lines", lines)
        conversation.styles.width = 70
        await until(pilot, lambda: conversation.size.width < 75)
        await until(pilot, lambda: not conversation._stale and conversation._catching_up is None)
        assert made[0] in (10, 11) and len(made) == 40
        top = conversation.scroll_offset.y
        assert conversation.lines[top].content.plain == "▌ question 10?"
        assert all(line.content.cell_length <= 70 for line in conversation.lines)

    run(steps, size=(110, 24))


def test_scrollback_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragterm.ui.widgets.conversation.MAX_EXCHANGES", 3)

    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        for number in range(5):
            await ask(pilot, f"question {number}")
        assert [e.question for e in app.pane.conversation.exchanges] == ["question 2", "question 3", "question 4"]
        assert "2 earlier questions" in text(app) and "question 1" not in text(app)

    run(steps)


def test_hostile_text_neither_crashes_nor_leaks() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.answering = lambda settings: traces.hostile()
        app.bridge.publish(messages.LimitChanged(("x",), (traces.HOSTILE,)))
        app.bridge.refresh_documents()
        await ask(pilot, traces.HOSTILE.replace("\x00", ""))
        app.engine.broken = LlmError(traces.HOSTILE, traces.HOSTILE, traces.HOSTILE)
        await ask(pilot, "again")
        await pilot.press("escape", "ctrl+up", "tab", "y", "Y", "c")
        await pilot.pause()
        shown = screen_text(app)
        await pilot.press("escape")
        await pilot.hover(app.pane.conversation, offset=(10, 6))
        await pilot.pause(0.5)
        shown += screen_text(app)
        assert "\ufffd[31mred" in shown
        for bad in ("\x1b", "\x9b", "\x07", "\u202e", "\x00"):
            assert bad not in shown

    run(steps, TraceEngine(hostile=True))
