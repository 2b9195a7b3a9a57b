"""Inspector: why this answer, why this order. Everything in it is a picture of one trace.

The trace comes from an answer (news, or "Why" in Chat), from the history, or from a query typed at the top. A changed setting runs the
query again at once and shows the new trace; "As it was" goes back to the one that was opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Input, Static

from ragterm.engine.types.answers import AnswerReady
from ragterm.engine.types.tracing import RetrievalSettings
from ragterm.ui import messages
from ragterm.ui.actions import bindings
from ragterm.ui.bridge import Bridge
from ragterm.ui.panes.pane import Pane
from ragterm.ui.safe_text import line, plain
from ragterm.ui.widgets.before_after import BeforeAfter
from ragterm.ui.widgets.citation import MUTED
from ragterm.ui.widgets.line_view import LineView, styled
from ragterm.ui.widgets.pick_list import PickList
from ragterm.ui.widgets.query_line import QueryLine
from ragterm.ui.widgets.rank_table import RankTable
from ragterm.ui.widgets.status_line import StatusLine
from ragterm.ui.widgets.tab_line import TabLine
from ragterm.ui.widgets.text_view import TextScreen
from ragterm.ui.widgets.trace_detail import CandidateDetail, Timings, origin_line, timing_summary
from ragterm.ui.widgets.trace_list import TraceList

if TYPE_CHECKING:
    from ragterm.engine.types.tracing import Candidate, Trace

VIEWS = (
    ("ranks", "Candidates", "esc"),
    ("moves", "Before/after", "b"),
    ("times", "Timings", "t"),
    ("history", "History", "h"),
)
DEPTHS = (20, 50, 100, 200)
RERUN_AFTER = 0.2
"""Seconds without a key before a changed setting is tried: holding + does not run ten searches."""


class InspectorPane(Pane):
    PURPOSE = (
        "Why this answer: what each stage found and where it put it, what the reranker moved, which passages reached the model. "
        "Type a query, or open an answer's trace from Chat. Change a setting and see the order change."
    )
    scope = "inspector"
    BINDINGS = bindings("inspector")  # type: ignore[assignment]

    DEFAULT_CSS = """
    InspectorPane { layout: vertical; height: 1fr; }
    InspectorPane #ask { height: 1; }
    InspectorPane #ask Static { width: auto; padding: 0 0 0 1; color: $text-accent; text-style: bold; }
    InspectorPane #body { layout: vertical; height: 1fr; }
    InspectorPane #views { height: 2fr; }
    InspectorPane #views > * { height: 1fr; padding: 0 1; }
    InspectorPane #side { height: 1fr; border-top: solid $border-blurred; padding: 0 1; }
    InspectorPane.-wide-body #body { layout: horizontal; }
    InspectorPane.-wide-body #views { width: 5fr; height: 1fr; }
    InspectorPane.-wide-body #side { width: 3fr; height: 1fr; border-top: none; border-left: solid $border-blurred; }
    InspectorPane #side CandidateDetail { height: 1fr; }
    InspectorPane #side #side-times { height: auto; max-height: 14; display: none; border-top: solid $border-blurred; }
    InspectorPane.-wide-body #side #side-times { display: block; }
    InspectorPane.-single #side { display: none; }
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.trace: Trace | None = None
        self.original: Trace | None = None
        self.settings = RetrievalSettings()
        self.rerankers: list[str] = []
        self._rerun: Timer | None = None
        self._busy = False
        self._sure = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="ask"):
            yield Static(Content("query ▸"))
            yield QueryLine("type a query, Enter searches", id="query")
        yield StatusLine(id="settings")
        yield TabLine(VIEWS, id="tabs")
        with Container(id="body"):
            with ContentSwitcher(initial="ranks", id="views"):
                yield RankTable(id="ranks")
                yield BeforeAfter(id="moves")
                yield Timings(id="times")
                yield TraceList(id="history")
            with Container(id="side"):
                yield CandidateDetail(id="detail")
                yield Timings(id="side-times")
        yield StatusLine(id="inspector-status")

    def built(self) -> None:
        self.query_line = self.query_one("#query", QueryLine)
        self.table = self.query_one("#ranks", RankTable)
        self.moves = self.query_one("#moves", BeforeAfter)
        self.times = self.query_one("#times", Timings)
        self.side_times = self.query_one("#side-times", Timings)
        self.history = self.query_one("#history", TraceList)
        self.detail = self.query_one("#detail", CandidateDetail)
        self.views = self.query_one("#views", ContentSwitcher)
        self.show(None)
        self.fetch(self.bridge.retrieval_settings(), self._settings_known, group="settings")
        self.fetch(self.bridge.rerankers(), self._rerankers_known, group="rerankers")

    def on_resize(self) -> None:
        self.set_class(self.size.width >= 120, "-wide-body")
        self.say()

    def focus_first(self) -> None:
        if self.trace is None:
            self.query_line.focus()
        else:
            self.current_view.focus()

    @property
    def current_view(self) -> LineView:
        return self.query_one(f"#{self.views.current}", LineView)

    def _settings_known(self, settings: RetrievalSettings) -> None:
        if self.trace is None:
            self.settings = settings
            self.say()

    def _rerankers_known(self, names: list[str]) -> None:
        self.rerankers = names

    @on(messages.ModelFetched)
    def _model_fetched(self) -> None:
        self.fetch(self.bridge.rerankers(), self._rerankers_known, group="rerankers")

    # --- The trace --------------------------------------------------------------------------------------------------------------------

    def show(self, trace: Trace | None, *, opened: bool = True) -> None:
        """Draw a trace. `opened`: it comes from outside, and is what "As it was" goes back to."""
        self._busy = False
        self.trace = trace
        if trace is not None:
            self.settings = trace.settings
            self.query_line.show(trace.question)
            if opened:
                self.original = trace
        self.table.show(trace)
        self.moves.show(trace)
        self.times.show(trace)
        self.side_times.show(trace)
        self.show_candidate()
        self.say()

    def show_candidate(self) -> None:
        chosen = self.moves.chosen if self.views.current == "moves" else self.table.chosen
        self.detail.show(self.trace, chosen)

    @on(messages.TraceShown)
    def _trace_shown(self, message: messages.TraceShown) -> None:
        self.show(message.trace)
        if self.views.current == "history":
            self.action_view("ranks")

    @on(messages.AnswerEventArrived)
    def _answer_event(self, message: messages.AnswerEventArrived) -> None:
        if isinstance(message.event, AnswerReady):
            if not self.query_line.has_focus:
                self.show(message.event.trace)
            if self.views.current == "history":
                self.fetch_history()

    @on(messages.CollectionChanged)
    def _collection_changed(self, message: messages.CollectionChanged) -> None:
        self.original = None
        self.query_line.show("")
        self.show(None)

    # --- Asking -----------------------------------------------------------------------------------------------------------------------

    @on(Input.Submitted, "#query")
    def _query_submitted(self) -> None:
        self.search()

    def search(self, *, opened: bool = True) -> None:
        """Run the query with the current settings."""
        question = self.query_line.value.strip()
        if not question:
            return
        self._busy = True
        self.say()

        def done(trace: Trace) -> None:
            self.show(trace, opened=opened)
            if opened:
                self.action_view("ranks")

        async def request() -> Trace:
            try:
                return await self.bridge.retrieve(question, self.settings, save=opened)
            finally:
                self._busy = False
                self.say()

        self.fetch(request(), done, group="retrieve")

    def action_setting(self, what: str) -> None:
        self.settings = changed(self.settings, what, self.rerankers)
        self.say()
        if self._rerun is not None:
            self._rerun.stop()
        self._rerun = self.set_timer(RERUN_AFTER, self.rerun)

    def rerun(self) -> None:
        if self.query_line.value.strip():
            self.search(opened=False)

    def action_original(self) -> None:
        if self.original is not None:
            self.show(self.original)

    # --- What is said at the top and at the bottom --------------------------------------------------------------------------------

    def say(self) -> None:
        trace = self.trace
        changed_from = self.original.settings if self.original else self.settings
        wide = self.size.width >= 120
        state = Content("")
        if self._busy:
            state = styled("searching…", "$text-accent")
        elif trace is not None and self.original is not None and trace is not self.original:
            state = Content.assemble(styled("o", "$text-accent"), styled(" as it was", "$text-warning"))
        elif trace is not None and trace.answer is not None:
            state = styled(f"answered by {line(trace.answer.llm)}", MUTED)
        self.query_one("#settings", StatusLine).say(
            settings_line(self.settings, changed_from, wide), state if wide else Content("")
        )
        status = self.query_one("#inspector-status", StatusLine)
        if trace is None:
            said = "Ask in Chat and press i there, or type a query above: you see what each stage found."
            status.say(state if self._busy else styled(said, MUTED), Content(""))
            return
        count = styled(f"{len(trace.candidates)} candidates", MUTED)
        right = count if wide or not state else state
        status.say(origin_line(trace) if wide else timing_summary(trace), right)

    # --- Views ------------------------------------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        if name == self.views.current and name != "ranks":
            name = "ranks"
        self.views.current = name
        self.query_one(TabLine).choose(name)
        self.set_class(name in ("times", "history"), "-single")
        if name == "history":
            self.fetch_history()
        self.current_view.focus()
        self.show_candidate()

    @on(TabLine.Chosen)
    def _tab_chosen(self, message: TabLine.Chosen) -> None:
        if message.name != self.views.current:
            self.action_view(message.name)

    def action_query(self) -> None:
        self.query_line.focus()
        self.query_line.action_select_all()

    def action_leave(self) -> None:
        if not self.query_line.has_focus:
            self.action_view("ranks")
        else:
            self.current_view.focus()

    def action_sort(self) -> None:
        self.table.sort_by(self.table.next_order())

    @on(LineView.SpotChosen, "#ranks")
    def _sort_chosen(self, message: LineView.SpotChosen) -> None:
        kind, _, order = message.name.partition(":")
        if kind == "sort":
            self.table.sort_by(order)

    @on(PickList.Highlighted, "#ranks")
    @on(PickList.Highlighted, "#moves")
    def _highlighted(self) -> None:
        self.show_candidate()

    @on(PickList.Opened, "#ranks")
    @on(PickList.Opened, "#moves")
    def _opened(self, message: PickList.Opened) -> None:
        picker = message.picker
        chosen: Candidate | None = picker.chosen if isinstance(picker, RankTable | BeforeAfter) else None
        if chosen is not None and self.trace is not None:
            self.post_message(messages.SourceRequested(chunk=chosen.chunk, collection=self.trace.collection))

    def action_walk(self) -> None:
        if self.trace is not None:
            self.post_message(messages.TraceOpened(self.trace, "layers"))

    def action_show_prompt(self) -> None:
        if self.trace is None or not self.trace.prompt:
            self.tell("No prompt was sent to a model for this trace")
        else:
            self.app.push_screen(
                TextScreen("The exact prompt", self.trace.prompt, "", ("[system]", "[user]", "[assistant]"))
            )

    def tell(self, text: str) -> None:
        self.app.notify(plain(text), markup=False, timeout=3)

    # --- History ----------------------------------------------------------------------------------------------------------------------

    def fetch_history(self) -> None:
        self.fetch(self.bridge.traces(), self.history.show, group="history")

    @on(PickList.Opened, "#history")
    def _trace_opened(self, message: PickList.Opened) -> None:
        if self.history.traces:
            self.show(self.history.traces[message.index])
            self.action_view("ranks")

    def action_delete_trace(self) -> None:
        traces = self.history.traces
        if self.views.current != "history" or not traces:
            return
        gone = traces[self.history.cursor]
        self.fetch(self.bridge.delete_traces(ids=[gone.id]), lambda _: self.fetch_history(), group="delete")

    def action_delete_all(self) -> None:
        traces = self.history.traces
        if self.views.current != "history" or not traces:
            return
        if not self._sure:
            self._sure = True
            self.set_timer(4, self._no_longer_sure)
            self.tell(f"Press X again to delete all traces of {self.bridge.collection}")
            return
        self._sure = False
        self.fetch(self.bridge.delete_traces(self.bridge.collection), lambda _: self.fetch_history(), group="delete")

    def _no_longer_sure(self) -> None:
        self._sure = False


def changed(settings: RetrievalSettings, what: str, rerankers: list[str]) -> RetrievalSettings:
    """The settings after one key."""
    if what == "mode":
        return replace(settings, mode=following(("hybrid", "dense", "keyword"), settings.mode))
    if what == "fusion":
        return replace(settings, fusion=following(("convex", "rrf"), settings.fusion))
    if what in ("more", "less"):
        step = 0.05 if what == "more" else -0.05
        return replace(settings, fusion="convex", weight=round(min(1.0, max(0.0, settings.weight + step)), 2))
    if what == "rerank":
        return replace(settings, rerank=following(rerankers or ("none",), settings.rerank))
    if what == "depth":
        return replace(settings, depth=following(DEPTHS, settings.depth))
    if what in ("larger", "smaller"):
        return replace(settings, k=min(100, max(1, settings.k + (1 if what == "larger" else -1))))
    raise ValueError(what)


def following(values, value):  # type: ignore[no-untyped-def]
    """The value after `value`, round and round."""
    values = list(values)
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]


def settings_line(settings: RetrievalSettings, before: RetrievalSettings, wide: bool) -> Content:
    """ "m hybrid · f convex · +- weight 0.60 · …": each with its key; what differs from `before` stands out."""
    weight = f"dense weight {settings.weight:.2f}" if wide else f"w {settings.weight:.2f}"
    parts = [
        ("m", settings.mode, settings.mode != before.mode),
        ("f", settings.fusion, settings.fusion != before.fusion),
        ("+-", weight if settings.fusion == "convex" else "no weight", settings.weight != before.weight),
        ("r", f"rerank {line(settings.rerank)}" if wide else line(settings.rerank), settings.rerank != before.rerank),
        ("d", f"depth {settings.depth}", settings.depth != before.depth),
        ("<>", f"k {settings.k}", settings.k != before.k),
    ]
    if settings.documents is not None:
        parts.append(("", f"in {len(settings.documents)} documents", False))
    shown = [
        Content.assemble(styled(key, "$text-accent"), styled(f" {text}", "bold $text-warning" if differs else ""))
        for key, text, differs in parts
    ]
    return Content.styled(" · ", MUTED).join(shown)
