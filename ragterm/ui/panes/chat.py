"""Chat: ask, read the answer as it is written, see what carries each sentence, and open the place that does.

The conversation is one scroll of lines (`widgets/conversation.py`); this pane turns the bridge's news into exchanges and the
reader's keys into wishes. Typing anywhere goes to the prompt; Esc leads to the answers, where single keys act on the one selected.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content

from ragterm.engine.types.answers import AnswerReady, AnswerStarted, StageDone, TextDelta
from ragterm.engine.types.errors import Cancelled, RagtermError
from ragterm.resources import shipped
from ragterm.ui import messages
from ragterm.ui.actions import bindings
from ragterm.ui.bridge import Bridge
from ragterm.ui.drops import dropped_paths, might_be_paths, missing_path
from ragterm.ui.panes.pane import Pane
from ragterm.ui.safe_text import line, plain
from ragterm.ui.widgets.answer import Exchange, answer_as_text, working_line
from ragterm.ui.widgets.citation import MUTED
from ragterm.ui.widgets.conversation import Conversation
from ragterm.ui.widgets.line_view import Line, LineView, styled
from ragterm.ui.widgets.prompt import Prompt
from ragterm.ui.widgets.status_line import key_hints
from ragterm.ui.widgets.text_view import TextScreen
from ragterm.ui.widgets.welcome import example_questions, welcome_lines

if TYPE_CHECKING:
    from ragterm.engine.types.answers import Answer
    from ragterm.engine.types.documents import DocumentRow

PROMPT_HINTS = (("enter", "ask"), ("esc", "to the answers"), ("↑", "asked before"), ("ctrl+l", "new conversation"))
ANSWER_HINTS = (
    ("tab", "next citation"),
    ("enter", "open it"),
    ("1-9", "open [n]"),
    ("[ ]", "other answers"),
    ("esc", "back"),
)
HISTORY_TURNS = 4
"""Questions and answers given along with a new question."""


class ChatConversation(Conversation):
    """The conversation, and what it says while it is empty."""

    FOCUS_ON_CLICK = False  # what is typed after a click still goes to the prompt

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.documents: tuple[DocumentRow, ...] | None = None
        self.examples: list[str] = []
        self.reading = ""

    def make_welcome(self, width: int) -> list[Line]:
        return welcome_lines(self.documents, self.examples, self.reading, width)


class ChatPane(Pane):
    PURPOSE = (
        "Ask your documents. Every sentence of an answer is checked against the passage it cites; open a citation to read the "
        "place itself. Esc leads from the prompt to the answers, where single keys act on the selected one."
    )
    scope = "chat"
    BINDINGS = bindings("chat")  # type: ignore[assignment]

    DEFAULT_CSS = """
    ChatPane { layout: vertical; height: 1fr; }
    ChatPane Prompt { margin: 0; }
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(bridge)
        self.limit: tuple[str, ...] | None = None
        self.limit_titles: tuple[str, ...] = ()
        self._notices: set[str] = set()
        self._answering: int | None = None

    def compose(self) -> ComposeResult:
        yield ChatConversation(id="conversation")
        yield Prompt(id="prompt")

    def built(self) -> None:
        self.conversation = self.query_one("#conversation", ChatConversation)
        self.prompt = self.query_one("#prompt", Prompt)
        if (listed := self.bridge.listed) is not None:
            self._listed(listed)
        self.say_idle()

    def focus_first(self) -> None:
        self.prompt.focus()

    # --- What the prompt's frame says -------------------------------------------------------------------------------------------

    def say_idle(self) -> None:
        """Above the prompt the limit, if there is one; below it what one can do from here."""
        limit = Content("")
        if self.limit is not None:
            names = ", ".join(line(t) for t in self.limit_titles) or f"{len(self.limit)} documents"
            limit = Content.assemble(
                styled(f" only in {names} ", "reverse $text-accent"), styled(" esc u: all documents", MUTED)
            )
        self.prompt.border_title = limit
        hints = PROMPT_HINTS if self.prompt.has_focus else ANSWER_HINTS
        self.prompt.border_subtitle = key_hints(hints, max(0, self.size.width - 8))

    @on(events.DescendantFocus)
    @on(events.Resize)
    def _hints_change(self) -> None:
        if self._answering is None:
            self.say_idle()

    def say_working(self, exchange: Exchange) -> None:
        if exchange.number != self._answering:
            return
        doing = working_line(exchange, 400)
        if exchange.state == "writing":
            doing = Content.assemble(
                styled(f"{line(exchange.llm)} is writing", "$text-accent"), styled(" · ", MUTED), doing
            )
        self.prompt.border_title = Content.assemble(styled("● ", "$text-accent"), doing)
        self.prompt.border_subtitle = key_hints((("esc", "stop"),), 20)

    # --- Asking -------------------------------------------------------------------------------------------------------------------

    @on(Prompt.Submitted)
    async def _submitted(self, message: Prompt.Submitted) -> None:
        text = message.text
        if might_be_paths(text):
            paths = await asyncio.to_thread(dropped_paths, text)
            if paths:
                self.prompt.replace_text("")
                self.post_message(messages.PathsDropped(tuple(paths)))
                return
            if (missing := missing_path(text)) is not None:
                self.tell(f"There is no file or folder {missing}: check the name, or drag it in")
                return
        self.prompt.replace_text("")
        self.ask(text)

    def ask(self, question: str) -> None:
        """Ask within the current limit; the last turns of the conversation go along. What is typed next is the next question."""
        self.screen.set_focus(self.prompt)
        self.prompt.remember(question)
        turns = [(e.question, e.answer.text) for e in self.conversation.exchanges if e.answer and not e.answer.declined]
        number = self.bridge.ask(question, documents=self.limit, history=turns[-HISTORY_TURNS:])
        self.begin(number, question)

    def begin(self, number: int, question: str) -> Exchange:
        for older in self.conversation.exchanges:
            if older.number == number:
                return older
        exchange = Exchange(number, question, limited_to=self.limit_titles if self.limit else ())
        self._answering = number
        self.conversation.add(exchange)
        self.say_working(exchange)
        return exchange

    def find(self, number: int) -> Exchange | None:
        return next((e for e in reversed(self.conversation.exchanges) if e.number == number), None)

    @on(messages.QuestionStarted)
    def _question_started(self, message: messages.QuestionStarted) -> None:
        self.begin(message.number, message.question)

    @on(messages.AnswerEventArrived)
    def _event_arrived(self, message: messages.AnswerEventArrived) -> None:
        exchange = self.find(message.number)
        if exchange is None or not exchange.under_way:
            return
        event = message.event
        if isinstance(event, StageDone):
            exchange.stages.append(event)
            self.say_working(exchange)
        elif isinstance(event, AnswerStarted):
            exchange.state, exchange.llm, exchange.trace = "writing", event.llm, event.trace
            self.say_working(exchange)
        elif isinstance(event, TextDelta):
            exchange.state = "writing"
            exchange.text += event.text
        elif isinstance(event, AnswerReady):
            self.finish(exchange, event)
        self.conversation.changed(exchange)

    def finish(self, exchange: Exchange, event: AnswerReady) -> None:
        exchange.trace = event.trace
        answer = event.trace.answer
        assert answer is not None
        exchange.state = "done"
        exchange.llm = answer.llm
        if not answer.complete and (not answer.error or "cancel" in answer.error.lower()):
            exchange.state = "stopped"
        exchange.notice = self.notice_once(answer)
        self.ended(exchange)

    def notice_once(self, answer: Answer) -> str:
        """The answer's notice, unless this session has seen it."""
        if not answer.notice or answer.notice in self._notices:
            return ""
        self._notices.add(answer.notice)
        return answer.notice

    @on(messages.AnswerBroke)
    def _answer_broke(self, message: messages.AnswerBroke) -> None:
        exchange = self.find(message.number)
        if exchange is None:
            return
        error = message.error
        if isinstance(error, Cancelled):
            exchange.state = "stopped"
        elif isinstance(error, RagtermError):
            exchange.state, exchange.error, exchange.detail, exchange.hint = (
                "failed",
                error.title,
                error.message,
                error.hint,
            )
        else:
            exchange.state, exchange.error = "failed", f"{type(error).__name__}: {error}"
            exchange.hint = "press r to ask again; the log in the home folder has the details"
        self.ended(exchange)
        self.conversation.changed(exchange)

    def ended(self, exchange: Exchange) -> None:
        if self._answering == exchange.number:
            self._answering = None
            self.say_idle()

    # --- Keys and clicks ------------------------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """What is typed with the focus elsewhere in the pane, and is no key here, belongs to the prompt."""
        typed = event.character
        if typed and event.is_printable and not self.prompt.has_focus and event.key not in self.screen.active_bindings:
            event.stop()
            self.screen.set_focus(self.prompt)  # at once: the next key may already be waiting
            self.prompt.insert(plain(typed))

    @on(Prompt.ScrollWished)
    def _scroll(self, message: Prompt.ScrollWished) -> None:
        if message.key == "pageup":
            self.conversation.scroll_page_up(animate=False)
        else:
            self.conversation.scroll_page_down(animate=False)

    def action_leave(self) -> None:
        if self._answering is not None:
            self.bridge.cancel_answer()
            self.prompt.border_title = styled("stopping…", MUTED)
        elif self.prompt.has_focus:
            self.conversation.focus()
        else:
            self.prompt.focus()

    def action_new(self) -> None:
        self.bridge.cancel_answer()
        self._answering = None
        self.conversation.clear()
        self.say_idle()
        self.prompt.focus()

    def action_retry(self) -> None:
        if (exchange := self.conversation.selected) is not None:
            self.ask(exchange.question)

    def action_copy_answer(self) -> None:
        exchange = self.conversation.selected
        if exchange is not None and (exchange.text or exchange.answer):
            self.app.copy_to_clipboard(answer_as_text(exchange))
            self.tell("The answer and its citations are copied")

    def action_copy_quote(self) -> None:
        exchange = self.conversation.selected
        answer = exchange.answer if exchange else None
        if answer is None or not answer.citations:
            self.tell("This answer has no citation to copy")
            return
        kind, _, rest = self.conversation.spot.partition(":")
        chosen = int(rest.partition(":")[2]) if kind == "cite" else 0
        citation = answer.citations[chosen]
        self.app.copy_to_clipboard(plain(citation.quote))
        self.tell(f"The quote of [{citation.marker}] is copied")

    def action_inspect(self) -> None:
        self.open_trace("inspector")

    def action_walk(self) -> None:
        self.open_trace("layers")

    def open_trace(self, pane: str) -> None:
        exchange = self.conversation.selected
        if exchange is None or exchange.trace is None:
            self.tell("There is no trace yet: ask first")
        else:
            self.post_message(messages.TraceOpened(exchange.trace, pane))

    def action_show_prompt(self) -> None:
        exchange = self.conversation.selected
        trace = exchange.trace if exchange else None
        if exchange is None or trace is None or not trace.prompt:
            self.tell("No prompt was sent to a model for this answer")
            return
        tokens = f", {trace.answer.prompt_tokens} tokens" if trace.answer and trace.answer.prompt_tokens else ""
        said = f"This, and nothing else, is what {exchange.llm} received{tokens}."
        self.app.push_screen(TextScreen("The exact prompt", trace.prompt, said, ("[system]", "[user]", "[assistant]")))

    @on(Conversation.CitationMissing)
    def _citation_missing(self, message: Conversation.CitationMissing) -> None:
        self.tell(f"This answer has no citation [{message.number}]")

    @on(LineView.SpotChosen, "#conversation")
    def _spot_chosen(self, message: LineView.SpotChosen) -> None:
        kind, *rest = message.name.split(":")
        if kind == "samples":
            self.post_message(messages.PathsDropped((str(shipped("sample_docs")),)))
        elif kind == "example":
            self.ask(self.conversation.examples[int(rest[0])])
        elif kind in ("cite", "near"):
            exchange = self.find(int(rest[0]))
            if exchange is None or exchange.trace is None or exchange.answer is None:
                return
            if kind == "cite":
                wish = messages.SourceRequested(
                    citation=exchange.answer.citations[int(rest[1])], collection=exchange.trace.collection
                )
            else:
                chunk = exchange.trace.results[int(rest[1])].chunk
                wish = messages.SourceRequested(chunk=chunk, collection=exchange.trace.collection)
            self.post_message(wish)

    def tell(self, text: str) -> None:
        self.app.notify(plain(text), markup=False, timeout=3)

    # --- The limit to some documents ------------------------------------------------------------------------------------------------

    def limit_to(self, documents: tuple[str, ...] | None, titles: tuple[str, ...] = ()) -> None:
        """From now on questions look only into `documents` (None: all)."""
        self.limit, self.limit_titles = documents, titles
        if self._answering is None:
            self.say_idle()

    @on(messages.LimitChanged)
    def _limit_changed(self, message: messages.LimitChanged) -> None:
        self.limit_to(message.documents, message.titles)

    def action_unlimit(self) -> None:
        self.post_message(messages.QuestionLimited(None))

    # --- News of the collection -------------------------------------------------------------------------------------------------------

    @on(messages.CollectionChanged)
    def _collection_changed(self, message: messages.CollectionChanged) -> None:
        self.limit_to(None)
        self.conversation.documents = None
        self.welcome_again()
        self.say_idle()

    @on(messages.DocumentsListed)
    def _listed(self, message: messages.DocumentsListed) -> None:
        if message.collection == self.bridge.collection:
            self.conversation.documents = message.documents
            self.conversation.examples = example_questions(message.documents)
            self.welcome_again()

    @on(messages.IngestProgressed)
    def _ingest_progressed(self, message: messages.IngestProgressed) -> None:
        progress = message.progress
        at = f"{progress.files_done} of {progress.files_total} files" if progress.files_total else ""
        self.conversation.reading = f"Reading documents: {at or progress.stage}"
        self.welcome_again()

    @on(messages.IngestFinished)
    @on(messages.IngestBroke)
    def _ingest_over(self, message: Any) -> None:
        self.conversation.reading = ""
        self.welcome_again()

    def welcome_again(self) -> None:
        if not self.conversation.exchanges:
            self.conversation.relayout()
