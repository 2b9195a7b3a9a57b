"""`ragterm vec get|delete|import|export`, the three kinds of files, and whole processes."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.vec import unit_rows, write_lines

from ragterm.engine.vectors import embedding_files, embedding_writing

METADATA = [
    {"year": 2024, "tags": ["a", "b"], "share": 0.1},
    {"year": 2025, "nested": {"deep": [1, None]}, "text": "ünïcode\n[/x] \u2028"},
    {},
    {"year": "two thousand", "nothing": None, "yes": True},
]


def imported(vec, db, rows, metadata=None):
    file = write_lines(db.parent / f"{db.name}.jsonl", rows, metadata)
    ended = vec("import", file, "--db", db, "--json")
    assert ended.code == 0, ended.err
    return ended.json


def test_import_makes_the_database(vec, tmp_path):
    rows = unit_rows(6, 5)
    result = imported(vec, tmp_path / "db", rows)
    assert (result["added"], result["vectors"]) == (6, 6)
    assert vec("stats", "--db", tmp_path / "db", "--json").json["dimensions"] == 5
    again = vec("import", tmp_path / "db.jsonl", "--db", tmp_path / "db", "--json")
    assert (again.json["added"], again.json["replaced"]) == (0, 6)
    other = vec("import", tmp_path / "db.jsonl", "--db", tmp_path / "db", "--metric", "dot")
    assert other.code == 2
    assert "--metric is for a new database" in other.err


def test_import_of_nothing_good_leaves_no_database(vec, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"id": "a"}\n')
    ended = vec("import", tmp_path / "bad.jsonl", "--db", tmp_path / "db")
    assert ended.code == 1
    assert 'line 1: no "vector"' in ended.err
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("kind", ["jsonl", "npy", "parquet"])
def test_export_and_import_give_the_same_items(vec, tmp_path, monkeypatch, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(embedding_writing, "BATCH", 3)  # two batches, the second not full
    rows = unit_rows(4, 7)
    rows[0, :3] = [1e-42, -3.1415927e-8, 16777217.0]
    imported(vec, tmp_path / "one", rows, METADATA)
    before = [vec("get", f"d{i}", "--db", tmp_path / "one", "--json").json for i in range(4)]
    file = tmp_path / f"out.{kind}"
    ended = vec("export", file, "--db", tmp_path / "one", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["vectors"] == 4
    assert sorted(path.name for path in tmp_path.glob("*out*")) == sorted(Path(f).name for f in ended.json["files"])
    assert vec("import", file, "--db", tmp_path / "two", "--json").json["added"] == 4
    after = [vec("get", f"d{i}", "--db", tmp_path / "two", "--json").json for i in range(4)]
    assert after == before
    assert [one["metadata"] for one in after] == METADATA


@pytest.mark.parametrize("kind", ["jsonl", "npy", "parquet"])
def test_an_interrupted_export_leaves_the_old_file(vec, database_class, tmp_path, monkeypatch, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    imported(vec, tmp_path / "db", unit_rows(4, 3))
    file = tmp_path / f"out.{kind}"
    file.write_bytes(b"old")
    get = database_class.get

    def interrupted(self, doc_id):
        if doc_id == "d2":
            signal.raise_signal(signal.SIGINT)
        return get(self, doc_id)

    monkeypatch.setattr(database_class, "get", interrupted)
    ended = vec("export", file, "--db", tmp_path / "db")
    assert ended.code == 130
    assert file.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.glob("*out*")) == [file.name]


def test_an_array_has_row_ids_or_those_of_a_file(vec, tmp_path):
    rows = unit_rows(3, 4)
    np.save(tmp_path / "plain.npy", rows.astype(np.float64))
    assert vec("import", tmp_path / "plain.npy", "--db", tmp_path / "db", "--json").json["added"] == 3
    assert vec("get", "row-2", "--db", tmp_path / "db", "--json").json["vector"] == rows[2].tolist()
    (tmp_path / "names.txt").write_text("alpha\nbeta gamma\nδ\n", encoding="utf-8")
    added = vec(
        "add", "--file", tmp_path / "plain.npy", "--ids", tmp_path / "names.txt", "--db", tmp_path / "db", "--json"
    )
    assert added.json["added"] == 3
    assert vec("get", "beta gamma", "--db", tmp_path / "db", "--json").json["vector"] == rows[1].tolist()
    (tmp_path / "names.txt").write_text("alpha\nbeta\n")
    short = vec("add", "--file", tmp_path / "plain.npy", "--ids", tmp_path / "names.txt", "--db", tmp_path / "db")
    assert short.code == 2
    assert "2 ids for 3 vectors" in short.err


def test_rows_that_are_not_numbers_are_named(vec, tmp_path):
    rows = unit_rows(6, 4)
    rows[1, 0], rows[4, 2] = np.nan, np.inf
    np.save(tmp_path / "holes.npy", rows)
    ended = vec("import", tmp_path / "holes.npy", "--db", tmp_path / "db", "--json")
    assert ended.code == 3
    assert [one["place"] for one in ended.json["failures"]] == ["row 1", "row 4"]
    assert vec("get", "row-5", "--db", tmp_path / "db", "--json").json["vector"] == rows[5].tolist()


def test_parquet_columns_become_metadata(vec, tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = {
        "id": ["a", "b", None, "d"],
        "vector": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0]],
        "year": [2024, None, 1, 1],
        "day": [datetime.date(2024, 2, 29)] * 4,
    }
    parquet.write_table(arrow.table(table), tmp_path / "in.parquet")
    ended = vec("import", tmp_path / "in.parquet", "--db", tmp_path / "db", "--json")
    assert [(one["place"], one["error"]) for one in ended.json["failures"]] == [
        ("row 2", 'no "id"'),
        ("row 3", "1 dimensions instead of 2"),
    ]
    assert vec("get", "a", "--db", tmp_path / "db", "--json").json["metadata"] == {"year": 2024, "day": "2024-02-29"}
    assert vec("get", "b", "--db", tmp_path / "db", "--json").json["metadata"] == {"day": "2024-02-29"}


def test_without_pyarrow_the_command_that_installs_it_is_named(vec, tmp_path, monkeypatch):
    imported(vec, tmp_path / "db", unit_rows(2, 3))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    for args in (("add", "--file", tmp_path / "in.parquet"), ("export", tmp_path / "out.parquet")):
        ended = vec(*args, "--db", tmp_path / "db")
        assert ended.code == 1
        assert ended.err.splitlines()[-1].strip() == embedding_files.INSTALL_PYARROW


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("a.csv", b"1,2", 2, "its name must end in .jsonl, .npy, .parquet"),
        ("missing.jsonl", None, 1, "No such file"),
        ("a.npy", b"not an array", 1, "a.npy cannot be read"),
        ("a.parquet", b"not parquet", 1, "a.parquet cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_line(vec, tmp_path, name, content, code, says):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    imported(vec, tmp_path / "db", unit_rows(2, 3))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ended = vec("add", "--file", tmp_path / name, "--db", tmp_path / "db")
    assert ended.code == code
    assert says in ended.err
    assert len(ended.err.splitlines()) == 2


def test_a_pickled_array_is_not_loaded(vec, tmp_path):
    imported(vec, tmp_path / "db", unit_rows(2, 3))
    np.save(tmp_path / "objects.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    assert vec("add", "--file", tmp_path / "objects.npy", "--db", tmp_path / "db").code == 1
    np.save(tmp_path / "wide.npy", unit_rows(2, 4))
    ended = vec("add", "--file", tmp_path / "wide.npy", "--db", tmp_path / "db")
    assert ended.code == 2
    assert "wide.npy has 4, the database 3" in ended.err


def test_delete_names_what_is_not_there(vec, tmp_path):
    db = tmp_path / "db"
    imported(vec, db, unit_rows(4, 3))
    part = vec("delete", "d0", "nobody", "d2", "d0", "--db", db, "--json")
    assert part.code == 3
    assert part.json == {"deleted": 2, "missing": ["nobody"], "vectors": 2}
    assert vec("delete", "d0", "--db", db).code == 1
    assert vec("delete", "d1", "--db", db).code == 0
    gone = vec("get", "d1", "--db", db)
    assert gone.code == 1
    assert "No item d1" in gone.err
    found = vec("search", "--db", db, "--vector", "[1, 0, 0]", "--json").json["results"]
    assert [one["id"] for one in found] == ["d3"]


def test_foreign_text_does_not_steer_the_terminal(vec, tmp_path):
    rows = unit_rows(1, 3)
    (tmp_path / "in.jsonl").write_text(
        json.dumps({"id": "\x1b[31mred\n", "vector": rows[0].tolist(), "metadata": {"a": "\u202e[/x]"}}) + "\n\x1b[2J\n"
    )
    assert vec("import", tmp_path / "in.jsonl", "--db", tmp_path / "db").code == 3
    for args, lines in ((("search", "--vector", "[1, 0, 0]"), 2), (("get", "\x1b[31mred\n"), 3)):
        ended = vec(*args, "--db", tmp_path / "db")
        assert ended.code == 0
        assert "red" in ended.out
        assert not {"\x1b", "\u202e"} & set(ended.out + ended.err)
        assert len(ended.out.splitlines()) == lines


def whole_process(database_class, *args, cwd, prelude=""):
    """`ragterm ...` in a process of its own, on the class under test."""
    stand_in = (
        "from support.memory_vector_db import MemoryVectorDB\n"
        "from ragterm.cli.vec import opening\n"
        "opening.database_class = lambda: MemoryVectorDB\n"
    )
    program = (stand_in if database_class.__name__ == "MemoryVectorDB" else "") + prelude
    program += "import sys\nfrom ragterm.cli.main import main\nmain(sys.argv[1:])\n"
    here = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_processes_share_what_is_on_disk(database_class, tmp_path):
    rows = unit_rows(40, 6)
    write_lines(tmp_path / "in.jsonl", rows)
    made = whole_process(database_class, "vec", "init", "--dimensions", 6, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    added = whole_process(database_class, "vec", "add", "--file", "in.jsonl", cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    assert "40 added" in added.stdout
    asked = ("vec", "search", "--vector", json.dumps(rows[11].tolist()), "-k", 1, "--json")
    found = whole_process(database_class, *asked, cwd=tmp_path)
    assert [one["id"] for one in json.loads(found.stdout)["results"]] == ["d11"]
    missing = whole_process(database_class, "vec", "stats", "--db", "elsewhere", cwd=tmp_path)
    assert missing.returncode == 1
    assert missing.stdout == ""
    assert "Traceback" not in missing.stderr


def test_help_imports_nothing_heavy(tmp_path):
    program = "import sys\nfrom ragterm.cli.main import group\n"
    program += "group.main(['vec', '--help'], standalone_mode=False)\nprint('MODULES', *sys.modules)\n"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    text, modules = ended.stdout.rsplit("MODULES", 1)
    assert "benchmark" in text
    assert not set(modules.split()) & {"numpy", "numba", "sqlite3", "pyarrow", "torch"}
