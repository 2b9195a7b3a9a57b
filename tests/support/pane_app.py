"""A bare app around one pane: the bridge is real, the engine speaks the fixture's lines (`support.traces`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from support import traces
from support.fake_engine import FakeEngine
from textual import on
from textual.app import App, ComposeResult
from textual.message import Message
from textual.widgets import Footer

from ragterm.engine.types.answers import AnswerReady, AnswerStarted, StageDone, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk, DocumentRow
from ragterm.engine.types.graphs import Explanation, GraphSummary, LayerMap, Walk
from ragterm.engine.types.tracing import RetrievalSettings, Trace
from ragterm.engine.vectors.explain import explain
from ragterm.resources import shipped
from ragterm.ui import messages
from ragterm.ui.bridge import Bridge
from ragterm.ui.panes.pane import Pane
from ragterm.ui.theming import read_themes


class TraceEngine(FakeEngine):
    """`answering` makes the trace of a question; `broken` is raised in its place. `gate`, when set, is called before each word
    of an answer (tests hold the stream there)."""

    answering: Callable[[RetrievalSettings], Trace] = staticmethod(traces.trace)
    broken: Exception | None = None
    gate: Callable[[], None] | None = None
    kept: list[Trace]
    query: tuple[float, float] | None = None
    """Where the query stands on the plane; None: where the graph finds all, whatever ef."""
    summary: GraphSummary

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.kept = []
        self.summary = traces.graph_summary()

    def rerankers(self) -> list[str]:
        return ["late-interaction", "cross-encoder", "none"]

    def retrieve(
        self, question: str, collection: str = "default", settings: RetrievalSettings | None = None, save: bool = True
    ) -> Trace:
        self.calls.append(("retrieve", question, settings, save))
        if self.broken is not None:
            raise self.broken
        made = self.answering(settings or RetrievalSettings())
        return replace(
            made,
            question=question,
            answer=None,
            prompt="",
            candidates=tuple(replace(c, marker=None) for c in made.candidates),
        )

    def ask(
        self,
        question: str,
        collection: str = "default",
        settings: RetrievalSettings | None = None,
        llm: str | None = None,
        history: Sequence[tuple[str, str]] = (),
        control: Control | None = None,
    ) -> Iterator[Any]:
        self.calls.append(("ask", question, settings.documents if settings else None, tuple(history)))
        if self.broken is not None:
            raise self.broken
        control = control or Control()
        made = replace(self.answering(settings or RetrievalSettings()), question=question)
        answer = made.answer
        assert answer is not None
        for timing in made.timings[:5]:
            yield StageDone(timing.name, timing.ms, timing.detail)
        yield AnswerStarted(answer.llm, replace(made, answer=None), answer.notice)
        for word in answer.text.split(" "):
            if self.gate is not None:
                self.gate()
            control.checkpoint()
            yield TextDelta(word + " ")
        self.kept.insert(0, made)
        yield AnswerReady(made)

    def traces(self, collection: str = "default", limit: int = 100) -> list[Trace]:
        return self.kept[:limit]

    def graph_summary(self, collection: str = "default") -> GraphSummary:
        return self.summary

    def layer_map(self, collection: str, level: int, max_nodes: int = 2000) -> LayerMap:
        return traces.layer_map(level)

    def walk(self, question: str, collection: str = "default", k: int = 10, ef: int = 40) -> Walk:
        self.calls.append(("walk", question, k, ef))
        return traces.walk(question) if self.query is None else traces.walk(question, self.query, k, ef)

    def neighbours(self, key: int, level: int, collection: str = "default") -> list[tuple[int, float]]:
        return traces.neighbours(key, level)

    def explain(self, question: str, collection: str = "default", k: int = 10, ef: int = 40) -> Explanation:
        self.calls.append(("explain", question, k, ef))
        return explain(lambda k, ef: traces.walk(question, self.query or traces.PLACE, k, ef), k, ef)

    def chunk_by_key(self, key: int, collection: str = "default") -> tuple[Chunk, DocumentRow] | None:
        number = (key - 1) % len(traces.PASSAGES)
        chunk = replace(traces.chunk(number), key=key)
        title = traces.PASSAGES[number][0]
        return chunk, DocumentRow(
            chunk.document_id, f"/home/marta/policies/{title}", title, "markdown", chunk.page, 4, "indexed"
        )


class PaneApp(App[None]):
    """Shows one pane; `heard` are the wishes that reached the app."""

    def __init__(self, pane: type[Pane], engine: FakeEngine | None = None, theme: str = "ragterm") -> None:
        super().__init__()
        self.animation_level = "none"  # a picture taken while something scrolls is another each time
        self.engine = engine or TraceEngine()
        self.bridge = Bridge(opener=lambda home, settings: self.engine)
        self.bridge.collection = "default"
        self.pane = pane(self.bridge)
        self.heard: list[Message] = []
        self._wanted = theme

    def compose(self) -> ComposeResult:
        yield self.pane
        yield Footer()

    def on_mount(self) -> None:
        for theme in read_themes(shipped("themes")).themes.values():
            self.register_theme(theme)
        self.theme = self._wanted
        self.pane.focus_first()

    @on(messages.TraceOpened)
    @on(messages.SourceRequested)
    @on(messages.PathsDropped)
    @on(messages.ErrorArose)
    @on(messages.PaneRequested)
    @on(messages.QuestionAsked)
    def _hear(self, message: Message) -> None:
        self.heard.append(message)
