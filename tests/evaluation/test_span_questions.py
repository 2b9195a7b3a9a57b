"""Questions with spans from files: offsets that still point at the same words, and lines that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragterm.engine.evaluation import is_span_folder, load_questions, load_span_folder
from ragterm.engine.types.documents import Document
from ragterm.engine.types.errors import RagtermError


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


def folder_of(path: Path, entries: list[Any], queries: list[Any], spans: list[Any]) -> Path:
    path.mkdir(exist_ok=True)
    write_lines(path / "corpus.jsonl", *entries)
    write_lines(path / "queries.jsonl", *queries)
    write_lines(path / "spans.jsonl", *spans)
    return path


def document(path: str, text: str) -> Document:
    return Document(path, path, "", "text", "0" * 64, text, ())


KILN = "The kiln reaches\n1280 degrees. The glaze is blue. The glaze is blue."


def test_a_span_folder_keeps_its_words_under_titles_and_without_control_characters(tmp_path: Path) -> None:
    entries = [
        {"_id": "plain", "text": "warm kiln"},
        {"_id": "titled", "title": "A title", "text": "cold\r\nkiln\x07 room"},
    ]
    spans = [
        {"query_id": "q1", "doc_id": "plain", "start": 5, "end": 9},
        {"query_id": "q1", "doc_id": "titled", "start": 6, "end": 10, "text": "kiln"},
        {"query_id": 2, "doc_id": "titled", "start": 12, "end": 16},
    ]
    queries = [{"_id": 2, "text": "where?"}, {"_id": "q1", "text": "what?"}, {"_id": "q9", "text": "without spans"}]
    folder = folder_of(tmp_path / "set", entries, queries, spans)
    assert is_span_folder(folder) and not is_span_folder(tmp_path)
    documents, questions = load_span_folder(folder)
    texts = {one.id: one.text for one in documents}
    assert [q.text for q in questions] == ["where?", "what?"]
    assert [[texts[d][s:e] for d, s, e in q.evidence] for q in questions] == [["room"], ["kiln", "kiln"]]


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ({"query_id": "q7", "doc_id": "a", "start": 0, "end": 1}, "query q7"),
        ({"query_id": "q", "doc_id": "b", "start": 0, "end": 1}, "document b"),
        ({"query_id": "q", "doc_id": "a", "start": 3, "end": 3}, "3:3"),
        ({"query_id": "q", "doc_id": "a", "start": 0, "end": 99}, "0:99"),
        ({"query_id": "q", "doc_id": "a", "start": True, "end": 2}, "True:2"),
        ({"query_id": "q", "doc_id": "a", "start": 0, "end": 4, "text": "cold"}, '"text"'),
        ({"doc_id": "a", "start": 0, "end": 4}, '"query_id"'),
        ("{", "not JSON"),
    ],
)
def test_a_span_that_points_nowhere_is_named_by_its_line(tmp_path: Path, span: Any, said: str) -> None:
    good = {"query_id": "q", "doc_id": "a", "start": 0, "end": 4}
    folder = folder_of(tmp_path / "set", [{"_id": "a", "text": "warm kiln"}], [{"_id": "q", "text": "?"}], [good, span])
    with pytest.raises(RagtermError) as caught:
        load_span_folder(folder)
    assert "spans.jsonl, line 2" in caught.value.message and said in caught.value.message


def test_questions_name_documents_by_path_and_evidence_by_span_or_quote(tmp_path: Path) -> None:
    kiln = document(str(tmp_path / "docs" / "kiln.md"), KILN)
    other = document(str(tmp_path / "docs" / "other.md"), "Nothing here.")
    file = write_lines(
        tmp_path / "questions.jsonl",
        {"question": "How hot?", "path": "docs/kiln.md", "quote": "reaches 1280  degrees"},
        {"question": "How hot?", "path": "kiln.md", "spans": [[4, 8], [17, 21]]},
        {"question": "Nothing?", "path": str(other.path), "quote": ["Nothing", "here."]},
    )
    asked = load_questions(file, [kiln, other])
    texts = {kiln.id: kiln.text, other.id: other.text}
    assert [[texts[d][s:e] for d, s, e in q.evidence] for q in asked] == [
        ["reaches\n1280 degrees"],
        ["kiln", "1280"],
        ["Nothing", "here."],
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"question": "?", "path": "kiln.md", "quote": "purple"}, '"purple" does not stand in'),
        ({"question": "?", "path": "kiln.md", "quote": "glaze is blue"}, "stands 2 times"),
        ({"question": "?", "path": "nowhere.md", "quote": "kiln"}, "nowhere.md"),
        ({"question": "?", "path": "kiln.md"}, 'either "spans" or "quote"'),
        ({"question": "?", "path": "kiln.md", "quote": "kiln", "spans": [[0, 1]]}, 'either "spans" or "quote"'),
        ({"question": "?", "path": "kiln.md", "spans": [[0]]}, "list of [start, end]"),
        ({"question": "?", "path": "kiln.md", "spans": [[0, "1"]]}, "0:1"),
        ({"question": "?", "path": "kiln.md", "spans": [[-1, 4]]}, "-1:4"),
        ({"question": " ", "path": "kiln.md", "quote": "kiln"}, "is empty"),
        ({"path": "kiln.md", "quote": "kiln"}, '"question" is missing'),
        ([1], "JSON object"),
    ],
)
def test_a_question_that_cannot_be_used_is_named_by_its_line(tmp_path: Path, line: Any, said: str) -> None:
    good = {"question": "?", "path": "kiln.md", "spans": [[0, 3]]}
    file = write_lines(tmp_path / "questions.jsonl", good, "", line)
    with pytest.raises(RagtermError) as caught:
        load_questions(file, [document("/docs/kiln.md", KILN)])
    assert "questions.jsonl, line 3" in caught.value.message and said in caught.value.message
