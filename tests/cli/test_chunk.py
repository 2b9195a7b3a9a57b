"""`ragterm chunk compare`: its object, its table, its exit codes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from support.cheap_embedder import CheapEmbedder
from support.chunk_strategies import lines, windows

from ragterm.engine.chunking import registry
from ragterm.engine.engine import Engine
from ragterm.engine.resident import ResidentModels
from ragterm.engine.types.settings import ChunkingSettings

TEXT = "# Kiln\n\nThe kiln reaches 1280 degrees after nine hours.\n\nThe glaze is blue and contains cobalt.\n"


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(registry.STRATEGIES, "windows", windows)
    monkeypatch.setitem(registry.STRATEGIES, "lines", lines)
    monkeypatch.setattr(ResidentModels, "embedder", lambda self, progress=None: CheapEmbedder())
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "kiln.md").write_text(TEXT, encoding="utf-8")
    (folder / "lake.txt").write_text("The lake is cold in March.\n", encoding="utf-8")
    return folder


def test_one_object_with_every_strategy_and_its_settings(ragterm, docs, tmp_path):
    ended = ragterm(
        "chunk", "compare", docs, "--strategies", "windows:max_tokens=8,overlap=0,lines", "--boundaries", "--json",
        "--home", tmp_path / "home",
    )  # fmt: skip
    assert ended.code == 0
    found = ended.json
    assert [Path(d["path"]).name for d in found["documents"]] == ["kiln.md", "lake.txt"]
    first, second = found["strategies"]
    assert (first["strategy"], first["label"]) == ("windows", "windows:max_tokens=8,overlap=0")
    assert first["settings"] == asdict(ChunkingSettings(max_tokens=8, overlap=0.0, strategy="windows"))
    assert second["chunks"] == 4 and second["tokens"] == 2 + 2 + 9 + 2 + 8 + 2 + 7 + 2
    assert second["strategy_tokens"] == second["tokens"], "the lines were asked about once each"
    assert first["strategy_tokens"] == 0 and first["measures"] is None
    assert found["questions"] == 0 and found["embedded"]["texts"] == 4, "only what a strategy asks for"
    kiln = found["documents"][0]["id"]
    assert [TEXT[s:e] for s, e in second["boundaries"][kiln]] == [one for one in TEXT.split("\n") if one]
    assert not (tmp_path / "home" / "collections").exists(), "nothing is stored"


def test_questions_of_a_file_bring_measures_and_a_readable_table(ragterm, docs, tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text(
        json.dumps({"question": "contains cobalt and is blue", "path": "docs/kiln.md", "quote": "blue and contains"}),
        encoding="utf-8",
    )
    given = ("chunk", "compare", docs, "--strategies", "lines,windows:max_tokens=4", "--questions", file)
    found = ragterm(*given, "--retrieve", 1, "--json", "--home", tmp_path / "home").json
    lines_, windows_ = (one["measures"] for one in found["strategies"])
    assert set(lines_) == {
        "token_recall", "token_precision", "token_iou", "precision_omega", "recall_in_budget", "ndcg@10", "evidence",
        "evidence_split",
    }  # fmt: skip
    line = "The glaze is blue and contains cobalt."
    assert lines_["token_recall"] == 1 and lines_["token_precision"] == pytest.approx(17 / len(line), abs=1e-6)
    assert (lines_["evidence_split"], windows_["evidence"], windows_["evidence_split"]) == (0, 1, 1)
    assert found["settings"] == {
        "retrieve": 1, "budget": 1200, "mode": "dense", "weight": 0.6, "model": "cheap-words-1",
    }  # fmt: skip

    readable = ragterm(*given, "--boundaries", "--mode", "hybrid", "--home", tmp_path / "home")
    assert readable.code == 0
    assert "nDCG@10" in readable.out and "hybrid retrieval" in readable.out and "▏The glaze" in readable.out


def test_a_folder_with_spans_brings_documents_and_questions(ragterm, docs, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "k", "text": TEXT}) + "\n", encoding="utf-8")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "how hot is the kiln"}), encoding="utf-8")
    start = TEXT.index("1280 degrees")
    span = {"query_id": "q", "doc_id": "k", "start": start, "end": start + 12}
    (folder / "spans.jsonl").write_text(json.dumps(span) + "\n", encoding="utf-8")
    found = ragterm("chunk", "compare", folder, "--strategies", "lines", "--json", "--home", tmp_path / "home").json
    assert found["questions"] == 1 and found["strategies"][0]["measures"]["token_recall"] == 1

    (folder / "spans.jsonl").write_text(json.dumps(span) + "\n\n" + json.dumps({**span, "end": 9999}), encoding="utf-8")
    bad = ragterm("chunk", "compare", folder, "--json", "--home", tmp_path / "home")
    assert bad.code == 1 and "spans.jsonl, line 3" in bad.json["error"]["message"]


def test_a_file_that_cannot_be_read_is_named_and_the_rest_compared(ragterm, docs, tmp_path):
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    ended = ragterm("chunk", "compare", docs, "--strategies", "lines", "--json", "--home", tmp_path / "home")
    assert ended.code == 3
    assert [Path(f["path"]).name for f in ended.json["failures"]] == ["broken.pdf"]
    assert all(ended.json["failures"][0].values()) and len(ended.json["documents"]) == 2
    assert "broken.pdf" in ended.err


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["--strategies", "nonsense"], 2, "nonsense"),
        (["--strategies", "lines:max_token=4"], 2, "max_tokens"),
        (["--questions", "/nowhere.jsonl"], 1, "nowhere"),
        (["--retrieve", "0"], 2, "retrieve"),
    ],
)
def test_wrong_usage(ragterm, docs, tmp_path, given, code, said):
    ended = ragterm("chunk", "compare", docs, *given, "--json", "--home", tmp_path / "home")
    assert ended.code == code and said in json.dumps(ended.json["error"])


def test_what_a_collection_has_embedded_is_not_embedded_again(ragterm, docs, tmp_path, monkeypatch):
    embedder = CheapEmbedder()
    monkeypatch.setattr(ResidentModels, "embedder", lambda self, progress=None: embedder)
    assert ragterm("ingest", docs, "--home", tmp_path / "home").code == 0
    embedder.texts = 0
    file = tmp_path / "questions.jsonl"
    file.write_text(
        json.dumps({"question": "how cold?", "path": "lake.txt", "quote": "cold in March"}), encoding="utf-8"
    )
    with Engine.open(tmp_path / "home") as engine:
        before = {row.id: engine.chunks(row.id) for row in engine.documents()}
        result = engine.compare_chunking(strategies=["hierarchical", "lines"], questions=file, documents=list(before))
    as_ingested, by_line = result.strategies
    assert {d: [(c.start, c.end) for c in chunks] for d, chunks in before.items()} == {
        d: list(spans) for d, spans in as_ingested.boundaries.items()
    }
    assert as_ingested.measures is not None and as_ingested.measures.token_recall == 1
    assert embedder.texts == result.embedded == by_line.chunks, "only the lines are new"
    assert result.reused == as_ingested.chunks + by_line.chunks


def test_a_strategy_is_adopted_listed_and_taken_back(ragterm, docs, tmp_path):
    home = ("--home", tmp_path / "home")
    assert ragterm("ingest", docs, "--json", *home).json["chunks"] == 3
    made = ragterm("chunk", "adopt", "lines", "--json", *home)
    assert (made.code, made.json["documents"], made.json["chunks"]) == (0, 2, 4)
    listed = ragterm("chunk", "builds", "--json", *home).json["builds"]
    assert [(one["strategy"], one["live"], one["previous"], one["chunks"]) for one in listed] == [
        ("auto", False, True, 3),
        ("lines", True, False, 4),
    ]
    assert (
        ragterm("search", "cobalt", "--rerank", "none", "--json", *home)
        .json["results"][0]["text"]
        .startswith("The glaze")
    )
    back = ragterm("chunk", "rollback", *home)
    assert back.code == 0 and "3 chunks" in back.out
    again = ragterm("chunk", "rollback", *home)
    assert again.code == 0 and "4 chunks" in again.out


def test_what_cannot_be_adopted_is_one_line(ragterm, docs, tmp_path):
    home = ("--home", tmp_path / "home")
    ragterm("ingest", docs, *home)
    wrong = ragterm("chunk", "adopt", "recursiv", *home)
    assert wrong.code == 2 and "did you mean recursive?" in wrong.err
    two = ragterm("chunk", "adopt", "lines,windows", *home)
    assert two.code == 2 and "One strategy at a time" in two.err
    nothing = ragterm("chunk", "rollback", *home)
    assert nothing.code == 1 and "no build to go back to" in nothing.err
