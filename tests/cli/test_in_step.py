"""Removal with its proof and its undo, the doctor's audit, and following folders, from the command line."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ALL = "import sys; from ragterm.cli.main import main; main(sys.argv[1:])"


def folder(path: Path) -> Path:
    path.mkdir()
    (path / "kiln.md").write_text("# Kiln\n\nThe kiln reaches 1280 degrees after nine hours.\n", encoding="utf-8")
    (path / "glaze.md").write_text("# Glaze\n\nGlaze number four contains cobalt and turns blue.\n", encoding="utf-8")
    return path


def test_a_removal_is_proven_undone_and_purged_by_the_next_ingest(ragterm, tmp_path):
    docs, home = folder(tmp_path / "docs"), tmp_path / "home"
    ragterm("ingest", docs, "--home", home)
    removed = ragterm("documents", "remove", docs / "glaze.md", "--home", home, "--json")
    assert removed.code == 0 and removed.json["left"] == {"chunks": 0, "vectors": 0, "keyword_hits": 0}
    assert removed.json["removed"] == 1 and removed.json["proven"] and removed.json["can_be_undone"]
    back = ragterm("documents", "restore", docs / "glaze.md", "--home", home, "--json")
    assert back.code == 0 and [one["path"] for one in back.json["documents"]] == [str(docs / "glaze.md")]
    assert ragterm("doctor", "-c", "default", "--home", home).code == 0

    said = ragterm("documents", "remove", docs / "glaze.md", "--home", home)
    assert "1 removed from default with 1 chunks: 0 chunks, 0 vectors and 0 keyword hits are left" in said.out
    assert "ragterm documents restore" in said.out
    assert "1 put back into default" in ragterm("documents", "restore", "--home", home).out
    ragterm("documents", "remove", docs / "glaze.md", "--home", home)
    # What another process of the past removed: this test's own process is not over yet.
    with sqlite3.connect(home / "collections" / "default" / "store.sqlite3") as connection:
        connection.execute("UPDATE aside SET pid = 4194304, process_start = 'long ago'")
    ragterm("ingest", docs / "kiln.md", "--home", home)
    assert ragterm("documents", "restore", "--home", home).code == 1
    gone = ragterm("documents", "remove", docs / "kiln.md", "--for-good", "--home", home, "--json")
    assert gone.json["proven"] and not gone.json["can_be_undone"]
    assert ragterm("documents", "restore", docs / "kiln.md", "--home", home).code == 1


def test_the_doctor_names_what_is_wrong_and_what_to_type(ragterm, tmp_path):
    docs, home = folder(tmp_path / "docs"), tmp_path / "home"
    ragterm("ingest", docs, "--home", home)
    (sound,) = ragterm("doctor", "--collection", "default", "--home", home, "--json").json["checks"]
    assert sound["message"] == "2 documents, 2 chunks; 2 vectors and 2 keyword entries agree with the store"
    with sqlite3.connect(home / "collections" / "default" / "store.sqlite3") as connection:
        connection.execute("UPDATE chunks SET text = 'something else' WHERE key = 1")
    ended = ragterm("doctor", "--collection", "default", "--home", home, "--json")
    (check,) = ended.json["checks"]
    assert ended.code == 1 and check["severity"] == "error"
    assert "not the span of its text: 1" in check["message"] and f"ragterm ingest {docs} -c default" in check["remedy"]
    assert ragterm("doctor", "--collection", "nowhere", "--home", home).code == 1


def test_watch_needs_something_to_follow(ragterm, tmp_path):
    assert ragterm("ingest", "--home", tmp_path).code == 2
    assert ragterm("ingest", tmp_path, "--poll", "1", "--home", tmp_path).code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C is another thing there")
def test_following_a_folder_until_ctrl_c(tmp_path):
    docs, home = folder(tmp_path / "docs"), tmp_path / "home"
    (docs / "skipped.png").write_bytes(b"x")
    process = subprocess.Popen(
        [sys.executable, "-c", ALL, "ingest", str(docs), "--watch", "--json", "--home", str(home)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OLLAMA_HOST": "127.0.0.1:1"},
    )  # fmt: skip
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("Ctrl+C ends it" in line for line in lines)
    (docs / "oven.md").write_text("# Oven\n\nThe oven is new.\n", encoding="utf-8")
    line = next(lines)
    assert "added" in line and "oven.md  1 chunk" in line
    (docs / "kiln.md").unlink()
    assert "removed" in (line := next(lines)) and "kiln.md" in line
    (docs / "empty.md").write_text("")
    assert "failed" in (line := next(lines)) and "empty.md: " in line
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in rest
    told = json.loads(out)
    counts = {name: count for name, count in told["documents"].items() if count}
    assert counts == {"added": 3, "removed": 1, "failed": 1, "skipped": 1}
    assert told["followed"] == [str(docs)] and told["chunks"] == 3
    assert [Path(one["path"]).name for one in told["failures"]] == ["empty.md"]
    with sqlite3.connect(home / "collections" / "default" / "store.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (2,)
