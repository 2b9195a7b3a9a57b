"""The command line's contract: forms, exit codes, and that offsets mean what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.corpus import SAMPLES

KEYS = {"added", "updated", "unchanged", "removed", "duplicate", "skipped", "failed"}


def small_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "kiln.md").write_text("# Kiln\n\nThe kiln reaches 1280 degrees after nine hours.\n", encoding="utf-8")
    (folder / "glaze.txt").write_text("Glaze number four contains cobalt and turns blue.\n", encoding="utf-8")
    return folder


def test_ingest_counts_every_file_once(ragterm, tmp_path):
    docs = small_folder(tmp_path / "docs")
    (docs / "copy.md").write_bytes((docs / "kiln.md").read_bytes())
    (docs / "empty.md").write_text("\n \n", encoding="utf-8")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    home = tmp_path / "home"

    first = ragterm("ingest", docs, "--home", home, "--json")
    assert first.code == 3
    assert set(first.json["documents"]) == KEYS
    assert first.json["documents"] == dict.fromkeys(KEYS, 0) | {"added": 2, "duplicate": 1, "failed": 2}
    assert {Path(f["path"]).name for f in first.json["failures"]} == {"empty.md", "broken.pdf"}
    assert all(f["stage"] and f["error"] and f["hint"] for f in first.json["failures"])

    (docs / "glaze.txt").write_text("Glaze number five contains iron and turns brown.\n", encoding="utf-8")
    (docs / "kiln.md").unlink()
    second = ragterm("--home", home, "ingest", "--json", docs)
    counts = second.json["documents"]
    assert counts["updated"] == 1
    assert counts["removed"] == 1
    assert sum(counts.values()) == 5  # four files there, one gone

    found = ragterm("search", "cobalt", "--mode", "keyword", "--home", home, "--json")
    assert found.json["results"] == []


def test_nothing_indexed_and_something_failed_is_failure(ragterm, tmp_path):
    (tmp_path / "only.pdf").write_bytes(b"not a pdf")
    ended = ragterm("ingest", tmp_path / "only.pdf", "--home", tmp_path / "home", "--json")
    assert ended.code == 1
    assert ended.json["documents"]["failed"] == 1


def test_search_offsets_point_into_the_canonical_text(ragterm, sample_home):
    ended = ragterm("search", "restocking fee", "--home", sample_home, "--json", "-k", "5")
    assert ended.code == 0
    assert len(ended.json["results"]) == 5
    for rank, result in enumerate(ended.json["results"], 1):
        assert result["rank"] == rank
        text = ragterm("documents", "show", result["document"], "--text", "--home", sample_home).out
        assert text[result["start"] : result["end"]] == result["text"]
        assert {"dense", "keyword", "fused"} <= set(result["stages"])


@pytest.mark.parametrize(
    "options", [("--fusion", "rrf"), ("--mode", "dense"), ("--mode", "keyword"), ("--weight", "0.2")]
)
def test_search_options_shape_the_search(ragterm, sample_home, options):
    ended = ragterm("search", "refund policy", *options, "--rerank", "none", "--home", sample_home, "--json")
    stages = ended.json["results"][0]["stages"]
    assert "rerank" not in stages
    if "--mode" in options:
        assert set(stages) == {options[1]}


def test_ask_docs_cites_page_and_span(ragterm, tmp_path):
    question = "How many days do customers have to return goods under the 2025 policy?"
    asked = ragterm("ask", question, "--docs", SAMPLES / "policies", "--home", tmp_path, "--json")
    assert asked.code == 0
    answer = asked.json
    assert answer["llm"] == "extractive"
    assert not answer["declined"]
    cited = next(c for c in answer["citations"] if "45 days" in c["quote"])
    assert cited["path"].endswith("refund-policy-2025.pdf")
    assert cited["page"] == 2
    assert f"[{cited['marker']}]" in answer["answer"]
    for sentence in answer["sentences"]:
        assert answer["answer"][sentence["start"] : sentence["end"]] == sentence["text"]

    collections = [path.name for path in (tmp_path / "collections").iterdir()]
    assert len(collections) == 1
    text = ragterm("documents", "show", cited["document"], "--text", "-c", collections[0], "--home", tmp_path).out
    assert text[cited["start"] : cited["end"]] == cited["quote"]

    readable = ragterm("ask", question, "--docs", SAMPLES / "policies", "--home", tmp_path)
    assert "[refund-policy-2025.pdf, page 2]" in readable.out


def test_documents_list_show_remove(ragterm, tmp_path):
    docs, home = small_folder(tmp_path / "docs"), tmp_path / "home"
    ragterm("ingest", docs, "--home", home)
    rows = ragterm("documents", "list", "--home", home, "--json").json["documents"]
    assert {Path(row["path"]).name for row in rows} == {"kiln.md", "glaze.txt"}
    assert {"id", "path", "title", "kind", "pages", "chunks", "state", "warnings"} <= set(rows[0])
    assert ragterm("documents", "remove", docs / "kiln.md", "--home", home, "--json").json["removed"] == 1
    assert len(ragterm("documents", "list", "--home", home, "--json").json["documents"]) == 1
    assert ragterm("doctor", "-c", "default", "--home", home).code == 0


def test_eval_scores_a_folder(ragterm, tmp_path):
    data = tmp_path / "beir"
    (data / "qrels").mkdir(parents=True)
    texts = {
        "d1": "The kiln reaches 1280 degrees.",
        "d2": "Cobalt turns the glaze blue.",
        "d3": "Clay dries in two days.",
    }
    lines = [json.dumps({"_id": k, "title": "", "text": v}) for k, v in texts.items()]
    (data / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (data / "queries.jsonl").write_text('{"_id": "q1", "text": "What makes glaze blue?"}\n', encoding="utf-8")
    (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t1\n", encoding="utf-8")
    run = tmp_path / "run.trec"
    ended = ragterm("eval", data, "--run-file", run, "--home", tmp_path / "home", "--json")
    assert ended.json["ndcg@10"] == 1.0
    assert ended.json["queries"] == 1
    assert {"recall@100", "mrr@10", "map", "settings"} <= set(ended.json)
    assert run.read_text(encoding="utf-8").split()[:4] == ["q1", "Q0", "d2", "1"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["serach", "x"], 2, "did you mean `ragterm search`?"),
        (["search"], 2, "Missing argument"),
        (["search", "x", "-c", "nowhere"], 1, "No collection nowhere"),
        (["search", "x", "--set", "search.wieght=1"], 2, "did you mean search.weight?"),
        (["ingest", "/no/such/folder"], 1, "/no/such/folder"),
        (["eval", "/no/such/folder"], 1, "corpus.jsonl"),
        (["ask", "x", "--docs", "/no/such/folder"], 1, "/no/such/folder"),
    ],
)
def test_bad_input_is_one_clear_line(ragterm, tmp_path, args, code, says):
    ended = ragterm(*args, "--home", tmp_path / "home")
    assert ended.code == code
    assert says in ended.err
    assert "Traceback" not in ended.err
    as_json = ragterm(*args, "--home", tmp_path / "home", "--json")
    assert as_json.code == code
    assert as_json.json["error"]["title"]


HEAVY = ["torch", "transformers", "sentence_transformers", "numba"]


def imported_by(*args: str, home: Path) -> set[str]:
    """The modules that a whole `ragterm` process had imported when it ended."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=open(sys.argv[1], 'w')))\n"
        "from ragterm.cli.main import main\n"
        "main(sys.argv[2:])\n"
    )
    out = home.parent / "modules.txt"
    environment = os.environ | {"RAGTERM_HOME": str(home), "OLLAMA_HOST": "127.0.0.1:1"}
    command = [sys.executable, "-c", program, str(out), *args]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return set(out.read_text().split())


def test_help_imports_nothing_heavy(tmp_path):
    modules = imported_by("--help", home=tmp_path / "home")
    assert "click" in modules
    assert not modules & {*HEAVY, "textual", "numpy", "onnxruntime", "tantivy", "sqlite3"}


def test_numpy_is_whole_before_a_second_thread_needs_it(tmp_path):
    """Two threads that import it at once may find half of it; seen in one search of a hundred on a busy machine."""
    program = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from ragterm.engine.resident import ResidentModels\n"
        "from ragterm.engine.types.settings import Settings\n"
        "threading.Thread.start = lambda self: print('numpy' in sys.modules)\n"
        "models = ResidentModels(Settings(), Path(sys.argv[1]))\n"
        "print('numpy' in sys.modules)\n"
        "models.begin_loading()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["False", "True"], ended.stderr


def test_search_imports_no_torch(sample_home):
    modules = imported_by("search", "refund", home=sample_home)
    assert {"numpy", "tantivy", "onnxruntime"} <= modules
    assert not modules & {*HEAVY, "textual"}
