"""Inspector: a trace as table, movements, scores, times and history; settings that run the query again; hostile text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from support import traces
from support.pane_app import PaneApp, TraceEngine
from support.ui import screen_text, until
from textual.pilot import Pilot

from ragterm.engine.types.answers import AnswerReady
from ragterm.engine.types.errors import ModelError
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, StageScore, StageTiming, Trace
from ragterm.ui import messages
from ragterm.ui.panes.inspector import InspectorPane, changed, following, settings_line
from ragterm.ui.safe_text import plain
from ragterm.ui.widgets.before_after import BeforeAfter, move, orders, summary
from ragterm.ui.widgets.line_view import LineView
from ragterm.ui.widgets.rank_table import RankTable, columns_for, sorted_rows
from ragterm.ui.widgets.score_bar import Move, Scale, compared, move_of, scale_of, stage_cell, stages_of, with_terms
from ragterm.ui.widgets.trace_detail import detail_lines, timing_lines
from ragterm.ui.widgets.trace_list import trace_row


def run(
    steps: Callable[[PaneApp, Pilot[Any]], Awaitable[None]],
    engine: TraceEngine | None = None,
    size: tuple[int, int] = (160, 48),
) -> None:
    async def go() -> None:
        app = PaneApp(InspectorPane, engine)
        async with app.run_test(size=size, notifications=True, tooltips=True) as pilot:
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(go())


def text_of(view: LineView) -> str:
    heading = getattr(view, "heading", [])
    return "\n".join(line.content.plain for line in [*heading, *view.lines])


async def shown(app: PaneApp, pilot: Pilot[Any], trace: Trace | None = None) -> InspectorPane:
    app.bridge.publish(messages.TraceShown(trace or traces.trace()))
    await until(pilot, lambda: app.pane.trace is not None)
    app.pane.table.focus()
    await pilot.pause()
    return app.pane  # type: ignore[return-value]


# --- Scores and movements, by hand ----------------------------------------------------------------


def candidate(**stages: tuple[int | None, float]) -> Candidate:
    return Candidate(traces.chunk(0), "t", "/t", "0", {k: StageScore(*v) for k, v in stages.items()})  # type: ignore[misc]


def test_movement_is_rank_before_minus_rank_after() -> None:
    pair = ("fused", "rerank")
    assert move_of(candidate(fused=(5, 0.1), rerank=(2, 0.9)), pair) == Move(3)  # type: ignore[arg-type]
    assert move_of(candidate(fused=(2, 0.1), rerank=(5, 0.9)), pair) == Move(-3)  # type: ignore[arg-type]
    assert move_of(candidate(rerank=(5, 0.9)), pair) == Move(None)  # type: ignore[arg-type]
    assert move_of(candidate(fused=(5, 0.9)), pair) is None  # type: ignore[arg-type]
    assert [Move(3).text, Move(-3).text, Move(0).text, Move(None).text] == ["↑3", "↓3", "=", "new"]


def test_each_stage_keeps_its_own_scale() -> None:
    found = traces.trace()
    assert scale_of(found, "dense") == Scale("cosine", 0.0, 1.0)
    assert scale_of(found, "keyword") == Scale("BM25", 0.0, max(traces.KEYWORD))
    assert scale_of(found, "fused").name == "convex 0.6"
    assert scale_of(found, "keyword").number(12.43) == "12.4"
    assert scale_of(found, "dense").number(0.71) == "0.710"
    logits = replace(
        found,
        candidates=(candidate(rerank=(1, 4.0)), candidate(rerank=(2, -6.0))),
        scales={"rerank": "logit"},
    )
    assert scale_of(logits, "rerank") == Scale("logit", -6.0, 4.0)
    assert scale_of(logits, "rerank").share(-1.0) == 0.5
    rrf = replace(
        found, candidates=(candidate(fused=(1, 0.0328)), candidate(fused=(2, 0.0161))), scales={"fused": "RRF"}
    )
    assert scale_of(rrf, "fused").number(0.0328) == "0.0328"


def test_a_score_without_a_rank_is_marked_as_such() -> None:
    scale = Scale("cosine", 0.0, 1.0)
    assert stage_cell(StageScore(7, 0.5), scale, 4).plain == "  7 0.500 ██  "
    assert stage_cell(StageScore(None, 0.5), scale, 4).plain == "  · 0.500 ██  "
    assert stage_cell(None, scale, 4).plain.strip() == "–"


def test_terms_are_found_by_their_stem_at_the_start_of_words() -> None:
    content = with_terms("Refunds and refunded; a prerefund. Plan, planning", ["refund", "plan"])
    assert [content.plain[s.start : s.end] for s in content.spans] == ["Refunds", "refunded", "Plan", "planning"]


def test_terms_are_not_read_as_patterns() -> None:
    assert list(with_terms("a+b (c [d", ["(c", "[d", "a+b", ""]).spans)
    assert not with_terms("abc", ["."]).spans


@pytest.mark.parametrize("width", [60, 77, 98, 120, 137, 250])
@pytest.mark.parametrize(
    "make", [traces.trace, traces.hostile, lambda: traces.trace(RetrievalSettings(mode="dense", rerank="none"))]
)
def test_rows_and_heading_of_the_table_are_as_wide_as_it(width: int, make: Callable[[], Trace]) -> None:
    table = RankTable()
    table.trace = make()
    table.rows = sorted_rows(table.trace, "final")
    columns = columns_for(width, len(stages_of(table.trace)))
    heads = [line.content.plain for line in table.make_heading(width)]
    for line in table.make_lines(width):
        assert line.content.cell_length <= max(width, 70)
        assert plain(line.content.plain) == line.content.plain
    row = table.make_lines(width)[1].content.plain
    if width >= 77 and "document" in heads[0]:
        assert heads[0].index("document") == len(row) - columns.place - (2 + columns.snippet if columns.snippet else 0)


def test_sorting_by_a_stage_puts_listed_ranks_first() -> None:
    found = traces.trace()
    ranks = [c.stages["keyword"].rank for c in sorted_rows(found, "keyword")]
    listed = [r for r in ranks if r is not None]
    assert listed == sorted(listed) and ranks[: len(listed)] == listed and None in ranks


def test_before_and_after_hold_the_same_candidates_in_their_orders() -> None:
    found = traces.trace()
    before, after = orders(found)
    assert {c.chunk.id for c in before} == {c.chunk.id for c in after} and len(after) == 14
    assert [c.stages["rerank"].rank for c in after] == list(range(1, 15))
    fused = [c.stages["fused"].rank for c in before]
    assert fused == sorted(fused)  # type: ignore[type-var]
    by_hand = [(c.stages["fused"].rank or 0) - (c.stages["rerank"].rank or 0) for c in after]
    assert [move(c).by for c in after] == by_hand
    rose, fell = sum(m > 0 for m in by_hand), sum(m < 0 for m in by_hand)
    assert f"↑ {rose} rose · ↓ {fell} fell · = {14 - rose - fell} stayed" in summary(found).plain


def test_times_are_bars_on_one_scale_with_their_detail() -> None:
    lines = [c.plain for c in timing_lines(traces.trace(), 100)]
    assert lines[0] == "time 2.5 s in all"
    write = next(line for line in lines if line.startswith("write"))
    rerank = next(line for line in lines if line.startswith("rerank"))
    assert "2.3 s" in write and "118 tokens, 51 a second" in write
    assert write.count("█") == 24 and 0 < rerank.count("█") <= 2


def test_the_time_to_the_first_token_is_not_counted_twice() -> None:
    found = traces.trace()
    twice = replace(found, timings=(*found.timings, StageTiming("first token", 900.0)))
    assert timing_lines(twice, 100)[0] == timing_lines(found, 100)[0]
    assert any("first token" in line.plain for line in timing_lines(twice, 100))


@pytest.mark.parametrize("width", [20, 40, 90])
@pytest.mark.parametrize("make", [traces.trace, traces.hostile])
def test_the_detail_fits(width: int, make: Callable[[], Trace]) -> None:
    found = make()
    for one in found.candidates:
        for low in (True, False):
            for line in detail_lines(found, one, width, low):
                assert line.cell_length <= width and plain(line.plain) == line.plain
    assert all(trace_row(t, width).cell_length <= width for t in (found, traces.declined(), traces.broken_off()))


# --- Settings ---------------------------------------------------------------------------------------


def test_keys_change_one_setting_each() -> None:
    settings = RetrievalSettings()
    assert changed(settings, "mode", []).mode == "dense"
    assert changed(settings, "fusion", []).fusion == "rrf"
    assert changed(settings, "more", []).weight == 0.65
    assert changed(replace(settings, weight=0.02), "less", []).weight == 0.0
    assert changed(replace(settings, fusion="rrf"), "more", []).fusion == "convex"
    assert changed(settings, "rerank", ["late-interaction", "none"]).rerank == "none"
    assert (
        changed(replace(settings, rerank="gone"), "rerank", ["late-interaction", "none"]).rerank == "late-interaction"
    )
    assert (
        changed(settings, "depth", []).depth == 200 and changed(replace(settings, depth=200), "depth", []).depth == 20
    )
    assert changed(replace(settings, k=1), "smaller", []).k == 1 and changed(settings, "larger", []).k == 11
    assert following(("a", "b"), "b") == "a"


def test_what_differs_from_the_opened_trace_stands_out() -> None:
    line = settings_line(RetrievalSettings(weight=0.7), RetrievalSettings(), True)
    loud = [line.plain[s.start : s.end].strip() for s in line.spans if "warning" in str(s.style)]
    assert loud == ["dense weight 0.70"]
    assert settings_line(RetrievalSettings(), RetrievalSettings(), False).cell_length <= 78


# --- The pane -----------------------------------------------------------------------------------------


def test_a_trace_is_shown_with_every_stage_and_its_scale() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        table = text_of(pane.table)
        for word in ("dense", "cosine", "keyword", "BM25", "fused", "convex 0.6", "rerank", "MaxSim"):
            assert word in table
        assert "↑10" in table and "↓4" in table and "[5]" in table
        assert "%" not in screen_text(app)
        assert pane.query_line.value == traces.QUESTION

    run(steps)


def test_the_cursor_moves_the_detail_and_enter_opens_the_source() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        await pilot.press("down", "down")
        assert pane.trace is not None
        third = pane.trace.candidates[2]
        assert "refund-policy-2023.pdf, page 2 › Refunds" in text_of(pane.detail)
        assert third.chunk.text[:40] in text_of(pane.detail).replace("\n", " ")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.heard[-1], messages.SourceRequested) and app.heard[-1].chunk == third.chunk

    run(steps)


def test_sorting_by_key_and_by_a_click_on_the_heading() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        await pilot.press("s")
        assert pane.table.order == "dense"
        assert [c.stages["dense"].rank for c in pane.table.rows][:3] == [1, 2, 3]
        column = pane.table.heading[0].content.plain.index("keyword")
        inside = pane.table.content_region.offset - pane.table.region.offset
        await pilot.click(pane.table, offset=(inside.x + column + 1, inside.y))
        await pilot.pause()
        assert pane.table.order == "keyword"
        assert [c.stages["keyword"].rank for c in pane.table.rows][:3] == [1, 2, 3]

    run(steps)


def test_a_changed_setting_runs_the_query_again_unsaved_and_o_goes_back() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        opened = pane.trace
        await pilot.press("plus", "plus")
        await until(pilot, lambda: pane.trace is not opened)
        asked = [c for c in app.engine.calls if c[0] == "retrieve"]
        assert asked == [("retrieve", traces.QUESTION, RetrievalSettings(weight=0.7), False)], "one search for two keys"
        assert pane.trace is not None and pane.trace.settings.weight == 0.7
        await pilot.press("o")
        assert pane.trace is opened and pane.settings.weight == 0.6

    run(steps)


def test_without_a_reranker_before_and_after_says_how_to_get_one() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot, traces.trace(RetrievalSettings(rerank="none")))
        assert compared(pane.trace) == ("dense", "fused")  # type: ignore[arg-type]
        await pilot.press("b")
        await until(pilot, lambda: "No reranker ran" in text_of(pane.moves))
        await pilot.press("r")
        await until(pilot, lambda: "before: fused" in text_of(pane.moves))
        assert pane.trace is not None and pane.trace.settings.rerank == "late-interaction"

    run(steps)


def test_before_and_after_side_by_side_follow_the_cursor() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(pane.current_view, BeforeAfter) and len(pane.moves.lines) > 3)
        await pilot.press("down", "down", "down")
        row = pane.moves.lines[3].content.plain
        assert "↑10" in row and "rueckerstattung.md" in row
        assert any(0x2800 < ord(c) < 0x2900 for c in row)
        assert "rueckerstattung.md" in text_of(pane.detail)
        await pilot.press("escape")
        assert isinstance(pane.current_view, RankTable)

    run(steps)


def test_a_typed_query_is_searched_and_saved() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane: InspectorPane = app.pane  # type: ignore[assignment]
        assert pane.query_line.has_focus
        await pilot.press(*"windows", "enter")
        await until(pilot, lambda: pane.trace is not None)
        assert [c for c in app.engine.calls if c[0] == "retrieve"] == [
            ("retrieve", "windows", RetrievalSettings(), True)
        ]
        assert pane.table.has_focus
        await pilot.press("slash")
        assert pane.query_line.has_focus and pane.query_line.value == "windows"

    run(steps)


def test_an_error_of_the_engine_reaches_the_app_and_the_old_trace_stays() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        app.engine.broken = ModelError("The model is damaged", "x", "y")
        await pilot.press("m")
        await until(pilot, lambda: bool(app.heard))
        assert isinstance(app.heard[-1], messages.ErrorArose)
        assert pane.trace is not None and "searching" not in screen_text(app)

    run(steps)


def test_a_finished_answer_is_shown_but_not_under_the_typing_hand() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        app.bridge.publish(messages.AnswerEventArrived(2, AnswerReady(traces.declined())))
        await until(pilot, lambda: pane.trace is not None and pane.trace.id == "t-0002")
        await pilot.press("slash")
        app.bridge.publish(messages.AnswerEventArrived(3, AnswerReady(traces.trace())))
        await pilot.pause()
        assert pane.trace is not None and pane.trace.id == "t-0002"

    run(steps)


def test_history_opens_and_deletes() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.kept = [traces.trace(), traces.declined(), traces.trace(answered=False, question="bare")]
        deleted: list[Any] = []
        app.engine.delete_traces = lambda collection=None, ids=None: deleted.append((collection, ids)) or 1  # type: ignore[method-assign]
        pane = await shown(app, pilot)
        await pilot.press("h")
        await until(pilot, lambda: "chess olympiad" in text_of(pane.history))
        assert "search only" in text_of(pane.history) and "extractive" in text_of(pane.history)
        await pilot.press("down", "x")
        await until(pilot, lambda: bool(deleted))
        assert deleted == [(None, ["t-0002"])]
        await pilot.press("X")
        await pilot.pause()
        assert len(deleted) == 1, "once is not enough"
        await pilot.press("X")
        await until(pilot, lambda: len(deleted) == 2)
        assert deleted[1] == ("default", None)
        await pilot.press("home", "down", "down", "enter")
        await until(pilot, lambda: pane.trace is not None and pane.trace.question == "bare")
        assert isinstance(pane.current_view, RankTable)

    run(steps)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (250, 60)])
def test_it_fits_from_80_to_250_columns(size: tuple[int, int]) -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        pane = await shown(app, pilot)
        assert pane.has_class("-wide-body") == (size[0] >= 120)
        for key in ("b", "t", "h", "escape"):
            await pilot.press(key)
            assert "Candidates" in screen_text(app)
        assert pane.detail.size.height >= 3 and pane.table.size.height >= 8

    run(steps, size=size)


def test_hostile_text_neither_crashes_nor_leaks() -> None:
    async def steps(app: PaneApp, pilot: Pilot[Any]) -> None:
        app.engine.kept = [traces.hostile()]
        await shown(app, pilot, traces.hostile())
        seen = ""
        for key in ("down", "s", "b", "down", "t", "h", "escape", "c"):
            await pilot.press(key)
            await pilot.pause(0.05)
            seen += screen_text(app)
        await pilot.press("escape", "slash")
        await pilot.hover(app.pane.table, offset=(20, 5))
        await pilot.pause(0.4)
        seen += screen_text(app)
        assert "\ufffd[31mred" in seen
        for bad in ("\x1b", "\x9b", "\x07", "\u202e", "\x00"):
            assert bad not in seen

    run(steps)
