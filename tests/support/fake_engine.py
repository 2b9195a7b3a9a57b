"""An engine that does nothing but speak: fixed data behind the same methods as `ragterm.engine.engine.Engine`.

For tests of the interface, where what is shown matters and what is computed does not. `hostile=True` puts markup, escape
sequences, C1 controls and bidirectional overrides into every name and text.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ragterm.engine.ingest.watching import FolderWatch, Pace
from ragterm.engine.types.answers import Answer, AnswerReady, AnswerStarted, Citation, Sentence, StageDone, TextDelta
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Block, Chunk, CollectionInfo, Document, DocumentRow
from ragterm.engine.types.errors import Cancelled, DownloadNeeded, NotFoundError
from ragterm.engine.types.graphs import (
    Explanation,
    GraphHealth,
    GraphSummary,
    LayerMap,
    LayerSummary,
    RecallReport,
    Standing,
    Walk,
    WalkStep,
)
from ragterm.engine.types.ingesting import DocumentOutcome, IngestProgress, IngestReport, Removal, Survey
from ragterm.engine.types.lessons import Lesson
from ragterm.engine.types.settings import Settings
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, StageScore, StageTiming, Trace
from ragterm.engine.vectors.explain import explain
from ragterm.engine.vectors.lesson import lessons

HOSTILE = "a [/foo] b [b + \x1b[31mred\x1b]0;title\x07 \x9b2J \u202egpj.exe\u2066 [@click=app.quit]x[/] \ud800 \x00"
SUPPORTED = {".md": "markdown", ".txt": "text", ".pdf": "pdf", ".html": "html", ".docx": "docx", ".py": "code"}


@dataclass
class LlmStatus:
    running: bool = False
    models: tuple[str, ...] = ()
    message: str = "No language model is running: answers are sentences of your documents"
    hint: str = "install Ollama, then run: ollama pull llama3.2"
    current: str = "extractive"


@dataclass
class Check:
    name: str
    severity: str
    message: str
    remedy: str


TEXT = """Aurora Kettle: service handbook

1 Warranty

The Aurora kettle carries a warranty of three years from the day of purchase. The warranty covers the heating element,
the thermostat and the lid. It does not cover limescale.

2 Refunds

A customer may return an unused kettle within 30 days and receives a full refund. Refunds are paid within five working
days to the original means of payment. Opened boxes are refunded at 80 % of the price.

3 Repairs

Repairs are carried out in Aarhus. Shipping is free of charge during the warranty.
"""


def make_document(number: int, *, hostile: bool = False) -> Document:
    kind = ("markdown", "pdf", "docx", "html", "text", "code")[number % 6]
    ending = {"markdown": "md", "pdf": "pdf", "docx": "docx", "html": "html", "text": "txt", "code": "py"}[kind]
    title = f"Service handbook {number}" + (HOSTILE if hostile else "")
    path = f"/docs/handbook-{number:03}{HOSTILE if hostile else ''}.{ending}"
    text = TEXT + (HOSTILE if hostile else "")
    blocks, at, section = [], 0, ""
    for part in text.split("\n\n"):
        heading = part[:1].isdigit()
        page = 1 + at // 300 if kind == "pdf" else None
        blocks.append(
            Block(
                "heading" if heading else "paragraph",
                at,
                at + len(part),
                page,
                (section,) if section and not heading else (),
                int(heading),
            )
        )
        section = part if heading else section
        at += len(part) + 2
    return Document(
        id=hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        path=path,
        title=title,
        kind=kind,  # type: ignore[arg-type]
        content_hash="0" * 64,
        text=text,
        blocks=tuple(blocks),
        pages=3 if kind == "pdf" else None,
        parser="pdfium" if kind == "pdf" else kind,
        warnings=("2 pages hold only pictures" + (HOSTILE if hostile else ""),) if number % 7 == 1 else (),
    )


@dataclass
class FakeEngine:
    home: Path = Path("/home/reader/.ragterm")
    settings: Settings = field(default_factory=Settings)
    count: int = 25
    hostile: bool = False
    step: float = 0.0
    """Seconds that each file of an ingest takes."""
    waiting: int = 0
    fail_with: Exception | None = None
    """Raised by ask and ingest."""
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    page_error: Exception | None = None
    """Raised by page_image."""
    versions: dict[tuple[str, str], Document] = field(default_factory=dict)
    """Earlier versions by (document id, content hash)."""
    followed: set[str] = field(default_factory=set)
    watched: Path | None = None
    """The folder that a watch looks at."""
    models: set[str] = field(default_factory=set)
    """Checkpoints on this machine."""
    _aside: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._documents: dict[str, dict[str, Document]] = {"default": {}}
        self._failed: dict[str, DocumentRow] = {}
        for number in range(self.count):
            document = make_document(number, hostile=self.hostile)
            self._documents["default"][document.id] = document
        if self.count:
            bad = HOSTILE if self.hostile else ""
            self._failed["f" * 16] = DocumentRow(
                "f" * 16,
                f"/docs/scan{bad}.pdf",
                f"scan{bad}",
                "pdf",
                None,
                0,
                "failed",
                (),
                81_000,
                "2026-01-05T10:00:00Z",
                "parse",
                f"no text on any page{bad}",
                f"run it through OCR first: ocrmypdf scan.pdf scan.pdf{bad}",
            )

    # Collections and documents

    def collections(self, hidden: bool = False) -> list[CollectionInfo]:
        return [
            CollectionInfo(
                name,
                f"{self.home}/collections/{name}",
                len(held),
                len(self._failed),
                4 * len(held),
                "minilm",
                "b1",
                3,
                1_400_000,
            )
            for name, held in self._documents.items()
        ]

    def create_collection(self, name: str) -> None:
        self._documents.setdefault(name, {})

    def delete_collection(self, name: str) -> None:
        self._documents.pop(name, None)

    def survey(self, paths: Sequence[str | Path]) -> Survey:
        files: list[str] = []
        kinds: dict[str, int] = {}
        unsupported: dict[str, int] = {}
        for path in map(Path, paths):
            for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if not one.is_file():
                    continue
                kind = SUPPORTED.get(one.suffix)
                if kind is None:
                    unsupported[one.suffix] = unsupported.get(one.suffix, 0) + 1
                else:
                    files.append(str(one))
                    kinds[kind] = kinds.get(kind, 0) + 1
        return Survey(
            tuple(map(str, paths)), tuple(files), kinds, unsupported, (), sum(Path(f).stat().st_size for f in files)
        )

    def ingest(
        self,
        paths: Sequence[str],
        collection: str = "default",
        on_progress: Callable[[IngestProgress], None] | None = None,
        control: Control | None = None,
    ) -> IngestReport:
        self.calls.append(("ingest", tuple(paths), collection))
        return self._run(self.survey(paths).files, collection, on_progress, control)

    def _run(
        self,
        files: Sequence[str],
        collection: str,
        on_progress: Callable[[IngestProgress], None] | None,
        control: Control | None,
    ) -> IngestReport:
        if self.fail_with is not None:
            raise self.fail_with
        say = on_progress or (lambda progress: None)
        control = control or Control()
        outcomes: list[DocumentOutcome] = []
        cancelled = False
        say(IngestProgress("finding", collection, files_total=len(files)))
        for number, path in enumerate(files):
            try:
                control.checkpoint()
            except Cancelled:
                cancelled = True
                break
            time.sleep(self.step)
            text = Path(path).read_text(errors="replace") if Path(path).exists() else TEXT
            document = replace(
                make_document(0),
                id=hashlib.sha256(path.encode()).hexdigest()[:16],
                path=path,
                title=Path(path).stem,
                text=text,
            )
            if "broken" in path:
                outcome = DocumentOutcome(
                    path,
                    "failed",
                    stage="parse",
                    error="the file is damaged",
                    hint="open it in its own program and save it again",
                )
            else:
                self._documents.setdefault(collection, {})[document.id] = document
                outcome = DocumentOutcome(
                    path, "added", document.id, document.title, "markdown", "markdown", None, 4, 0.1
                )
            outcomes.append(outcome)
            done = number + 1
            say(
                IngestProgress(
                    "embedding",
                    collection,
                    path,
                    len(files),
                    done,
                    4 * done,
                    4 * len(files),
                    41.5,
                    0.1 * done,
                    0.1 * (len(files) - done),
                    "",
                    (outcome,),
                )
            )
        say(
            IngestProgress(
                "cancelled" if cancelled else "done",
                collection,
                "",
                len(files),
                len(outcomes),
                4 * len(outcomes),
                4 * len(outcomes),
            )
        )
        return IngestReport(collection, tuple(outcomes), 4 * len(outcomes), 0.1 * len(files), cancelled)

    def unfinished(self, collection: str = "default") -> int:
        return self.waiting

    def resume(self, collection: str, on_progress: Any = None, control: Control | None = None) -> IngestReport:
        self.calls.append(("resume", collection))
        files = [f"/docs/late-{number}.md" for number in range(self.waiting)]
        self.waiting = 0
        return self._run(files, collection, on_progress, control)

    def documents(self, collection: str = "default") -> list[DocumentRow]:
        rows = [
            DocumentRow(
                one.id,
                one.path,
                one.title,
                one.kind,
                one.pages,
                4,
                "indexed",
                one.warnings,
                12_000 + 100 * number,
                "2026-01-05T10:00:00Z",
                seconds=0.3,
                parser=one.parser,
            )
            for number, one in enumerate(self._held(collection).values())
        ]
        return rows + (list(self._failed.values()) if collection == "default" else [])

    def document(self, document_id: str, collection: str = "default", content_hash: str = "") -> Document:
        if (kept := self.versions.get((document_id, content_hash))) is not None:
            return kept
        held = self._held(collection)
        if document_id not in held:
            raise NotFoundError("No such document", document_id, "list them with: ragterm documents list")
        return held[document_id]

    def chunks(self, document_id: str, collection: str = "default") -> list[Chunk]:
        document = self.document(document_id, collection)
        chunks = []
        for ordinal, block in enumerate(document.blocks):
            key = 1000 * (1 + list(self._held(collection)).index(document_id)) + ordinal
            chunks.append(
                Chunk(
                    f"{document_id}-{ordinal}",
                    document_id,
                    "b1",
                    ordinal,
                    block.start,
                    block.end,
                    document.text[block.start : block.end],
                    document.title,
                    block.page,
                    block.section,
                    40,
                    None,
                    key,
                )
            )
        return chunks

    def page_image(self, document_id: str, page: int, width: int, collection: str = "default") -> bytes:
        """A white page with a bar as long as the page's number says."""
        from io import BytesIO

        from PIL import Image, ImageDraw

        self.calls.append(("page_image", document_id, page, width))
        if self.page_error is not None:
            raise self.page_error
        picture = Image.new("RGB", (width, width * 7 // 5), "white")
        ImageDraw.Draw(picture).rectangle((0, 0, width * page // 4, width // 5), fill=(200, 30, 30))
        picture.save(out := BytesIO(), "PNG")
        return out.getvalue()

    def chunk_by_key(self, key: int, collection: str = "default") -> tuple[Chunk, DocumentRow] | None:
        for row in self.documents(collection):
            if row.state == "indexed":
                for chunk in self.chunks(row.id, collection):
                    if chunk.key == key:
                        return chunk, row
        return None

    def remove_documents(self, ids: Sequence[str], collection: str = "default") -> int:
        self.calls.append(("remove", tuple(ids), collection))
        for one in ids:
            self._held(collection).pop(one, None)
            self._failed.pop(one, None)
        return len(ids)

    def remove(self, ids: Sequence[str], collection: str = "default", keep: bool = True) -> Removal:
        kept = [self._held(collection)[one] for one in ids if one in self._held(collection)]
        self.remove_documents(ids, collection)
        self._aside = kept
        return Removal(tuple(ids), 3 * len(ids), can_be_undone=keep)

    def restore(self, ids: Sequence[str] | None = None, collection: str = "default") -> list[str]:
        back, self._aside = self._aside, []
        self._held(collection).update({one.id: one for one in back})
        return [one.id for one in back]

    def purge_removed(self) -> int:
        return 0

    def follows(self, collection: str = "default") -> bool:
        return collection in self.followed

    def set_follows(self, on: bool, collection: str = "default") -> None:
        self.calls.append(("follows", on, collection))
        (self.followed.add if on else self.followed.discard)(collection)

    def roots(self, collection: str = "default") -> list[str]:
        return ["/docs"]

    def watch(self, collection: str, on_round: Any, on_notice: Any, *, work: Any) -> FolderWatch:
        """A real watch of `watched`: what its files are does not matter, that they change does."""
        roots = [str(self.watched)] if self.watched is not None else []
        pace = Pace(quiet=0.05, tick=0.05)
        return FolderWatch(lambda: roots, work, on_notice, pace=pace).start()

    def follow(self, paths: Sequence[str], collection: str, on_progress: Any, control: Control) -> IngestReport:
        return self.ingest(paths, collection, on_progress, control)

    def reingest(
        self,
        ids: Sequence[str],
        collection: str = "default",
        on_progress: Any = None,
        control: Control | None = None,
        passwords: Sequence[str] = (),
    ) -> IngestReport:
        self.calls.append(("reingest", tuple(ids), collection, *passwords))
        return self._run(
            [self._held(collection)[one].path for one in ids if one in self._held(collection)],
            collection,
            on_progress,
            control,
        )

    def _held(self, collection: str) -> dict[str, Document]:
        if collection not in self._documents:
            raise NotFoundError(f"No collection named {collection}", "", "list them with: ragterm documents list")
        return self._documents[collection]

    # Questions

    def retrieval_settings(self) -> RetrievalSettings:
        return RetrievalSettings()

    def rerankers(self) -> list[str]:
        return ["late-interaction", "none"]

    def language_models(self) -> LlmStatus:
        return LlmStatus()

    def retrieve(
        self, question: str, collection: str = "default", settings: RetrievalSettings | None = None, save: bool = True
    ) -> Trace:
        settings = settings or RetrievalSettings()
        candidates = []
        rows = [row for row in self.documents(collection) if row.state == "indexed"]
        for rank, row in enumerate(rows[:20], 1):
            chunk = self.chunks(row.id, collection)[4]
            swapped = rank + 1 if rank % 2 else rank - 1
            stages = {
                "dense": StageScore(rank, 0.8 - 0.02 * rank),
                "keyword": StageScore(swapped if rank < 15 else None, max(0.0, 14.0 - swapped)),
                "fused": StageScore(rank, 1 - rank / 25),
            }
            if settings.rerank != "none":
                stages["rerank"] = StageScore(swapped, 0.9 - 0.03 * swapped)
            candidates.append(
                Candidate(chunk, row.title, row.path, "0" * 64, stages, rank if rank <= 3 else None)  # type: ignore[arg-type]
            )
        return Trace(
            "t" + hashlib.sha256(question.encode("utf-8", "replace")).hexdigest()[:8],
            "2026-01-05T10:00:00Z",
            collection,
            "b1",
            3,
            "minilm",
            question,
            question,
            settings,
            tuple(candidates),
            (
                StageTiming("dense", 1.8, "exact scan of 100 vectors"),
                StageTiming("keyword", 0.6),
                StageTiming("fuse", 0.1),
                StageTiming("rerank", 21.4, "late interaction over 20 chunks"),
            ),
            {"dense": "cosine", "keyword": "BM25", "fused": "convex 0.6", "rerank": "MaxSim (mean cosine)"},
            ("refund", "return"),
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
        self.calls.append(("ask", question, collection))
        if self.fail_with is not None:
            raise self.fail_with
        control = control or Control()
        trace = self.retrieve(question, collection, settings)
        for timing in trace.timings:
            yield StageDone(timing.name, timing.ms, timing.detail)
        yield AnswerStarted("extractive", trace, "No language model is running.")
        text = "A customer may return an unused kettle within 30 days and receives a full refund. [1]" + (
            HOSTILE if self.hostile else ""
        )
        for word in text.split(" "):
            control.checkpoint()
            yield TextDelta(word + " ")
        if not trace.candidates:
            yield AnswerReady(replace(trace, answer=Answer("Nothing relevant was found.", "extractive", True, (), ())))
            return
        first = trace.candidates[0]
        citation = Citation(
            1,
            first.chunk.document_id,
            first.document_title,
            first.document_path,
            "0" * 64,
            first.chunk.page,
            first.chunk.section,
            first.chunk.id,
            first.chunk.start,
            first.chunk.start + 82,
            first.chunk.text[:82],
            "verbatim",
            1.0,
        )
        answer = Answer(text, "extractive", False, (citation,), (Sentence(text, 0, len(text), (1,), "verbatim"),))
        yield AnswerReady(replace(trace, answer=answer))

    def traces(self, collection: str = "default", limit: int = 100) -> list[Trace]:
        return []

    def trace(self, trace_id: str) -> Trace:
        raise NotFoundError("No such trace", trace_id)

    def delete_traces(self, collection: str | None = None, ids: Sequence[str] | None = None) -> int:
        return 0

    def delete_data(self, what: str, name: str | None = None) -> str:
        self.calls.append(("delete_data", what))
        return what

    # The graph

    def graph_summary(self, collection: str = "default") -> GraphSummary:
        layers = (
            LayerSummary(0, 100, 1600, 16.0, 32, {16: 100}),
            LayerSummary(1, 8, 40, 5.0, 7, {5: 8}),
            LayerSummary(2, 1, 0, 0.0, 0, {0: 1}),
        )
        return GraphSummary(
            100, 0, layers, 16, 200, 1000, False, 10_000, True, 3, 250_000, "answered by exact scan below 10,000 chunks"
        )

    def layer_map(self, collection: str, level: int, max_nodes: int = 2000) -> LayerMap:
        keys = tuple(1000 * (1 + number // 6) + number % 6 for number in range((100, 8, 1)[min(level, 2)]))
        positions = tuple(((37 * i % 100) / 100, (61 * i % 100) / 100) for i in range(len(keys)))
        return LayerMap(level, keys, positions, tuple((i, i + 1) for i in range(len(keys) - 1)), len(keys))

    def walk(self, question: str, collection: str = "default", k: int = 10, ef: int = 40) -> Walk:
        steps = (
            WalkStep(2, "enter", 1000, 0.8),
            WalkStep(1, "descend", 1001, 0.6, ((1001, 0.6),), 0.8),
            WalkStep(0, "expand", 1004, 0.3, ((1004, 0.3), (2004, 0.35)), 0.5),
            WalkStep(0, "stop", 1004, 0.3),
        )
        found = ((1004, 0.7), (2004, 0.65))
        return Walk(question, ef, steps, found, found, 60, 100, (0.4, 0.5))

    def neighbours(self, key: int, level: int, collection: str = "default") -> list[tuple[int, float]]:
        return [(key + 1, 0.7)]

    def explain(self, question: str, collection: str = "default", k: int = 10, ef: int = 40) -> Explanation:
        return explain(lambda k, ef: self.walk(question, collection, k, ef), k, ef)

    def standing(self, question: str, key: int, collection: str = "default") -> Standing | None:
        return Standing(key, 57, 0.412, 100)

    def recall(self, collection: str = "default", k: int = 10, ef: int = 40) -> RecallReport:
        self.calls.append(("recall", k, ef))
        return RecallReport(k, ef, 12, 0.99, "What is the refund policy?", 0.9)

    def graph_health(self, collection: str = "default", level: int = 0) -> GraphHealth:
        return GraphHealth(level, 100, 1600, 16.0, (1002,), 1, ((1000, 90),), 1, 64, ((1001, 1003, 0.0),), 1, 0)

    def labels(self, keys: Sequence[int], collection: str = "default") -> dict[int, str]:
        return {key: f"Chunk {key}" + (HOSTILE if self.hostile else "") for key in keys}

    def save_map(
        self,
        path: Path,
        layer: LayerMap,
        walk: Walk | None = None,
        box: tuple[float, float, float, float] | None = None,
        collection: str = "default",
    ) -> Path:
        self.calls.append(("save_map", path.name, len(layer.keys), box))
        return path

    def lessons(self) -> tuple[Lesson, ...]:
        return lessons()

    # Care

    def model_to_download(self, name: str) -> DownloadNeeded | None:
        self.calls.append(("model_to_download", name))
        return None if name in self.models else DownloadNeeded(name, 91, "huggingface.co")

    def download_model(self, name: str, progress: Callable[[str], None] | None = None) -> None:
        self.calls.append(("download_model", name))
        if self.fail_with is not None:
            raise self.fail_with
        self.models.add(name)

    def warm(self, progress: Callable[[str], None]) -> None:
        progress("embedding model")

    def doctor(self, collection: str | None = None) -> list[Check]:
        return [Check("terminal colours", "ok", "16 million", "")]

    def close(self) -> None:
        self.calls.append(("close",))
