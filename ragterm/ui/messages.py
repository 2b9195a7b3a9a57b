"""What happened, in the past tense: the only way in which workers, panes and the app speak to each other.

Two directions. *News* (`News` and its children) comes from the bridge and is handed to every pane that listens;
it does not bubble. *Wishes of the user* (the rest) are posted by a widget and bubble up to the app, which acts:
it opens a screen, shows another pane, or passes the wish to the bridge. Messages hold value types only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from ragterm.engine.types.answers import AskEvent, Citation
    from ragterm.engine.types.documents import Chunk, CollectionInfo, DocumentRow
    from ragterm.engine.types.ingesting import IngestProgress, IngestReport, Removal
    from ragterm.engine.types.tracing import Trace


# --- News: from the bridge to everyone who called `bridge.listen(self)`. ---------------------------------------------------


class News(Message, bubble=False):
    """Something happened in the engine. Sent by `Bridge.publish`, each listener gets a copy of its own."""

    def __init_subclass__(cls) -> None:
        # Textual resets `bubble` for every subclass; news that bubbled would reach the app once more from each pane.
        super().__init_subclass__(bubble=False)


@dataclass(eq=False, repr=False)
class EngineOpened(News):
    """The engine is there. `home` is its folder."""

    home: str


@dataclass(eq=False, repr=False)
class WarmingProgressed(News):
    """Models and indexes are being reached in the background; `text` says which."""

    text: str


@dataclass(eq=False, repr=False)
class EngineWarmed(News):
    """Everything that can be warm is warm. `llm` is the model that answers, `notice` why it is not another one."""

    llm: str = ""
    notice: str = ""
    hint: str = ""


@dataclass(eq=False, repr=False)
class ModelFetched(News):
    """A checkpoint was downloaded and can be used."""

    name: str


@dataclass(eq=False, repr=False)
class WorkBroke(News):
    """Background work named `work` ("warm", "list") failed; the app shows it."""

    work: str
    error: Exception


@dataclass(eq=False, repr=False)
class CollectionChanged(News):
    """Another collection is the current one."""

    name: str


@dataclass(eq=False, repr=False)
class DocumentsChanged(News):
    """Documents were added to, updated in or removed from `collection`: what was read from it is stale."""

    collection: str


@dataclass(eq=False, repr=False)
class DocumentsListed(News):
    """The collections, and the documents of the one named `collection`."""

    collection: str
    collections: tuple[CollectionInfo, ...]
    documents: tuple[DocumentRow, ...]


@dataclass(eq=False, repr=False)
class DocumentsRemoved(News):
    """Documents were removed; `removal` proves it."""

    collection: str
    removal: Removal


@dataclass(eq=False, repr=False)
class DocumentsRestored(News):
    """So many removed documents are back."""

    collection: str
    count: int


@dataclass(eq=False, repr=False)
class FollowingChanged(News):
    """The folders (`roots`) of `collection` are followed live from now on, or no more."""

    collection: str
    on: bool
    roots: tuple[str, ...] = ()


@dataclass(eq=False, repr=False)
class FollowingNoticed(News):
    """Something about a followed folder that a person should know: `line` says what."""

    collection: str
    line: str


@dataclass(eq=False, repr=False)
class IngestStarted(News):
    collection: str
    roots: tuple[str, ...] = ()


@dataclass(eq=False, repr=False)
class IngestProgressed(News):
    progress: IngestProgress


@dataclass(eq=False, repr=False)
class IngestFinished(News):
    report: IngestReport


@dataclass(eq=False, repr=False)
class IngestBroke(News):
    """The ingest as a whole ended with an error (one document that fails is an outcome, not this)."""

    collection: str
    error: Exception


@dataclass(eq=False, repr=False)
class QuestionStarted(News):
    """A question is under way. `number` counts the questions of this session; events of a question carry it."""

    number: int
    question: str


@dataclass(eq=False, repr=False)
class AnswerEventArrived(News):
    """StageDone, AnswerStarted, TextDelta or AnswerReady of question `number`."""

    number: int
    event: AskEvent


@dataclass(eq=False, repr=False)
class AnswerBroke(News):
    """The question ended with an error; `error` is a RagtermError (`Cancelled` too) or something unforeseen."""

    number: int
    error: Exception


@dataclass(eq=False, repr=False)
class LimitChanged(News):
    """Questions now look only into these documents (None: all): the app's answer to `QuestionLimited`."""

    documents: tuple[str, ...] | None
    titles: tuple[str, ...] = ()


@dataclass(eq=False, repr=False)
class TraceShown(News):
    """The inspector (and layers) should show this trace: the app's answer to `TraceOpened`."""

    trace: Trace


# --- Wishes: from a widget up to the app. -----------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class QuestionAsked(Message):
    """The user asked; `documents` limits the question to these document ids."""

    question: str
    documents: tuple[str, ...] | None = None


@dataclass(eq=False, repr=False)
class TraceOpened(Message):
    """The user wants to see this trace; the app shows the pane named `pane` with it."""

    trace: Trace
    pane: str = "inspector"


@dataclass(eq=False, repr=False)
class SourceRequested(Message):
    """The user wants to read a source: a citation, or a chunk, or a document at a span `start`:`end`.

    Give `citation`, or `chunk`, or `document_id`; the collection is the current one unless named."""

    citation: Citation | None = None
    chunk: Chunk | None = None
    document_id: str = ""
    start: int = 0
    end: int = 0
    collection: str = ""


@dataclass(eq=False, repr=False)
class PreviewRequested(Message):
    """The user wants to see a document of the current collection: its text, its chunks and its pages."""

    document_id: str


@dataclass(eq=False, repr=False)
class PathsDropped(Message):
    """Files or folders were dropped, pasted or typed: the app surveys them and asks once."""

    paths: tuple[str, ...]


@dataclass(eq=False, repr=False)
class PaneRequested(Message):
    """Show the pane "documents", "chat", "inspector" or "layers"."""

    name: str


@dataclass(eq=False, repr=False)
class ErrorArose(Message):
    """Something failed where a person should see it."""

    error: Exception
    doing: str = ""


@dataclass(eq=False, repr=False)
class QuestionLimited(Message):
    """From now on questions look only into these documents (None: all of the collection). `titles` are for the reader."""

    documents: tuple[str, ...] | None
    titles: tuple[str, ...] = field(default=())
