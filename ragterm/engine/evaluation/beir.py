"""Judged collections in the form of BEIR (Thakur et al. 2021, "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation").

DIR/corpus.jsonl      {"_id", "title" (may be missing or empty), "text"}
DIR/queries.jsonl     {"_id", "text"}
DIR/qrels/test.tsv    query-id <tab> corpus-id <tab> grade, with a header line
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ragterm.engine.types.documents import Block, Document
from ragterm.engine.types.errors import NotFoundError, RagtermError


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of `corpus.jsonl`."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class BeirData:
    """`queries` are the judged ones only, in the order of the file; `judgements` maps query id -> document id -> grade."""

    folder: Path
    entries: tuple[Entry, ...]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


def load_beir(folder: Path) -> BeirData:
    """Read a folder. Raises NotFoundError for a missing file, RagtermError naming file and line for a malformed one."""
    corpus, questions, judged = folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv"
    for path in (corpus, questions, judged):
        if not path.is_file():
            raise NotFoundError(
                "This folder is not a judged collection",
                f"{path} is missing",
                "give a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv",
            )
    judgements = _read_judgements(judged)
    entries = {entry.id: entry for entry in read_entries(corpus)}
    queries = read_queries(questions)
    missing = next((query for query in judgements if query not in queries), None)
    if missing is not None:
        raise RagtermError(
            "The judgements do not fit the queries",
            f"{judged}: query {missing} is not in {questions}",
            "check the folder",
        )
    if not judgements or not entries:
        raise RagtermError(
            "There is nothing to evaluate", f"{judged if entries else corpus} has no lines", "check the folder"
        )
    return BeirData(folder, tuple(entries.values()), {q: t for q, t in queries.items() if q in judgements}, judgements)


def read_entries(corpus: Path) -> tuple[Entry, ...]:
    """The lines of a corpus file. Raises RagtermError naming file and line for a malformed one, or an id that stands there twice."""
    entries: dict[str, Entry] = {}
    for number, line in json_lines(corpus):
        entry = Entry(
            text_field(line, "_id", corpus, number),
            str(line.get("title") or "").strip(),
            text_field(line, "text", corpus, number),
        )
        if entry.id in entries:
            raise malformed(corpus, number, f"the id {entry.id} stands there twice")
        entries[entry.id] = entry
    return tuple(entries.values())


def read_queries(path: Path) -> dict[str, str]:
    """Query id -> text. Raises RagtermError naming file and line."""
    return {text_field(line, "_id", path, n): text_field(line, "text", path, n) for n, line in json_lines(path)}


def corpus_documents(data: BeirData) -> Iterator[Document]:
    """Each entry as a document: title, blank line, text; the text alone without a title. Its `metadata["entry"]` is the entry's
    id, its path is the corpus file with that id behind a `#`."""
    corpus = data.folder.resolve() / "corpus.jsonl"
    for entry in data.entries:
        text = canonical(f"{entry.title}\n\n{entry.text}" if entry.title else entry.text)
        path = f"{corpus}#{entry.id}"
        yield Document(
            id=sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            path=path,
            title=entry.title,
            kind="text",
            content_hash=sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            text=text,
            blocks=tuple(_paragraphs(text)),
            parser="beir",
            metadata={"entry": entry.id},
        )


def _paragraphs(text: str) -> Iterator[Block]:
    """What stands between blank lines."""
    start = 0
    for part in text.split("\n\n"):
        stripped = part.strip()
        if stripped:
            at = start + part.index(stripped)
            yield Block("paragraph", at, at + len(stripped))
        start += len(part) + 2


def canonical(text: str) -> str:
    """The canonical text of an entry: LF line ends, no control characters but newline and tab."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or (ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F and c != "\ufeff"))


def _read_judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        parts = line.rstrip("\n").split("\t")
        if number == 1 and not parts[-1].strip().lstrip("-").isdigit():
            continue
        try:
            query, document, grade = parts
            judgements.setdefault(query, {})[document] = int(grade)
        except ValueError as error:
            raise malformed(
                path, number, "expected query-id, corpus-id and a whole number, separated by tabs"
            ) from error
    return judgements


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line number, from 1. Raises RagtermError naming file and line."""
    for number, line in _lines(path):
        try:
            data = json.loads(line)
        except ValueError as error:
            raise malformed(path, number, f"not JSON: {error}") from error
        if not isinstance(data, dict):
            raise malformed(path, number, "expected a JSON object")
        yield number, data


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their number, from 1, empty ones left out."""
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise malformed(path, number + 1, f"not UTF-8: {error.reason}") from error


def text_field(data: Mapping[str, Any], key: str, path: Path, number: int) -> str:
    """A field that must hold text (an `_id` may be a number). Raises RagtermError naming file and line."""
    value = data.get(key)
    if key == "_id" and isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or (key == "_id" and not value.strip()):
        raise malformed(path, number, f'"{key}" is missing or no text')
    return value


def malformed(path: Path, number: int, what: str) -> RagtermError:
    """What to raise for a line that cannot be used."""
    return RagtermError(
        "A line cannot be read", f"{path}, line {number}: {what}", "correct the line, then run it again"
    )
