"""The facade's comparison of chunking strategies: documents from paths or from a collection, the questions, and the models that rank.
A part of `Engine`, which inherits it.

Nothing is stored: files are parsed and texts embedded in memory. Vectors that a collection already has for the same texts are taken
from there.
"""

from __future__ import annotations

import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.types.comparing import (
    ChosenStrategy,
    ChunkingComparison,
    ComparedDocument,
    ComparisonOptions,
    ComparisonProgress,
    ComparisonStage,
    UnreadFile,
)
from ragterm.engine.types.control import Control
from ragterm.engine.types.documents import Chunk, Document
from ragterm.engine.types.errors import NotFoundError, ParseError, UsageError

if TYPE_CHECKING:
    from ragterm.engine.collections import Shelf
    from ragterm.engine.evaluation import EmbeddedTexts, SpanQuestion
    from ragterm.engine.evaluation.compare_chunking import Report
    from ragterm.engine.resident import ResidentModels
    from ragterm.engine.types.builds import BuildInfo, Rebuilt
    from ragterm.engine.types.ingesting import IngestProgress
    from ragterm.engine.types.protocols import Embedder, FloatArray
    from ragterm.engine.types.settings import ChunkingSettings, Settings

    OnProgress = Callable[[ComparisonProgress], None]
    OnIngestProgress = Callable[[IngestProgress], None]
    OnStep = Callable[[str], None]

COMPARED = "compared"
"""The build that chunks of a comparison name: they are never stored."""


class ChunkingQuestions:
    """Every call blocks."""

    settings: Settings
    models: ResidentModels
    _shelf: Shelf

    def chunking_strategies(self) -> dict[str, str]:
        """The names that `compare_chunking` takes, with a line on each."""
        from ragterm.engine.chunking.registry import DESCRIPTIONS

        return dict(DESCRIPTIONS)

    def chunking_of(self, written: str) -> ChunkingSettings:
        """The settings of a strategy as `--strategies` takes it. Raises UsageError, ConfigError."""
        from ragterm.engine.evaluation.chosen_strategies import chosen_strategies

        chosen = chosen_strategies((written,), self.settings.chunking)
        if len(chosen) != 1:
            raise UsageError("One strategy at a time", written, "for example recursive:max_tokens=128")
        return chosen[0].settings

    def compare_chunking(
        self,
        paths: Sequence[str] = (),
        strategies: Sequence[str] = (),
        questions: Path | None = None,
        options: ComparisonOptions | None = None,
        *,
        documents: Sequence[str] = (),
        collection: str = "default",
        on_progress: OnProgress | None = None,
        on_step: OnStep | None = None,
        control: Control | None = None,
    ) -> ChunkingComparison:
        """The same documents by several strategies: those of `paths` (files, folders, or one folder with corpus.jsonl, queries.jsonl
        and spans.jsonl) or, without paths, these `documents` of a collection.

        `strategies` as on the command line ("recursive:max_tokens=128"); none: what an ingest does, and all there are. With
        `questions` (or the folder's own) the reports carry measures. A file that cannot be read is among the `failures`. Raises
        UsageError, ConfigError, NotFoundError, RagtermError naming the line of a file of questions that cannot be used, Cancelled.
        """
        from ragterm.engine.evaluation import EmbeddedTexts, chosen_strategies, compare

        began = time.monotonic()
        options, control = options or ComparisonOptions(), control or Control()
        chosen = chosen_strategies(strategies, self.settings.chunking)
        source = _Source(self.settings, on_progress, control)
        if paths:
            source.read(paths)
        else:
            store = self._shelf.get(collection).store
            source.documents = [store.documents.document(one) for one in documents]
        asked = source.questions(questions)
        if not source.documents:
            why = f"{len(source.failures)} files could not be read" if source.failures else "no file was found"
            raise NotFoundError("There is nothing to compare", why, "name files or folders that ragterm reads")
        embedder = self.models.embedder(on_step)
        known = self._known(collection, embedder) if not paths else None
        embedded = EmbeddedTexts(embedder, known)
        starts = {document.id: _token_starts(document.text, embedder) for document in source.documents}
        reports = compare(
            source.documents,
            chosen,
            asked,
            starts,
            _Chunking(embedder, embedded, control),
            _Ranking(embedder, embedded, asked, options, control),
            options,
            on_progress=on_progress,
            control=control,
        )
        return ChunkingComparison(
            documents=tuple(
                ComparedDocument(d.id, d.path, d.title, d.kind, len(d.text), len(starts[d.id]))
                for d in source.documents
            ),
            strategies=reports,
            questions=len(asked),
            options=options,
            model=embedder.model_id,
            embedded=embedded.embedded,
            embedded_tokens=embedded.tokens,
            reused=embedded.reused,
            seconds=time.monotonic() - began,
            failures=tuple(source.failures),
            skipped=source.skipped,
            texts={document.id: document.text for document in source.documents},
        )

    # Builds

    def builds(self, collection: str = "default") -> list[BuildInfo]:
        """The live one, the one before it, and those that are not complete."""
        from ragterm.engine.rebuilding import builds_of

        return builds_of(self._shelf.get(collection))

    def rechunk(
        self,
        chunking: ChunkingSettings,
        collection: str = "default",
        on_progress: OnIngestProgress | None = None,
        control: Control | None = None,
    ) -> Rebuilt:
        """Another chunking: a shadow build beside the live one, which answers until it is complete. Raises BusyError, Cancelled."""
        from ragterm.engine.rebuilding import rechunk

        return rechunk(self._shelf.get(collection), chunking, on_progress, control)

    def roll_back(
        self, collection: str = "default", on_progress: OnIngestProgress | None = None, control: Control | None = None
    ) -> Rebuilt:
        """Back to the build before the last cut-over. Raises NotFoundError, BusyError."""
        from ragterm.engine.rebuilding import roll_back

        return roll_back(self._shelf.get(collection), on_progress, control)

    def _known(self, collection: str, embedder: Embedder) -> Callable[[Sequence[str]], Mapping[str, FloatArray]]:
        chunks = self._shelf.get(collection).store.chunks
        return lambda texts: chunks.vectors_of_texts(texts, embedder.model_id)


class _Source:
    """Where documents and questions come from."""

    def __init__(self, settings: Settings, on_progress: OnProgress | None, control: Control) -> None:
        self._settings = settings
        self._say = on_progress or (lambda progress: None)
        self._control = control
        self.documents: list[Document] = []
        self.failures: list[UnreadFile] = []
        self.skipped: tuple[tuple[str, str], ...] = ()
        self._own_questions: list[SpanQuestion] = []

    def read(self, paths: Sequence[str]) -> None:
        from ragterm.engine.evaluation import is_span_folder, load_span_folder

        if len(paths) == 1 and is_span_folder(Path(paths[0]).expanduser()):
            self.documents, self._own_questions = load_span_folder(Path(paths[0]).expanduser())
            return
        self._parse(paths)

    def questions(self, file: Path | None) -> list[SpanQuestion]:
        """Those of the file where one is named, else those that came with the documents."""
        from ragterm.engine.evaluation import load_questions

        return load_questions(file.expanduser(), self.documents) if file is not None else self._own_questions

    def _parse(self, paths: Sequence[str]) -> None:
        from ragterm.engine.documents.sources import document_id, hash_file, survey
        from ragterm.engine.documents.workers import ParserPool
        from ragterm.engine.ingest.rooms import parser_workers

        limits = self._settings.ingest
        found = survey(paths, limits.max_file_mb, self._control)
        self.skipped = found.skipped
        with ParserPool(parser_workers(limits), limits.timeout_seconds, limits.memory_mb) as pool:
            waiting = [(path, pool.submit(path)) for path in found.files]
            for done, (path, future) in enumerate(waiting):
                self._control.checkpoint()
                self._say(ComparisonProgress("reading", Path(path).name, 0, 0, done, len(waiting)))
                try:
                    parsed = future.result()
                    content_hash = hash_file(path)
                except ParseError as error:
                    reason = f"{error.title}: {error.message}" if error.message else error.title
                    self.failures.append(UnreadFile(path, error.stage, reason, error.hint))
                    continue
                except OSError as error:
                    self.failures.append(UnreadFile(path, "read", error.strerror or str(error), "try again"))
                    continue
                self.documents.append(
                    Document(
                        document_id(path),
                        path,
                        parsed.title,
                        parsed.kind,
                        content_hash,
                        parsed.text,
                        parsed.blocks,
                        parsed.pages,
                        parsed.parser,
                        parsed.metadata,
                        parsed.warnings,
                    )
                )


class _Chunking:
    """Chunks by a strategy; what the strategy embeds to find its cuts is counted, and embedded once for all."""

    def __init__(self, embedder: Embedder, embedded: EmbeddedTexts, control: Control) -> None:
        from ragterm.engine.chunking import ChunkingTools

        self._tokenizer = embedder.tokenizer
        self._embedded = embedded
        self._control = control
        self._tokens = 0
        self._tools = ChunkingTools(embedder.tokenizer, embedder.max_tokens, self._embed)

    def __call__(self, strategy: ChosenStrategy, document: Document) -> tuple[list[Chunk], int]:
        from ragterm.engine.chunking import chunk_document

        self._tokens = 0
        chunks = chunk_document(document, COMPARED, self._tools, strategy.settings)
        return chunks, self._tokens

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        self._tokens += sum(self._tokenizer.count(texts)) + self._tokenizer.special_tokens * len(texts)
        return self._embedded.vectors(texts, control=self._control)


class _Ranking:
    """Ranks the chunks of one strategy after another for the same questions."""

    def __init__(
        self,
        embedder: Embedder,
        embedded: EmbeddedTexts,
        questions: Sequence[SpanQuestion],
        options: ComparisonOptions,
        control: Control,
    ) -> None:
        self._embedder = embedder
        self._embedded = embedded
        self._questions = [question.text for question in questions]
        self._options = options
        self._control = control
        self._vectors: FloatArray | None = None

    def __call__(
        self, chunks: Sequence[Chunk], reporter: Callable[[ComparisonStage], Report]
    ) -> Iterable[Sequence[int]]:
        from ragterm.engine.evaluation import rank_chunks

        vectors = self._embedded.vectors(
            [chunk.embedding_text for chunk in chunks], reporter("embedding"), self._control
        )
        searching = reporter("searching")
        asked = self._question_vectors(searching)
        if self._options.mode == "dense":
            yield from rank_chunks(vectors, self._questions, asked, on_progress=searching, control=self._control)
            return
        from ragterm.engine.keyword import TantivyIndex
        from ragterm.engine.types.protocols import IndexChanges, IndexEntry

        with tempfile.TemporaryDirectory(prefix="ragterm-compare-") as folder:
            index = TantivyIndex(Path(folder))
            try:
                entries = [
                    IndexEntry(key, chunk.document_id, "", chunk.context, chunk.text)
                    for key, chunk in enumerate(chunks)
                ]
                index.apply(IndexChanges(entries, (), 1))
                yield from rank_chunks(
                    vectors,
                    self._questions,
                    asked,
                    keyword=index,
                    weight=self._options.weight,
                    on_progress=searching,
                    control=self._control,
                )
            finally:
                index.close()

    def _question_vectors(self, report: Report) -> FloatArray:
        import numpy as np

        if self._vectors is None:
            vectors = []
            for done, question in enumerate(self._questions):
                if done % 32 == 0:
                    self._control.checkpoint()
                    report(done, len(self._questions))
                vectors.append(self._embedder.embed_query(question))
            self._vectors = np.stack(vectors)
        return self._vectors


def _token_starts(text: str, embedder: Embedder) -> Sequence[int]:
    """Where the tokens of a text begin, in order."""
    from ragterm.engine.chunking.tokens import TokenRuler

    return array("q", TokenRuler(text, embedder.tokenizer).starts)
