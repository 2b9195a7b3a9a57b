"""The only door from the interface to the engine.

The engine blocks; the event loop must not wait. So every method of the engine appears here either as a coroutine that runs it in
a thread (requests: `await bridge.documents()`), or as a call that starts long work and returns at once (ingest, ask, warm),
whose course arrives as news (`messages.News`) at everyone who listens. The bridge owns the `Control` of the running ingest and of
the running question, and knows which collection is the current one. The engine is imported in the first thread that needs it,
never before the first frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import BusyError
from ragterm.ui import messages
from ragterm.ui.comparison_requests import ComparisonRequests
from ragterm.ui.download_requests import DownloadRequests
from ragterm.ui.graph_requests import GraphRequests
from ragterm.ui.keeping_requests import KeepingRequests
from ragterm.ui.threads import step_back
from ragterm.ui.wording import natural

if TYPE_CHECKING:
    from textual.message_pump import MessagePump

    from ragterm.engine.engine import Engine
    from ragterm.engine.types.answers import AskEvent
    from ragterm.engine.types.documents import Chunk, CollectionInfo, Document, DocumentRow
    from ragterm.engine.types.ingesting import IngestProgress, IngestReport, Survey
    from ragterm.engine.types.settings import Settings
    from ragterm.engine.types.tracing import RetrievalSettings, Trace

logger = logging.getLogger(__name__)
T = TypeVar("T")
_THREADS = "ragterm-"


def open_engine(home: Path | None, settings: Settings | None) -> Engine:
    from ragterm.engine.engine import Engine

    return Engine.open(home, settings)


def home_folder(home: Path | None) -> Path:
    """Where everything of this user lies, unless `home` says otherwise."""
    if home is not None:
        return home
    from ragterm.engine.home import home_folder as resolve

    return resolve(home)


class Bridge(GraphRequests, ComparisonRequests, KeepingRequests, DownloadRequests):
    """`opener` makes the engine (tests hand in a fake one)."""

    def __init__(
        self,
        home: Path | None = None,
        settings: Settings | None = None,
        *,
        opener: Callable[[Path | None, Settings | None], Any] = open_engine,
        collection: str = "default",
    ) -> None:
        super().__init__()
        self.home = home
        self.settings = settings
        self.collection = collection
        self.listed: messages.DocumentsListed | None = None
        """The last list of documents that arrived, for panes that are made later."""
        self._opener = opener
        self._opened: Any = None
        self._opening = threading.Lock()
        self._listeners: list[MessagePump] = []
        self._ingest: Control | None = None
        self._ingest_thread: threading.Thread | None = None
        self._answer: Control | None = None
        self._questions = 0

    # --- News ---------------------------------------------------------------------------------------------------------------

    def listen(self, listener: MessagePump) -> None:
        """From now on `listener` (a pane, the app) gets every `messages.News`. Call it in `on_mount`."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def publish(self, news: messages.News) -> None:
        """Hand `news` to every listener. Safe from any thread."""
        for listener in tuple(self._listeners):
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to hear it
                listener.post_message(copy.copy(news))  # a message carries the state of its own delivery

    # --- Requests: await them in a worker (`Pane.fetch`) or a handler ---------------------------------------------------------

    async def call(self, work: Callable[[Any], T]) -> T:
        """Run `work(engine)` in a thread of its own and await what it returns or raises.

        A daemon thread, not an executor: a request that hangs (a language model that does not reply) must not hold up the exit.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def run() -> None:
            step_back()
            result, error = None, None
            try:
                result = work(self.engine())
            except Exception as caught:  # noqa: BLE001 - the border of a thread: it is raised again in the awaiting coroutine
                error = caught
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        threading.Thread(target=run, name=f"{_THREADS}request", daemon=True).start()
        return await future

    def engine(self) -> Any:
        """The engine, opened by the first who asks. Blocks: for threads only."""
        with self._opening:
            if self._opened is None:
                self._opened = self._opener(self.home, self.settings)
                self.home = Path(self._opened.home)
                self.settings = self._opened.settings
                self.publish(messages.EngineOpened(str(self.home)))
            return self._opened

    def used_before(self) -> bool:
        """Is there a collection already? Looks at the folder's names only, for the first frame must not wait for the engine."""
        folder = Path(self.home) / "collections" if self.home else None
        try:
            return folder is not None and any(folder.iterdir())
        except OSError:
            return False

    async def collections(self) -> list[CollectionInfo]:
        return await self.call(lambda engine: engine.collections())

    async def create_collection(self, name: str) -> None:
        await self.call(lambda engine: engine.create_collection(name))

    async def delete_collection(self, name: str) -> None:
        await self.call(lambda engine: engine.delete_collection(name))

    async def documents(self, collection: str = "") -> list[DocumentRow]:
        return await self.call(lambda engine: engine.documents(collection or self.collection))

    async def document(self, document_id: str, collection: str = "", content_hash: str = "") -> Document:
        """The version of this hash where it is still kept, else the present one."""
        return await self.call(lambda engine: engine.document(document_id, collection or self.collection, content_hash))

    async def chunks(self, document_id: str, collection: str = "") -> list[Chunk]:
        return await self.call(lambda engine: engine.chunks(document_id, collection or self.collection))

    async def page_image(self, document_id: str, page: int, width: int) -> bytes:
        """PNG."""
        return await self.call(lambda engine: engine.page_image(document_id, page, width, self.collection))

    async def chunk_by_key(self, key: int, collection: str = "") -> tuple[Chunk, DocumentRow] | None:
        return await self.call(lambda engine: engine.chunk_by_key(key, collection or self.collection))

    async def survey(self, paths: Sequence[str]) -> Survey:
        return await self.call(lambda engine: engine.survey(paths))

    async def unfinished(self, collection: str = "") -> int:
        return await self.call(lambda engine: engine.unfinished(collection or self.collection))

    async def retrieve(self, question: str, settings: RetrievalSettings | None = None, *, save: bool = True) -> Trace:
        return await self.call(lambda engine: engine.retrieve(question, self.collection, settings, save))

    async def retrieval_settings(self) -> RetrievalSettings:
        return await self.call(lambda engine: engine.retrieval_settings())

    async def rerankers(self) -> list[str]:
        return await self.call(lambda engine: engine.rerankers())

    async def language_models(self) -> Any:
        """LlmStatus(running, models, message, hint, current)."""
        return await self.call(lambda engine: engine.language_models())

    async def traces(self, limit: int = 100) -> list[Trace]:
        return await self.call(lambda engine: engine.traces(self.collection, limit))

    async def trace(self, trace_id: str) -> Trace:
        return await self.call(lambda engine: engine.trace(trace_id))

    async def delete_traces(self, collection: str | None = None, ids: Sequence[str] | None = None) -> int:
        return await self.call(lambda engine: engine.delete_traces(collection, ids))

    async def delete_data(self, what: str) -> str:
        """All "traces", "caches" or "everything"; says what went."""
        said: str = await self.call(lambda engine: engine.delete_data(what))
        if what == "everything":
            self.switch_collection("default")
        return said

    async def doctor(self) -> list[Any]:
        """Check(name, severity, message, remedy) each."""
        return await self.call(lambda engine: engine.doctor(self.collection))

    async def save_setting(self, key: str, value: str) -> None:
        """Write one setting into `config.toml`; `key` as in "interface.theme"."""

        def save() -> None:
            from ragterm.engine.home import save_setting

            save_setting(self.home, key, value)

        await self.call(lambda engine: save())

    # --- The current collection -----------------------------------------------------------------------------------------------

    def switch_collection(self, name: str) -> None:
        self.collection = name
        self.publish(messages.CollectionChanged(name))
        self.refresh_documents()
        self.resume_following()

    def refresh_documents(self) -> None:
        """Read collections and documents; `DocumentsListed` follows, the documents by title as a person counts."""
        name = self.collection

        def read() -> None:
            engine = self.engine()
            collections = tuple(engine.collections())
            known = any(one.name == name for one in collections)
            # Sorted here: ten thousand titles would hold up the loop.
            found = engine.documents(name) if known else ()
            rows = tuple(sorted(found, key=lambda row: natural(row.title or row.path)))
            if name == self.collection:
                self.listed = messages.DocumentsListed(name, collections, rows)
                self.publish(self.listed)

        self._start("list", read)

    # --- Long work ------------------------------------------------------------------------------------------------------------

    def warm(self) -> None:
        """Reach models, indexes and language model in the background: `WarmingProgressed`..., `EngineWarmed`."""

        def work() -> None:
            engine = self.engine()
            engine.purge_removed()
            engine.warm(lambda text: self.publish(messages.WarmingProgressed(text)))
            status = engine.language_models()
            self.publish(messages.EngineWarmed(status.current, status.message, status.hint))
            self.resume_following()

        self._start("warm", work)

    @property
    def ingesting(self) -> bool:
        return self._ingest is not None

    @property
    def ingest_paused(self) -> bool:
        return self._ingest is not None and self._ingest.paused

    def ingest(self, paths: Sequence[str], collection: str = "") -> None:
        """`IngestStarted`, `IngestProgressed`..., then `IngestFinished` or `IngestBroke`. Raises BusyError while another runs."""
        name = collection or self.collection
        self._ingest_with(name, tuple(paths), lambda engine, *rest: engine.ingest(list(paths), name, *rest))

    def resume_interrupted(self, collection: str = "") -> None:
        name = collection or self.collection
        self._ingest_with(name, (), lambda engine, *rest: engine.resume(name, *rest))

    def reingest(self, ids: Sequence[str], collection: str = "", passwords: Sequence[str] = ()) -> None:
        name = collection or self.collection
        self._ingest_with(name, (), lambda engine, *rest: engine.reingest(list(ids), name, *rest, passwords))

    def pause_ingest(self) -> None:
        if self._ingest is not None:
            self._ingest.pause()

    def continue_ingest(self) -> None:
        if self._ingest is not None:
            self._ingest.resume()

    def cancel_ingest(self) -> None:
        if self._ingest is not None:
            self._ingest.cancel()

    def _ingest_with(self, name: str, roots: tuple[str, ...], work: Callable[..., IngestReport]) -> None:
        with self._ingest_guard:
            if self._ingest is not None:
                raise BusyError("An ingest is already running", f"in {name}", "wait for it, or cancel it in Documents")
            control = self._ingest = Control()

        def progressed(progress: IngestProgress) -> None:
            self.publish(messages.IngestProgressed(progress))

        def run() -> None:
            self.publish(messages.IngestStarted(name, roots))
            try:
                ended: messages.News = messages.IngestFinished(work(self.engine(), progressed, control))
            except Exception as error:  # the border of a thread: shown by the app
                logger.exception("the ingest broke")
                ended = messages.IngestBroke(name, error)
            self._ingest = None
            self.publish(ended)
            self.publish(messages.DocumentsChanged(name))

        self._ingest_thread = self._start("ingest", run)

    @property
    def answering(self) -> bool:
        return self._answer is not None

    def ask(
        self,
        question: str,
        *,
        documents: Sequence[str] | None = None,
        settings: RetrievalSettings | None = None,
        llm: str | None = None,
        history: Sequence[tuple[str, str]] = (),
    ) -> int:
        """Ask; returns the question's number. `QuestionStarted`, `AnswerEventArrived`..., ending in the event AnswerReady
        or in `AnswerBroke`. `documents` limits the search to these ids. A question still under way is cancelled."""
        self.cancel_answer()
        control = self._answer = Control()
        self._questions += 1
        number, name = self._questions, self.collection
        self.publish(messages.QuestionStarted(number, question))

        def run() -> None:
            from dataclasses import replace

            try:
                engine = self.engine()
                chosen = settings or engine.retrieval_settings()
                if documents is not None:
                    chosen = replace(chosen, documents=tuple(documents))
                events: Iterator[AskEvent] = engine.ask(question, name, chosen, llm, history, control)
                for event in events:
                    self.publish(messages.AnswerEventArrived(number, event))
            except Exception as error:  # the border of a thread: shown in the chat
                logger.exception("the answer broke")
                self.publish(messages.AnswerBroke(number, error))
            finally:
                if self._answer is control:
                    self._answer = None

        self._start("answer", run)
        return number

    def cancel_answer(self) -> None:
        if (control := self._answer) is not None:
            control.cancel()

    def close(self, timeout: float = 5.0) -> None:
        """Stop what runs and close the engine. Blocks: call it after the app has left the screen."""
        self._listeners.clear()
        self.cancel_answer()
        self.cancel_ingest()
        self.end_following()
        if self._ingest_thread is not None:
            self._ingest_thread.join(timeout)
        if self._opened is not None:
            self._opened.close()

    @property
    def working(self) -> bool:
        """Is a thread of the bridge still at work? (A model that loads cannot be interrupted.)"""
        return any(thread.name.startswith(_THREADS) and thread.is_alive() for thread in threading.enumerate())

    def _start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            step_back()
            try:
                work()
            except Exception as error:  # the border of a thread
                logger.exception("%s failed", name)
                self.publish(messages.WorkBroke(name, error))

        thread = threading.Thread(target=run, name=f"{_THREADS}{name}", daemon=True)
        thread.start()
        return thread
