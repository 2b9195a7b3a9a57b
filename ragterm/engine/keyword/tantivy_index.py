"""BM25 over chunks on tantivy (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond").

One field `body` holds what the embedding model also sees, the chunk's context and its text, so that a chunk has one
BM25 score: the sum over the question's terms of idf x 2.2 x tf / (tf + 1.2 x (1 - 0.75 + 0.75 x length / mean length)), with
idf = ln(1 + (N - n + 0.5) / (n + 0.5)). As in Lucene, a chunk's length is rounded down to one of 256 steps (exact up to
40 terms), and deleted chunks count in N, n and the mean length until their segment is merged.

The folder is a cache of the store. `generation.json` says which generation it holds. It is written after the commit that
it describes: a crash between the two leaves a number that is too low, the same changes are applied again, and applying
them twice changes nothing, because every key is deleted before it is added.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.keyword.analysis import ANALYSIS_VERSION, analyser, indexed_form, query_terms
from ragterm.engine.keyword.checksums import check_file, live_files
from ragterm.engine.types.errors import BusyError, StoreError

if TYPE_CHECKING:
    import tantivy

    from ragterm.engine.types.protocols import IndexChanges

log = logging.getLogger(__name__)

FORMAT = f"ragterm-keyword-1.{ANALYSIS_VERSION}"
_MARK = "generation.json"
_WRITER_HEAP = 40_000_000  # bytes; tantivy flushes a segment when it is full, 15 MB is its minimum


class TantivyIndex:
    """The keyword index in `folder`: implements `KeywordIndex`. Safe to use from several threads.

    Any number of processes read; the one that holds the collection's indexer lock calls `apply`. A folder that is missing,
    damaged or of another format reads as empty with `generation` 0, and the next `apply` builds it anew: the caller then
    hands over everything, as it does for any index that is at generation 0. So does one that was made under another
    `identity`, which names the store that gave out the keys: a folder copied in from elsewhere numbers other chunks.
    """

    def __init__(self, folder: Path, identity: str = "") -> None:
        self._folder = folder
        self._identity = identity
        self._guard = threading.RLock()  # opening, reloading
        self._writing = threading.RLock()  # one writer per process; never taken by a search
        self._index: tantivy.Index | None = None
        self._searcher: tantivy.Searcher | None = None
        self._searcher_mark: tuple[int, int, int] | None = None
        self._generation = 0
        self._checked: set[str] = set()
        self._writer: tantivy.IndexWriter | None = None
        self._writer_holds = 0

    # Reading

    @property
    def generation(self) -> int:
        """The store's generation that the index on disk holds; 0 when there is none that can be used."""
        self._refresh()
        return self._generation

    @property
    def chunks(self) -> int:
        """How many chunks can be found."""
        searcher = self._refresh()
        return searcher.num_docs if searcher else 0

    def terms(self, query: str) -> list[str]:
        """The query's terms as they are matched (lower case, stemmed, stop words gone), each once, in order."""
        return list(dict.fromkeys(query_terms(query)))

    def search(self, query: str, k: int, documents: Sequence[str] | None = None) -> list[tuple[int, float]]:
        """(key, BM25), best first, at most k, equal scores by key; only chunks that match a term.

        `documents` limits the search to these document ids. Raises StoreError when the index is damaged.
        """
        import tantivy

        searcher = self._refresh()
        terms = query_terms(query)
        if searcher is None or not terms or k <= 0 or searcher.num_docs == 0:
            return []
        wanted = _any_term(terms)
        if documents is not None:
            one_of = tantivy.Query.term_set_query(_schema(), "document", list(documents))
            wanted = _both(wanted, one_of)
        with self._reading():
            limit = k + 16
            while True:
                hits = searcher.search(wanted, limit=limit, count=False).hits
                # tantivy orders equal scores by their place in the segments, which changes with every merge: take all that
                # are equal to the k-th, then order them by key.
                if len(hits) < limit or hits[-1][0] < hits[k - 1][0]:
                    break
                limit *= 2
            keys = searcher.fast_field_values("key", [address for _, address in hits])
        found = sorted(
            ((int(key or 0), float(score)) for key, (score, _) in zip(keys, hits, strict=True)), key=_best_first
        )
        return found[:k]

    def scores(self, query: str, keys: Sequence[int]) -> list[float]:
        """The exact BM25 of each key, in order; 0.0 where no term matches. Raises StoreError when the index is damaged."""
        import tantivy

        searcher = self._refresh()
        terms = query_terms(query)
        if searcher is None or not terms or not keys or searcher.num_docs == 0:
            return [0.0] * len(keys)
        known = sorted({key for key in keys if key >= 0})
        one_of = tantivy.Query.term_set_query(_schema(), "key", known)
        with self._reading():
            hits = searcher.search(_both(_any_term(terms), one_of), limit=len(known) or 1, count=False).hits
            found = searcher.fast_field_values("key", [address for _, address in hits])
        by_key = {key: float(score) for key, (score, _) in zip(found, hits, strict=True)}
        return [by_key.get(key, 0.0) for key in keys]

    def keys(self, documents: Sequence[str] | None = None) -> list[int]:
        """Ascending: every chunk that can be found, of these document ids only when given. Raises StoreError when the index is
        damaged."""
        import tantivy

        searcher = self._refresh()
        if searcher is None or searcher.num_docs == 0:
            return []
        wanted = tantivy.Query.all_query()
        if documents is not None:
            wanted = tantivy.Query.term_set_query(_schema(), "document", list(documents))
        with self._reading():
            hits = searcher.search(wanted, limit=searcher.num_docs, count=False).hits
            return sorted(int(key or 0) for key in searcher.fast_field_values("key", [address for _, address in hits]))

    # Writing

    def apply(self, changes: IndexChanges) -> None:
        """Bring the index to `changes.generation`: remove `changes.removed`, then put every entry of `changes.added`.

        Applying the same changes again leaves the same index. At generation 0 the folder is emptied first. One commit (an
        fsync, 5 to 150 ms by the disk) per call: hand over many entries at once, or wrap many calls in `writing()`.
        Raises BusyError while another process writes, StoreError when the disk refuses.
        """
        import tantivy

        with self.writing() as writer:
            try:
                # By query: tantivy-py 0.27 turns the value of `delete_documents_by_term` into a signed term, which deletes
                # nothing from an unsigned field, and says nothing.
                gone = sorted({*changes.removed, *(entry.key for entry in changes.added)})
                if gone:
                    writer.delete_documents_by_query(tantivy.Query.term_set_query(_schema(), "key", gone))
                for entry in changes.added:
                    document = tantivy.Document()
                    document.add_unsigned("key", entry.key)
                    document.add_text("document", entry.document_id)
                    document.add_text(
                        "body", indexed_form(f"{entry.context}\n{entry.text}" if entry.context else entry.text)
                    )
                    writer.add_document(document)
                writer.commit()
            except BaseException as error:
                # What is half added must not go out with the next commit.
                with suppress(ValueError):
                    writer.rollback()
                if isinstance(error, ValueError | OSError):
                    raise StoreError(
                        "The keyword index could not be written",
                        f"{self._folder}: {error}",
                        "check that the disk has space, then ingest again: what is missing is added",
                    ) from error
                raise
            self._write_mark(changes.generation)
        self._refresh()

    @contextmanager
    def writing(self) -> Iterator[tantivy.IndexWriter]:
        """Keep the writer (and tantivy's lock on the folder) for several calls of `apply`; merges are awaited at the end."""
        with self._writing:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer_holds += 1
            try:
                yield self._writer
            finally:
                self._writer_holds -= 1
                if self._writer_holds == 0:
                    writer, self._writer = self._writer, None
                    writer.wait_merging_threads()

    def clear(self) -> None:
        """Delete the index from disk; `generation` is 0 afterwards. For the holder of the indexer lock only."""
        with self._writing, self._guard:
            self._forget()
            # The mark goes first: a crash midway must not leave a number without its index.
            (self._folder / _MARK).unlink(missing_ok=True)
            shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the files. The index opens again when it is used again."""
        with self._writing, self._guard:
            self._forget()

    # Inside

    def _refresh(self) -> tantivy.Searcher | None:
        """The searcher for what the mark on disk says; None without a usable index."""
        with self._guard:
            try:
                stat = (self._folder / _MARK).stat()
                mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            except OSError:
                self._forget()
                return None
            if mark == self._searcher_mark:
                return self._searcher
            self._searcher_mark = mark
            try:
                generation = _read_mark(self._folder / _MARK, self._identity)
                self._check()
                if self._index is None:
                    self._index = self._open_index(create=False)
                self._index.reload()
                self._searcher = self._index.searcher()
                self._generation = generation
            except BaseException as error:
                # A damaged file is a ValueError from tantivy, or a panic, which pyo3 derives from BaseException.
                if not _is_damage(error):
                    raise
                log.warning("the keyword index in %s cannot be used and will be rebuilt: %s", self._folder, error)
                self._index, self._searcher, self._generation = None, None, 0
            return self._searcher

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What goes wrong inside a search means damaged files: say so, and read as empty until the next `apply`."""
        try:
            yield
        except BaseException as error:
            if not _is_damage(error):
                raise
            log.warning("the keyword index in %s is damaged: %s", self._folder, error)
            with self._guard:
                self._index, self._searcher, self._generation = None, None, 0
            raise StoreError(
                "The keyword index is damaged",
                f"{self._folder}: {error}",
                "ask again: it is rebuilt from the collection",
            ) from error

    def _open_index(self, create: bool) -> tantivy.Index:
        """Raises ValueError when the folder holds an index of another schema, or none and `create` is False."""
        import tantivy

        if not create and not tantivy.Index.exists(str(self._folder)):
            raise ValueError("the index is missing beside its mark")
        index = tantivy.Index(_schema(), path=str(self._folder), reuse=True)
        index.register_tokenizer("body", analyser())
        # We reload when the mark moves: tantivy's own watcher would poll the folder from a thread of its own.
        index.config_reader("manual")
        return index

    def _open_writer(self) -> tantivy.IndexWriter:
        with self._guard:
            if self._refresh() is None:
                self.clear()
                self._folder.mkdir(parents=True, exist_ok=True)
                self._index = self._open_index(create=True)
            assert self._index is not None
            index = self._index
        try:
            return index.writer(_WRITER_HEAP, 1)
        except ValueError as error:
            if "LockBusy" not in str(error):
                raise
            raise BusyError(
                "Another process is indexing this collection",
                str(self._folder),
                "wait for it to finish, then try again",
            ) from error

    def _check(self) -> None:
        """Raises ValueError when a file that was not there at the last look is damaged. Segments never change, so once is enough."""
        files = {path.name: path for path in live_files(self._folder)}
        for name in files.keys() - self._checked:
            check_file(files[name])
        self._checked = set(files)

    def _write_mark(self, generation: int) -> None:
        mark = self._folder / _MARK
        aside = self._folder / f"{_MARK}.{os.getpid()}"
        with aside.open("w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "identity": self._identity, "generation": generation}, file)
        aside.replace(mark)

    def _forget(self) -> None:
        self._index, self._searcher, self._searcher_mark, self._generation = None, None, None, 0
        self._checked = set()


@cache
def _schema() -> tantivy.Schema:
    import tantivy

    return (
        tantivy.SchemaBuilder()
        .add_text_field("body", tokenizer_name="body", index_option="freq")
        .add_text_field("document", tokenizer_name="raw", index_option="basic")
        .add_unsigned_field("key", indexed=True, fast=True)
        .build()
    )


def _any_term(terms: Sequence[str]) -> tantivy.Query:
    """BM25 over analysed terms. Never the query grammar: a question is full of `: " ( ) AND ~`. A term that the question
    repeats counts as often as it stands there."""
    import tantivy

    schema = _schema()
    clauses = []
    for term in dict.fromkeys(terms):
        clause = tantivy.Query.term_query(schema, "body", term, "freq")
        times = terms.count(term)
        clauses.append((tantivy.Occur.Should, tantivy.Query.boost_query(clause, float(times)) if times > 1 else clause))
    return tantivy.Query.boolean_query(clauses)


def _both(scored: tantivy.Query, limit: tantivy.Query) -> tantivy.Query:
    """`scored` where `limit` holds, which adds nothing to the score."""
    import tantivy

    must = tantivy.Occur.Must
    return tantivy.Query.boolean_query([(must, scored), (must, tantivy.Query.const_score_query(limit, 0.0))])


def _read_mark(path: Path, identity: str) -> int:
    """The generation. Raises ValueError when the index is of another format or another store."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("generation"), int):
        raise ValueError(f"its format is not {FORMAT}")
    if data.get("identity") != identity:
        raise ValueError("it belongs to another collection")
    return int(data["generation"])


def _is_damage(error: BaseException) -> bool:
    return (
        isinstance(error, ValueError | LookupError | TypeError | OSError | RuntimeError)
        or type(error).__name__ == "PanicException"
    )


def _best_first(hit: tuple[int, float]) -> tuple[float, int]:
    return (-hit[1], hit[0])
