"""Questions whose evidence is known as spans of documents, from files.

A folder in BEIR form with spans in the place of judgements:

    DIR/corpus.jsonl    {"_id", "title" (may be missing or empty), "text"}
    DIR/queries.jsonl   {"_id", "text"}
    DIR/spans.jsonl     {"query_id", "doc_id", "start", "end"}: Python string offsets into the entry's `text`

or, for documents of any other kind, one file of questions:

    {"question", "path", "spans": [[start, end], ...]}    offsets into the document's canonical text
    {"question", "path", "quote": "words of the document"}    (or a list of quotes), each found once in its text

Every line that cannot be used is one error that names file and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragterm.engine.evaluation.beir import (
    BeirData,
    Entry,
    canonical,
    corpus_documents,
    json_lines,
    malformed,
    read_entries,
    read_queries,
    text_field,
)
from ragterm.engine.evaluation.spans import Place
from ragterm.engine.types.documents import Document
from ragterm.engine.types.errors import RagtermError


@dataclass(frozen=True, slots=True)
class SpanQuestion:
    """`evidence`: (document id, start, end), at least one, none empty."""

    text: str
    evidence: tuple[Place, ...]


def is_span_folder(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("corpus.jsonl", "queries.jsonl", "spans.jsonl"))


def load_span_folder(folder: Path) -> tuple[list[Document], list[SpanQuestion]]:
    """The documents of the corpus and the questions that have spans, in the order of the queries. Raises RagtermError naming file
    and line for what is malformed or points nowhere."""
    corpus, asked, spans = (folder / name for name in ("corpus.jsonl", "queries.jsonl", "spans.jsonl"))
    entries = read_entries(corpus)
    queries = read_queries(asked)
    documents = list(corpus_documents(BeirData(folder, entries, {}, {})))
    by_entry = {document.metadata["entry"]: document for document in documents}
    texts = {entry.id: entry for entry in entries}
    evidence: dict[str, list[Place]] = {}
    for number, line in json_lines(spans):
        query, entry_id = (_reference(line, key, spans, number) for key in ("query_id", "doc_id"))
        if query not in queries:
            raise malformed(spans, number, f"query {query} is not in {asked.name}")
        if entry_id not in texts:
            raise malformed(spans, number, f"document {entry_id} is not in {corpus.name}")
        entry, document = texts[entry_id], by_entry[entry_id]
        start, end = _offsets(line.get("start"), line.get("end"), len(entry.text), spans, number)
        said = line.get("text")
        if isinstance(said, str) and entry.text[start:end] != said:
            raise malformed(spans, number, f'"text" is not what stands at {start}:{end} of document {entry_id}')
        start, end = _moved(entry, document, start), _moved(entry, document, end)
        if start < end:
            evidence.setdefault(query, []).append((document.id, start, end))
    if not evidence:
        raise RagtermError("There is nothing to measure", f"{spans} names no evidence", "check the folder")
    return documents, [SpanQuestion(queries[q], tuple(evidence[q])) for q in queries if q in evidence]


def load_questions(path: Path, documents: Sequence[Document]) -> list[SpanQuestion]:
    """The questions of a file about these documents, one a line. A path is absolute, or relative to the file or to the current folder,
    or the end of exactly one document's path. Raises RagtermError naming file and line."""
    if not path.is_file():
        raise RagtermError("The questions cannot be read", f"{path} is not a file", "check the path")
    questions = []
    for number, line in json_lines(path):
        question = text_field(line, "question", path, number).strip()
        if not question:
            raise malformed(path, number, '"question" is empty')
        document = _document(text_field(line, "path", path, number), path, documents, number)
        spans = _spans(line, document, path, number)
        questions.append(SpanQuestion(question, tuple((document.id, start, end) for start, end in spans)))
    if not questions:
        raise RagtermError(
            "There are no questions", f"{path} has no lines", 'write {"question", "path", "quote"} a line'
        )
    return questions


def _spans(line: Mapping[str, Any], document: Document, path: Path, number: int) -> list[tuple[int, int]]:
    spans, quotes = line.get("spans"), line.get("quote")
    if (spans is None) == (quotes is None):
        raise malformed(path, number, 'expected either "spans" or "quote"')
    if spans is not None:
        if not isinstance(spans, list) or not spans or not all(isinstance(s, list) and len(s) == 2 for s in spans):
            raise malformed(path, number, '"spans" must be a list of [start, end], at least one')
        return [_offsets(start, end, len(document.text), path, number) for start, end in spans]
    wanted = [quotes] if isinstance(quotes, str) else quotes
    if not isinstance(wanted, list) or not wanted or not all(isinstance(q, str) and q.strip() for q in wanted):
        raise malformed(path, number, '"quote" must be text, or a list of texts')
    return [_found(quote, document, path, number) for quote in wanted]


def _found(quote: str, document: Document, path: Path, number: int) -> tuple[int, int]:
    """Where the quote stands, whatever white space is between its words."""
    pattern = re.compile(r"\s+".join(re.escape(word) for word in quote.split()))
    found = [match.span() for match in pattern.finditer(document.text)]
    if len(found) != 1:
        shown = quote if len(quote) <= 60 else quote[:59] + "…"
        times = f"stands {len(found)} times in" if found else "does not stand in"
        raise malformed(path, number, f'"{shown}" {times} {document.path}')
    return found[0]


def _document(name: str, path: Path, documents: Sequence[Document], number: int) -> Document:
    given = Path(name).expanduser()
    exact = {str(given)} | {str((base / given).resolve()) for base in (path.parent, Path.cwd())}
    found = [one for one in documents if one.path in exact or one.metadata.get("entry") == name]
    if not found:
        end = given.parts
        found = [one for one in documents if Path(one.path).parts[-len(end) :] == end] if end else []
    if len(found) != 1:
        raise malformed(path, number, f"{name} is the path of {len(found) or 'none'} of the compared documents")
    return found[0]


def _offsets(start: Any, end: Any, length: int, path: Path, number: int) -> tuple[int, int]:
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in (start, end))
    if not whole or not 0 <= start < end <= length:
        raise malformed(path, number, f"{start}:{end} is no span of a text of {length} characters")
    return start, end


def _reference(line: Mapping[str, Any], key: str, path: Path, number: int) -> str:
    value = line.get(key)
    return str(value) if isinstance(value, int) else text_field(line, key, path, number)


def _moved(entry: Entry, document: Document, offset: int) -> int:
    """An offset into the entry's text as one into the document's, which may begin with a title and lacks control characters."""
    begins = len(canonical(f"{entry.title}\n\n")) if entry.title else 0
    if len(document.text) == begins + len(entry.text):
        return begins + offset
    return begins + len(canonical(entry.text[:offset]))
