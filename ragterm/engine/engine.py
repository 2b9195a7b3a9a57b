"""The facade: one object that opens a home folder and does everything ragterm does. It composes, it does not compute.

    from ragterm import Engine

    with Engine.open() as engine:
        engine.ingest(["./docs"])
        trace = engine.retrieve("What is the refund policy?")

Every call blocks; none may be made on an event loop. Imports of the rooms are inside the methods: opening an engine costs
milliseconds, and a command pays only for the rooms it enters.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragterm.engine.collections import OpenCollection, Shelf, check_name
from ragterm.engine.comparing import ChunkingQuestions
from ragterm.engine.home import home_folder
from ragterm.engine.keeping import KeepingInStep
from ragterm.engine.looking import GraphQuestions
from ragterm.engine.pages import PageQuestions
from ragterm.engine.resident import ResidentModels
from ragterm.engine.types.answers import AnswerReady, AskEvent, StageDone
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import DownloadNeeded, NotFoundError, RagtermError, UsageError
from ragterm.engine.types.health import Check, LlmStatus
from ragterm.engine.types.settings import Settings, load_settings
from ragterm.engine.types.tracing import RetrievalSettings, Trace
from ragterm.engine.types.web import WebOptions

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk, CollectionInfo, Document, DocumentRow
    from ragterm.engine.types.ingesting import IngestProgress, IngestReport, Survey

    OnProgress = Callable[[IngestProgress], None]
    OnStep = Callable[[str], None]

_log = logging.getLogger(__name__)
_HIDDEN_PREFIX = "docs-"


class Engine(GraphQuestions, ChunkingQuestions, KeepingInStep, PageQuestions):
    """A home folder, open. Safe from any thread. Use `Engine.open`; `close` (or `with`) ends background work."""

    def __init__(self, home: Path, settings: Settings) -> None:
        from ragterm.engine.models import cache_dir

        self.home = home
        self.settings = settings
        self.models = ResidentModels(settings, cache_dir())
        self._shelf = Shelf(home, self.models)
        self._pruned: set[str] = set()
        self._guard = threading.Lock()

    @classmethod
    def open(cls, home: Path | str | None = None, settings: Settings | None = None) -> Engine:
        """Open the home folder (made at the first write). Without `settings` its `config.toml` is read. Raises ConfigError."""
        folder = home_folder(home)
        return cls(folder, settings if settings is not None else load_settings(folder / "config.toml"))

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()

    def close(self) -> None:
        self._shelf.close()

    # Collections

    def collections(self, hidden: bool = False) -> list[CollectionInfo]:
        """By name; hidden ones (made by `ask --docs`) when asked for. One that cannot be read is logged; `doctor` names it."""
        found = []
        for name in self._shelf.names():
            if name.startswith(_HIDDEN_PREFIX) and not hidden:
                continue
            try:
                found.append(self._shelf.get(name).store.info())
            except RagtermError as error:
                _log.warning("collection %s: %s", name, error)
        return found

    def create_collection(self, name: str) -> None:
        """Raises UsageError for a name that cannot be a folder's; an existing collection is left as it is."""
        self._shelf.get(check_name(name), create=True)

    def delete_collection(self, name: str) -> None:
        """Documents, vectors, index and traces; the source files stay. Raises NotFoundError, BusyError."""
        self._shelf.delete(name)

    # Ingest

    def survey(self, paths: Sequence[str]) -> Survey:
        """What the paths hold, before anything is read."""
        from ragterm.engine.documents.sources import survey

        return survey(paths, self.settings.ingest.max_file_mb)

    def ingest(
        self,
        paths: Sequence[str],
        collection: str = "default",
        on_progress: OnProgress | None = None,
        control: Control | None = None,
        web: WebOptions | None = None,
        passwords: Sequence[str] = (),
    ) -> IngestReport:
        """Read files, folders and web pages (with `web`, sites) into a collection, made when it is not there. What cannot be read is an
        outcome; a path that is nowhere raises NotFoundError. `passwords` are tried on locked files and kept nowhere."""
        from ragterm.engine.ingest import ingest

        opened = self._shelf.get(collection, create=True)
        opened.store.aside.purge()
        rooms, options = opened.ingest_rooms(), web or WebOptions()
        report = ingest(paths, rooms, self.settings, on_progress, control, web=options, passwords=passwords)
        return self._ingested(opened, report)

    def ingest_folder_collection(
        self,
        path: str,
        on_progress: OnProgress | None = None,
        on_step: OnStep | None = None,
        control: Control | None = None,
    ) -> IngestReport:
        """The hidden collection of one folder (`ask --docs`), brought up to date. Its name is in the report."""
        folder = Path(path).expanduser().resolve()
        if not folder.exists():
            raise NotFoundError("No such file or folder", path, "check the path given with --docs")
        name = _HIDDEN_PREFIX + sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:12]
        opened = self._shelf.get(name, create=True)
        opened.store.settings.set("hidden", True)
        opened.store.settings.set("folder", os.fsencode(folder).decode("utf-8", "replace"))
        self.models.embedder(on_step)
        return self.ingest([str(folder)], name, on_progress, control)

    def unfinished(self, collection: str = "default") -> int:
        """Files of an interrupted ingest that wait to be resumed."""
        from ragterm.engine.ingest import unfinished

        return unfinished(self._shelf.get(collection).store) if collection in self._shelf.names() else 0

    def resume(
        self, collection: str = "default", on_progress: OnProgress | None = None, control: Control | None = None
    ) -> IngestReport:
        """Go on with an interrupted ingest."""
        from ragterm.engine.ingest import resume

        opened = self._shelf.get(collection)
        return self._ingested(opened, resume(opened.ingest_rooms(), self.settings, on_progress, control))

    def reingest(
        self,
        ids: Sequence[str],
        collection: str = "default",
        on_progress: OnProgress | None = None,
        control: Control | None = None,
        passwords: Sequence[str] = (),
    ) -> IngestReport:
        """Read these documents again, changed or not."""
        from ragterm.engine.ingest import reingest

        opened = self._shelf.get(collection)
        report = reingest(ids, opened.ingest_rooms(), self.settings, on_progress, control, passwords)
        return self._ingested(opened, report)

    def _ingested(self, opened: OpenCollection, report: IngestReport) -> IngestReport:
        from ragterm.engine.documents.language import collection_warning

        opened.save_indexes(build_graph=True)
        rows = opened.store.documents.rows() if report.chunks else []
        warning = collection_warning(rows, self.settings.embedding.model)
        return replace(report, warnings=(*report.warnings, warning)) if warning else report

    # Documents

    def documents(self, collection: str = "default") -> list[DocumentRow]:
        return self._shelf.get(collection).store.documents.rows()

    def document(self, document_id: str, collection: str = "default", content_hash: str = "") -> Document:
        """Canonical text and blocks: the version with this hash (which a trace may refer to) or the present one."""
        documents = self._shelf.get(collection).store.documents
        if content_hash and (version := documents.version(document_id, content_hash)) is not None:
            return version
        return documents.document(document_id)

    def chunks(self, document_id: str, collection: str = "default") -> list[Chunk]:
        """In reading order, of the live build."""
        return self._shelf.get(collection).store.chunks.of_document(document_id)

    def chunk_by_key(self, key: int, collection: str = "default") -> tuple[Chunk, DocumentRow] | None:
        store = self._shelf.get(collection).store
        found = store.chunks.by_keys([key]).get(key)
        row = store.documents.row(found.chunk.document_id) if found is not None else None
        return (found.chunk, row) if found is not None and row is not None else None

    # Questions

    def retrieval_settings(self) -> RetrievalSettings:
        """The configured defaults, `rerank` = "auto" resolved."""
        search = self.settings.search
        rerank = self.models.resolve_reranker(search.rerank)
        return RetrievalSettings(search.mode, search.fusion, search.weight, rerank, search.depth, search.k)

    def rerankers(self) -> list[str]:
        """The rerankers that work on this machine now."""
        return self.models.usable_rerankers()

    def retrieve(
        self,
        question: str,
        collection: str = "default",
        settings: RetrievalSettings | None = None,
        save: bool = True,
        control: Control | None = None,
        on_stage: Callable[[StageDone], None] | None = None,
    ) -> Trace:
        """Search; the trace is saved unless `save` or the setting `privacy.save_traces` is off."""
        opened = self._shelf.get(collection)
        trace = opened.search(question, settings or self.retrieval_settings(), control, on_stage)
        if save:
            self._save(opened, trace)
        return trace

    def ask(
        self,
        question: str,
        collection: str = "default",
        settings: RetrievalSettings | None = None,
        llm: str | None = None,
        history: Sequence[tuple[str, str]] = (),
        control: Control | None = None,
    ) -> Iterator[AskEvent]:
        """Answer a question. Yields a `StageDone` per retrieval step, `AnswerStarted`, the text as it is written, and at the end
        `AnswerReady` with the saved trace: also when the model broke off or `control` cancelled it (the answer then says so).

        `llm` as on the command line ("ollama:NAME", "extractive"; None: the configured one). `history` is (question, answer)
        pairs, oldest first. Raises RagtermError only before the model begins.
        """
        from ragterm.engine.answering.answer import answer_question
        from ragterm.engine.answering.places import with_places
        from ragterm.engine.llm.choose import choose_model

        control = control or Control()
        opened = self._shelf.get(collection)
        stages: list[StageDone] = []
        trace = opened.search(question, settings or self.retrieval_settings(), control, stages.append)
        yield from stages
        embedder = self.models.embedder()
        model, notice = choose_model(llm or self.settings.answer.llm, self.settings, embedder)
        limits = self.settings.answer
        trace, passages = opened.passages(trace, limits)
        for event in answer_question(trace, passages, model, embedder, history, control, limits, notice=notice):
            if isinstance(event, AnswerReady) and event.trace.answer is not None:
                answer = with_places(event.trace.answer, opened.blocks_of)
                event = AnswerReady(replace(event.trace, answer=answer))
                self._save(opened, event.trace)
            yield event

    def language_models(self) -> LlmStatus:
        """Which language model answers now, and which there are."""
        from ragterm.engine.llm.choose import language_model_status

        return language_model_status(self.settings)

    # Traces

    def traces(self, collection: str = "default", limit: int = 100) -> list[Trace]:
        """The newest first."""
        return self._shelf.get(collection).store.traces.recent(limit) if collection in self._shelf.names() else []

    def trace(self, trace_id: str) -> Trace:
        """Raises NotFoundError."""
        for name in self._shelf.names():
            try:
                return self._shelf.get(name).store.traces.get(trace_id)
            except NotFoundError:
                continue
        raise NotFoundError("No such trace", trace_id, "traces are kept for privacy.retention_days")

    def delete_traces(self, collection: str | None = None, ids: Sequence[str] | None = None) -> int:
        """Of one collection or of all; these ids or every trace. How many there were."""
        names = [collection] if collection is not None else self._shelf.names()
        return sum(self._shelf.get(name).store.traces.delete(ids) for name in names)

    def _save(self, opened: OpenCollection, trace: Trace) -> None:
        if not self.settings.privacy.save_traces:
            return
        with self._guard:
            first = opened.name not in self._pruned
            self._pruned.add(opened.name)
        if first:
            opened.store.traces.prune(self.settings.privacy.retention_days)
        opened.store.traces.save(trace)

    # Care

    def warm(self, progress: OnStep | None = None) -> None:
        """Load the embedding model (and make it ready, once) before it is needed."""
        embedder = self.models.embedder(progress)
        embedder.embed_query("warm")

    def model_to_download(self, name: str) -> DownloadNeeded | None:
        """What fetching a checkpoint would mean (size, source), None when it is here. Raises OfflineError."""
        from ragterm.engine.models.weights import find_weights

        try:
            find_weights(name, self.models.cache, self.settings.privacy.offline)
        except DownloadNeeded as needed:
            return needed
        return None

    def download_model(self, name: str, progress: OnStep | None = None) -> None:
        """Fetch a checkpoint. Only after the user has agreed. Raises OfflineError, ModelError."""
        from ragterm.engine.models.weights import download

        download(name, self.models.cache, progress, offline=self.settings.privacy.offline)

    def evaluate(
        self,
        folder: Path,
        settings: RetrievalSettings,
        run_file: Path | None = None,
        on_progress: OnProgress | None = None,
        on_step: OnStep | None = None,
        control: Control | None = None,
    ) -> dict[str, Any]:
        """nDCG@10, recall@100, MRR@10 and MAP on a folder in BEIR form, in a throw-away collection."""
        from ragterm.engine.evaluating import evaluate_folder

        return evaluate_folder(self.models, folder, settings, run_file, on_progress, on_step, control)

    def doctor(self, collection: str | None = None) -> list[Check]:
        """Health checks: of the machine, models, language model, configuration and collections, or of one collection alone."""
        from ragterm.engine.doctor import collection_check, config_checks, machine_checks, model_checks
        from ragterm.resources import shipped

        if collection is not None:
            return [collection_check(self._shelf, collection)]
        checks = machine_checks(self.home) + config_checks(self.home, shipped("themes"))
        checks += model_checks(self.settings, self.models.cache)
        status = self.language_models()
        names = ", ".join(status.models[:8])
        text = f"{status.current} answers; models here: {names}" if status.running else status.message
        checks.append(Check("language model", "ok" if status.running else "info", text, status.hint))
        return checks + [collection_check(self._shelf, name) for name in self._shelf.names()]

    def delete_data(self, what: str, name: str | None = None) -> str:
        """Delete "collection" `name`, all "traces", "caches" or "everything"; says what went."""
        if what == "collection":
            self.delete_collection(name or "")
            return f"collection {name}"
        if what == "traces":
            return f"{self.delete_traces(name)} traces"
        if what not in ("caches", "everything"):
            raise UsageError("Nothing of that kind is stored", what, "collection NAME, traces, caches or everything")
        gone = ["caches"]
        shutil.rmtree(self.models.cache, ignore_errors=True)
        if what == "everything":
            for one in self._shelf.names():
                self.delete_collection(one)
                gone.append(f"collection {one}")
            shutil.rmtree(self.home / "logs", ignore_errors=True)
        return ", ".join(gone)
