"""`ragterm vec`: making, filling, searching and describing a database, its forms, exit codes and errors.

Every test runs on the plain numpy stand-in and on `VectorDB` itself.
"""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from support.cheap_embedder import CheapEmbedder, vector_of
from support.vec import exact_order, unit_rows, write_lines

from ragterm.cli.vec import fill, find
from ragterm.engine.vectors import execution, inverted_search, searching, warm


def made(ragterm, db, rows, *shape, metadata=None):
    """A database at `db` with `rows` (n, d) under the ids d0, d1, ..."""
    assert ragterm("vec", "init", "--db", db, "--dimensions", rows.shape[1], *shape).code == 0
    file = write_lines(db.parent / f"{db.name}.jsonl", rows, metadata)
    ended = ragterm("vec", "add", "--db", db, "--file", file, "--json")
    assert ended.code == 0, ended.err
    return ended


def test_init_writes_what_it_was_told(vec, tmp_path):
    db = tmp_path / "db"
    shape = ("--metric", "euclidean", "--profile", "compact", "--m", 8, "--ef-construction", 50, "--seed", 3)
    ended = vec("init", "--db", db, "--dimensions", 12, *shape, "--json")
    expected = {
        "dimensions": 12,
        "metric": "euclidean",
        "index": "hnsw",
        "profile": "compact",
        "m": 8,
        "ef_construction": 50,
    }
    expected["seed"] = 3
    assert ended.json == {"db": str(db), **expected}
    found = vec("stats", "--db", db, "--json").json
    assert {name: found[name] for name in expected} == expected
    assert found["total_vectors"] == 0
    assert vec("search", "--db", db, "--vector", json.dumps([1.0] * 12), "--json").json["results"] == []


def test_init_makes_inverted_lists(vec, tmp_path):
    db = tmp_path / "db"
    ended = vec("init", "--db", db, "--dimensions", 12, "--index", "ivf-pq", "--code-bytes", 4, "--lists", 9, "--json")
    expected = {"dimensions": 12, "metric": "cosine", "index": "ivf-pq", "lists": 9, "nprobe": None, "code_bytes": 4}
    assert ended.json == {"db": str(db), **expected, "seed": 1}
    found = vec("stats", "--db", db, "--json").json
    assert {name: found[name] for name in expected} == expected
    said = vec("stats", "--db", db).out
    assert "index ivf-pq, lists 9, nprobe by size, code bytes 4, seed 1" in said
    assert "lists        none yet" in said
    drawn = vec("visualize", "--db", db)
    assert (drawn.code, "has inverted lists (ivf-pq)" in drawn.err) == (1, True)


def test_parameters_of_another_index_are_refused(ragterm, tmp_path):
    rows = unit_rows(30, 4)
    made(ragterm, tmp_path / "graph", rows)
    made(ragterm, tmp_path / "lists", rows, "--index", "ivf-flat")
    question = ("--vector", json.dumps(rows[3].tolist()), "--json")
    for db, option in (("graph", "--nprobe"), ("lists", "--ef")):
        ended = ragterm("vec", "search", "--db", tmp_path / db, *question, option, 4)
        assert ended.code == 2
        assert "has no" in ended.json["error"]["title"]
    asked = ("vec", "init", "--db", tmp_path / "x", "--dimensions", 4)
    for shape in (("--lists", 4), ("--index", "ivf-pq", "--m", 8), ("--index", "ivf-flat", "--code-bytes", 2)):
        assert ragterm(*asked, *shape).code == 2
        assert not (tmp_path / "x").exists()
    assert (
        ragterm("vec", "search", "--db", tmp_path / "lists", *question, "--nprobe", 2).json["results"][0]["id"] == "d3"
    )


@pytest.mark.parametrize("index", ["hnsw", "ivf-pq"])
def test_search_says_what_answered(ragterm, tmp_path, monkeypatch, index):
    """A process that has just begun has no compiled kernels: numpy answers, whatever the database has."""
    monkeypatch.setattr(searching, "EXACT_LIMIT", 20)
    monkeypatch.setattr(searching, "SCAN_LIMIT", 5)
    monkeypatch.setattr(inverted_search, "EXACT_LIMIT", 20)
    monkeypatch.setattr(inverted_search, "SCAN_LIMIT", 5)
    monkeypatch.setattr(warm, "warm", lambda *_: None)
    rows = unit_rows(40, 4)
    made(ragterm, tmp_path / "db", rows, "--index", index, metadata=[{"n": i} for i in range(40)])
    asked = ("vec", "search", "--db", tmp_path / "db", "--vector", json.dumps(rows[3].tolist()), "-k", 2)
    assert ragterm("vec", "stats", "--db", tmp_path / "db", "--json").json["linked"] == 40
    assert ragterm(*asked, "--json").json["index"] == "exact"
    assert " · exact · " in ragterm(*asked).out
    monkeypatch.setattr(execution, "is_warm", lambda *_: True)
    assert ragterm(*asked, "--json").json["index"] == index
    assert f" · {index} · " in ragterm(*asked).out
    few = ragterm(*asked, "--filter", '{"n": {"$lt": 4}}', "--json").json  # a scan is as quick
    assert (few["index"], few["results"][0]["id"]) == ("exact", "d3")
    assert ragterm("vec", "stats", "--db", tmp_path / "db", "--json").json["answers"] == index


def test_init_refuses_what_is_there(vec, tmp_path):
    db = tmp_path / "db"
    assert vec("init", "--db", db, "--dimensions", 3).code == 0
    again = vec("init", "--db", db, "--dimensions", 3)
    assert again.code == 2
    assert "There is a database already" in again.err
    assert f"ragterm vec add --file FILE --db {db}" in again.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    other = vec("init", "--db", tmp_path / "mine")
    assert other.code == 2
    assert "not empty" in other.err


@pytest.mark.parametrize(
    "args",
    [
        ("stats",),
        ("search", "x"),
        ("get", "a"),
        ("delete", "a"),
        ("add", "--file", "x.jsonl"),
        ("visualize",),
        ("export", "x.npy"),
    ],
)
def test_without_a_database_says_how_to_make_one(vec, tmp_path, args):
    ended = vec(*args, "--db", tmp_path / "none")
    assert ended.code == 1
    assert "No vector database" in ended.err
    assert f"ragterm vec init --dimensions 384 --db {tmp_path / 'none'}" in ended.err


def test_the_default_folder_is_vectors(vec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert vec("init", "--dimensions", 4).code == 0
    assert (tmp_path / "vectors" / "items.sqlite").is_file()
    assert "--db" not in vec("init", "--dimensions", 4).err.splitlines()[1].split(",")[0]


def test_search_finds_the_nearest_in_order(ragterm, vec, tmp_path):
    rows = unit_rows(60, 8)
    query = unit_rows(1, 8, seed=9)[0]
    made(ragterm, tmp_path / "db", rows)
    asked = ("search", "--db", tmp_path / "db", "--vector", json.dumps(query.tolist()), "--top-k", 7)
    found = vec(*asked, "--json").json
    order, scores = exact_order(rows, query)
    assert [one["id"] for one in found["results"]] == [f"d{i}" for i in order[:7]]
    assert [one["rank"] for one in found["results"]] == list(range(1, 8))
    assert [one["score"] for one in found["results"]] == pytest.approx(scores[:7].tolist(), abs=1e-3)
    assert found["metric"] == "cosine"
    lines = vec(*asked).out.splitlines()
    assert f"cosine {scores[0]:.4f}  d{order[0]}" in lines[0]


def test_a_vector_from_a_file_is_the_same(ragterm, vec, tmp_path):
    rows = unit_rows(20, 4)
    made(ragterm, tmp_path / "db", rows)
    (tmp_path / "q.json").write_text(json.dumps(rows[3].tolist()))
    from_file = vec("search", "--db", tmp_path / "db", "--vector", f"@{tmp_path / 'q.json'}", "--json").json
    assert from_file["results"][0]["id"] == "d3"
    assert len(from_file["results"]) == 10


def test_filters_limit_the_search(ragterm, vec, tmp_path):
    rows = unit_rows(30, 4)
    metadata = [{"year": 2000 + i, "tag": "even" if i % 2 == 0 else "odd"} for i in range(30)]
    made(ragterm, tmp_path / "db", rows, metadata=metadata)
    wanted = {"year": {"$gte": 2020}, "tag": "even"}
    ended = vec(
        "search",
        "--db",
        tmp_path / "db",
        "--vector",
        json.dumps(rows[0].tolist()),
        "--filter",
        json.dumps(wanted),
        "--json",
    )
    order, _ = exact_order(rows, rows[0])
    expected = [f"d{i}" for i in order if i >= 20 and i % 2 == 0]
    assert [one["id"] for one in ended.json["results"]] == expected
    assert all(one["metadata"]["year"] >= 2020 for one in ended.json["results"])


def test_a_text_is_embedded(ragterm, vec, tmp_path, monkeypatch):
    texts = ["the kiln reaches 1280 degrees", "cobalt turns the glaze blue", "clay dries in two days"]
    made(ragterm, tmp_path / "db", np.stack([vector_of(text) for text in texts]))
    monkeypatch.setattr(find, "model_dimensions", lambda settings: 32)
    asked_of = []
    monkeypatch.setattr(
        find, "text_embedder", lambda settings: asked_of.append(settings.embedding.model) or CheapEmbedder()
    )
    ended = vec("search", "cobalt glaze", "--db", tmp_path / "db", "--model", "some/model", "-k", 1, "--json")
    assert [one["id"] for one in ended.json["results"]] == ["d1"]
    assert asked_of == ["some/model"]


def test_a_model_of_another_dimension_is_refused_before_it_is_loaded(ragterm, vec, tmp_path, monkeypatch):
    made(ragterm, tmp_path / "db", unit_rows(3, 8))
    monkeypatch.setattr(find, "text_embedder", lambda settings: pytest.fail("loaded"))
    ended = vec("search", "cobalt", "--db", tmp_path / "db", "--json")
    assert ended.code == 2
    message = ended.json["error"]["message"]
    assert "all-MiniLM-L6-v2 makes 384" in message
    assert "holds 8" in message


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "Search for a text or for a vector"),
        (("text", "--vector", "[1,2,3]"), "Search for a text or for a vector"),
        (("--vector", "[1,2"), "The vector is not JSON"),
        (("--vector", '["1", 2, 3]'), "not a list of numbers"),
        (("--vector", "[1,2]"), "the vector has 2, the database 3"),
        (("--vector", "@/no/such/file"), "/no/such/file cannot be read"),
        (("--vector", "[1,2,3]", "--filter", "year>3"), "The filter is not JSON"),
        (("--vector", "[1,2,3]", "--filter", "[1]"), "The filter is not an object"),
        (("--vector", "[1,2,3]", "--model", "m"), "--model goes with a text"),
    ],
)
def test_a_search_that_cannot_be_is_one_clear_line(ragterm, vec, tmp_path, args, says):
    made(ragterm, tmp_path / "db", unit_rows(3, 3))
    ended = vec("search", *args, "--db", tmp_path / "db")
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 2
    assert vec("search", *args, "--db", tmp_path / "db", "--json").json["error"]["hint"]


BAD_LINES = [
    "not json",
    '{"vector": [1, 2, 3]}',
    '{"id": "short", "vector": [1, 2]}',
    '{"id": "nan", "vector": [1, NaN, 2]}',
    '{"id": "huge", "vector": [1, 1e300, 2]}',
    '{"id": "texts", "vector": ["1", "2", "3"]}',
    '{"id": "ragged", "vector": [[1], 2, 3]}',
    '{"id": true, "vector": [1, 2, 3]}',
    '{"id": "facts", "vector": [1, 2, 3], "metadata": [1]}',
    "[1, 2, 3]",
    "[" * 100_000,
]


def test_bad_lines_are_named_and_the_rest_is_kept(vec, tmp_path):
    db = tmp_path / "db"
    vec("init", "--db", db, "--dimensions", 3)
    good = ['{"id": "first", "vector": [1, 2, 3]}', "", '{"id": 7, "vector": [3, 2, 1], "metadata": {"a": [1]}}']
    (tmp_path / "in.jsonl").write_text("\n".join([*good, *BAD_LINES]) + "\n")
    ended = vec("add", "--db", db, "--file", tmp_path / "in.jsonl", "--json")
    assert ended.code == 3
    result = ended.json
    assert (result["added"], result["failed"], result["vectors"]) == (2, len(BAD_LINES), 2)
    assert [one["place"] for one in result["failures"]] == [f"line {n}" for n in range(4, 4 + len(BAD_LINES))]
    assert "2 dimensions instead of 3" in result["failures"][2]["error"]
    assert "left out  line 4: " in ended.err
    assert vec("get", "7", "--db", db, "--json").json["metadata"] == {"a": [1]}

    (tmp_path / "worse.jsonl").write_text("\n".join(BAD_LINES))
    worse = vec("add", "--db", db, "--file", tmp_path / "worse.jsonl")
    assert worse.code == 1
    assert "0 added, 11 left out" in worse.out


def test_an_id_that_is_there_is_replaced(ragterm, vec, tmp_path):
    rows = unit_rows(5, 4)
    made(ragterm, tmp_path / "db", rows)
    file = write_lines(tmp_path / "more.jsonl", unit_rows(7, 4, seed=2))
    result = vec("add", "--db", tmp_path / "db", "--file", file, "--json").json
    assert (result["added"], result["replaced"], result["vectors"]) == (2, 5, 7)


def test_ctrl_c_leaves_whole_batches(vec, tmp_path, monkeypatch):
    """Interrupted in the third batch of ten: what is there can be searched, and the same command goes on."""
    db, rows = tmp_path / "db", unit_rows(100, 4)
    vec("init", "--db", db, "--dimensions", 4)
    file = write_lines(tmp_path / "in.jsonl", rows)
    read = fill.read_embeddings
    insert = fill._insert
    batches = []

    def interrupted(database, batch, filled):
        batches.append(len(batch.ids))
        if len(batches) == 3:
            signal.raise_signal(signal.SIGINT)
        return insert(database, batch, filled)

    with monkeypatch.context() as patched:
        patched.setattr(fill, "read_embeddings", lambda *args: read(*args, batch=10))
        patched.setattr(fill, "_insert", interrupted)
        stopped = vec("add", "--db", db, "--file", file, "--json")
    assert stopped.code == 130
    assert stopped.json["cancelled"]
    assert vec("stats", "--db", db, "--json").json["total_vectors"] == 30
    assert (
        vec("search", "--db", db, "--vector", json.dumps(rows[7].tolist()), "--json").json["results"][0]["id"] == "d7"
    )
    again = vec("add", "--db", db, "--file", file, "--json")
    assert (again.json["added"], again.json["replaced"]) == (70, 30)


def test_ctrl_c_while_linking_keeps_every_vector(vec, database_class, tmp_path, monkeypatch):
    db = tmp_path / "db"
    vec("init", "--db", db, "--dimensions", 4)
    file = write_lines(tmp_path / "in.jsonl", unit_rows(30, 4))

    def interrupted(self, progress=None):
        signal.raise_signal(signal.SIGINT)
        progress(0, 30)

    with monkeypatch.context() as patched:
        patched.setattr(database_class, "link", interrupted)
        stopped = vec("add", "--db", db, "--file", file, "--json")
    assert stopped.code == 130
    assert "the index is not finished" in stopped.err
    assert vec("stats", "--db", db, "--json").json["total_vectors"] == 30


def test_stats_counts_and_draws(ragterm, vec, tmp_path):
    made(ragterm, tmp_path / "db", unit_rows(9, 4))
    vec("delete", "d1", "--db", tmp_path / "db")
    found = vec("stats", "--db", tmp_path / "db", "--json").json
    assert {"memory_bytes", "disk_bytes", "layers", "edges", "linked", "ready", "index", "m", "seed"} <= set(found)
    assert found["total_vectors"] == 8
    assert found["deleted_share"] == pytest.approx(found["deleted"] / (8 + found["deleted"]), abs=1e-6)
    text = vec("stats", "--db", tmp_path / "db").out
    assert "8 of 4 dimensions, cosine" in text
    assert "profile fast, M 16, ef_construction 200, seed 1" in text
