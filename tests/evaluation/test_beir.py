"""Reading a judged collection, and saying what is wrong with one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ragterm.engine.evaluation import corpus_documents, load_beir
from ragterm.engine.types.errors import NotFoundError, RagtermError

CORPUS = [
    {"_id": "7", "title": "Refunds", "text": "Within 30 days.\n\nAsk the desk."},
    {"_id": "8", "title": "", "text": "No title here."},
    {"_id": "9", "text": "None \u2028 at all\r\nbut two lines\u0007."},
]
QUERIES = [{"_id": "q1", "text": "refund?"}, {"_id": "q2", "text": "not judged"}, {"_id": "q3", "text": "title?"}]
QRELS = "query-id\tcorpus-id\tscore\nq3\t8\t2\nq1\t7\t1\nq1\t8\t0\n"


def write(folder: Path, corpus: str | None = None, queries: str | None = None, qrels: str | None = QRELS) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "corpus.jsonl").write_text(
        corpus if corpus is not None else "\n".join(map(json.dumps, CORPUS)), encoding="utf-8"
    )
    (folder / "queries.jsonl").write_text(
        queries if queries is not None else "\n".join(map(json.dumps, QUERIES)), encoding="utf-8"
    )
    if qrels is not None:
        (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    data = load_beir(write(tmp_path))
    assert [entry.id for entry in data.entries] == ["7", "8", "9"]
    assert data.judgements == {"q3": {"8": 2}, "q1": {"7": 1, "8": 0}}
    assert data.queries == {"q1": "refund?", "q3": "title?"}


def test_judgements_may_come_without_a_header(tmp_path: Path) -> None:
    assert load_beir(write(tmp_path, qrels="q1\t7\t1\n")).judgements == {"q1": {"7": 1}}


def test_entries_become_documents(tmp_path: Path) -> None:
    first, second, third = corpus_documents(load_beir(write(tmp_path)))
    assert (first.title, first.text) == ("Refunds", "Refunds\n\nWithin 30 days.\n\nAsk the desk.")
    assert [first.text[b.start : b.end] for b in first.blocks] == ["Refunds", "Within 30 days.", "Ask the desk."]
    assert (second.title, second.text) == ("", "No title here.")
    assert third.text == "None \u2028 at all\nbut two lines."
    assert [d.metadata["entry"] for d in (first, second, third)] == ["7", "8", "9"]
    assert len({d.id for d in (first, second, third)}) == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_beir(write(tmp_path, qrels=None))
    assert "test.tsv" in caught.value.message
    assert "qrels/test.tsv" in caught.value.hint


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"corpus": '{"_id": "1", "text": "a"}\n{"_id": '}, "corpus.jsonl, line 2"),
        ({"corpus": '["a"]'}, "corpus.jsonl, line 1"),
        ({"corpus": '\n\n{"_id": "1"}'}, "corpus.jsonl, line 3"),
        ({"corpus": '{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}'}, "corpus.jsonl, line 2"),
        ({"corpus": ""}, "corpus.jsonl"),
        ({"queries": '{"_id": "q1", "text": 5}'}, "queries.jsonl, line 1"),
        ({"queries": '{"_id": "q1", "text": "a"}'}, "query q3"),
        ({"qrels": "query-id\tcorpus-id\tscore\nq1\t7\n"}, "test.tsv, line 2"),
        ({"qrels": "query-id\tcorpus-id\tscore\nq1\t7\tyes\n"}, "test.tsv, line 2"),
        ({"qrels": "query-id\tcorpus-id\tscore\n"}, "test.tsv"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, changed: dict[str, str], named: str) -> None:
    with pytest.raises(RagtermError) as caught:
        load_beir(write(tmp_path, **changed))
    assert named in caught.value.message
    assert caught.value.hint


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "corpus.jsonl").write_bytes(b'{"_id": "1", "text": "\xff\xfe"}\n')
    with pytest.raises(RagtermError, match=r"corpus\.jsonl, line 1"):
        load_beir(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "entries", "queries"), [("scifact", 5183, 300), ("squad", 1283, 3761), ("cranfield", 1400, 225)]
)
def test_public_collections_are_read(name: str, entries: int, queries: int) -> None:
    root = os.environ.get("RAGTERM_TEST_DATA")
    if not root:
        pytest.skip("RAGTERM_TEST_DATA is not set")
    data = load_beir(Path(root) / name)
    assert (len(data.entries), len(data.queries)) == (entries, queries)
