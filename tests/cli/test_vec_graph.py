"""`ragterm vec benchmark` and `ragterm vec visualize`."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import types
from xml.etree import ElementTree

import numpy as np
import pytest
from support.vec import unit_rows, write_lines

from ragterm.cli.vec import peers

NUMBERS = ("mean_us", "p50_us", "p99_us", "thread_us", "queries_per_second")


def engines(report):
    return {(row["engine"], row["ef"]): row for row in report["engines"]}


def test_made_up_vectors_are_measured_and_said_to_be_made_up(vec, database_class, tmp_path):
    asked = ("benchmark", "--db", tmp_path / "none", "--vectors", 300, "--queries", 12, "--dimensions", 8)
    ended = vec(*asked, "--ef", 20, "--ef", 40, "--passes", 2, "--json")
    assert ended.code == 0, ended.err
    report = ended.json
    assert report["synthetic"]
    assert "not real embeddings" in report["data"]
    assert (report["vectors"], report["queries"], report["dimensions"]) == (300, 12, 8)
    rows = engines(report)
    expected = {("numpy brute force", None)}
    if "exact" in inspect.signature(database_class.search).parameters:
        expected.add(("VectorDB exact", None))
    graph = {("VectorDB hnsw", 20), ("VectorDB hnsw", 40)}
    scan = {("VectorDB search", None)}  # a small collection is scanned whatever ef says
    assert set(rows) - expected in (graph, scan)
    assert ("change nothing" in ended.err) == (set(rows) - expected == scan)
    for key in expected:
        assert rows[key]["recall@10"] == 1.0
    assert all(row[name] > 0 for row in rows.values() for name in NUMBERS)
    assert rows["numpy brute force", None]["bytes_per_vector"] == 32

    text = vec(*asked, "--ef", 20, "--passes", 1).out
    assert "made-up vectors in clusters" in text.splitlines()[0]
    assert "recall@10" in text
    assert "numpy brute force" in text


def test_own_vectors_are_measured_with_held_out_queries(vec, database_class, tmp_path, monkeypatch):
    """The queries come from the file and none of them is in the collection that is searched."""
    rows = unit_rows(80, 6)
    file = write_lines(tmp_path / "own.jsonl", rows)
    inserted, asked = [], []
    insert, search = database_class.insert_batch, database_class.search

    def watched_insert(self, items, vectors=None, metadata=None):
        inserted.append(np.asarray(vectors))
        return insert(self, items, vectors, metadata)

    def watched_search(self, query, *args, **given):
        asked.append(np.asarray(query))
        return search(self, query, *args, **given)

    watched_search.__signature__ = inspect.signature(search)
    monkeypatch.setattr(database_class, "insert_batch", watched_insert)
    monkeypatch.setattr(database_class, "search", watched_search)
    asked_for = ("benchmark", "--file", file, "--db", tmp_path / "none", "--queries", 5, "--ef", 10, "--passes", 1)
    report = vec(*asked_for, "--metric", "euclidean", "--json").json
    assert not report["synthetic"]
    assert (report["vectors"], report["queries"], report["metric"]) == (75, 5, "euclidean")
    collection = {row.tobytes() for row in np.concatenate(inserted)}
    queries = {query.tobytes() for query in asked}
    assert len(queries) == 5
    assert not collection & queries
    assert collection | queries == {row.tobytes() for row in rows}


def test_the_database_is_measured_with_its_own_parameters(vec, tmp_path):
    file = write_lines(tmp_path / "in.jsonl", unit_rows(60, 5))
    vec("import", file, "--db", tmp_path / "db", "--metric", "dot", "--m", 7)
    report = vec("benchmark", "--db", tmp_path / "db", "--ef", 16, "--passes", 1, "--json").json
    assert (report["vectors"], report["queries"], report["metric"], report["m"]) == (54, 6, "dot", 7)
    assert not report["synthetic"]
    assert vec("stats", "--db", tmp_path / "db", "--json").json["total_vectors"] == 60


def test_too_few_vectors_cannot_be_measured(vec, tmp_path):
    file = write_lines(tmp_path / "in.jsonl", unit_rows(9, 5))
    ended = vec("benchmark", "--file", file, "--db", tmp_path / "none")
    assert ended.code == 2
    assert "Too few vectors" in ended.err
    both = vec("benchmark", "--file", file, "--synthetic")
    assert both.code == 2
    assert "--file or --synthetic" in both.err


def test_peers_are_measured_where_they_are_installed(vec, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "installed", list)
    asked = ("benchmark", "--db", tmp_path / "none", "--vectors", 200, "--queries", 5, "--dimensions", 6, "--ef", 64)
    alone = vec(*asked, "--passes", 1, "--peers", "--json")
    assert alone.code == 0
    for package in ("hnswlib", "faiss-cpu", "usearch"):
        assert f"pip install {package}" in alone.err
    assert "hnswlib" not in {row["engine"] for row in alone.json["engines"]}


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("name", list(peers.PEERS))
def test_a_peer_finds_what_is_nearest(name, metric):
    pytest.importorskip(name)
    rows = unit_rows(150, 8) * np.linspace(1, 2, 150, dtype=np.float32)[:, np.newaxis]
    query = unit_rows(1, 8, seed=4)[0]
    a, b = rows.astype(np.float64), query.astype(np.float64)
    scores = {"dot": a @ b, "cosine": a @ b / np.linalg.norm(a, axis=1), "euclidean": -np.linalg.norm(a - b, axis=1)}
    peer = peers.build(name, rows, metric, 16, 100)
    assert [int(row) for row in peer.search(query, 3, 150)] == np.argsort(-scores[metric])[:3].tolist()
    assert peer.seconds > 0


@pytest.fixture
def drawing(monkeypatch):
    """The module that draws; until it is there, a few lines in its place."""
    if importlib.util.find_spec("ragterm.engine.vectors.drawing") is not None:
        return
    module = types.ModuleType("ragterm.engine.vectors.drawing")
    module.layer_dot = lambda layer, labels: "graph layer_0 {\n" + "\n".join(labels.values()) + "\n}\n"
    module.layer_svg = lambda layer, labels: (
        "<svg xmlns='http://www.w3.org/2000/svg'>" + "<g/>" * len(layer.keys) + "</svg>"
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def layered(vec, tmp_path):
    """A database with 40 vectors that has a graph."""
    file = write_lines(tmp_path / "in.jsonl", unit_rows(40, 5))
    assert vec("import", file, "--db", tmp_path / "db", "--m", 4).code == 0
    return tmp_path / "db"


def test_a_layer_is_drawn_as_dot(vec, layered, drawing, tmp_path):
    ended = vec("visualize", "--db", layered, "--max-nodes", 12, "--output", tmp_path / "graph.dot")
    assert ended.code == 0, ended.err
    text = (tmp_path / "graph.dot").read_text(encoding="utf-8")
    assert text.startswith("graph ")
    assert sum(f"d{i}" in text for i in range(40)) >= 12
    assert "layer 0, 12 of 40 nodes" in ended.out
    to_stdout = vec("visualize", "--db", layered, "--max-nodes", 12)
    assert to_stdout.out.strip() == text.strip()


def test_a_layer_is_drawn_as_svg(vec, layered, drawing, tmp_path):
    assert vec("visualize", "--db", layered, "--output", tmp_path / "graph.svg").code == 0
    root = ElementTree.fromstring((tmp_path / "graph.svg").read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{http://www.w3.org/2000/svg}g")) >= 40


def test_a_layer_is_drawn_as_png(vec, layered, tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    assert vec("visualize", "--db", layered, "--output", tmp_path / "graph.png").code == 0
    with image.open(tmp_path / "graph.png") as drawn:
        assert drawn.size == (1200, 1200)
        colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 24)}
    assert {(255, 255, 255), (38, 98, 175), (170, 180, 195)} <= colours
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    ended = vec("visualize", "--db", layered, "--output", tmp_path / "again.png")
    assert ended.code == 1
    assert "pip install pillow" in ended.err


def test_a_layer_as_json(vec, layered):
    layer = vec("visualize", "--db", layered, "--max-nodes", 20, "--json").json
    assert len(layer["nodes"]) == 20
    assert layer["sampled_from"] == 40
    names = {node["id"] for node in layer["nodes"]}
    assert names <= {f"d{i}" for i in range(40)}
    assert layer["edges"]
    assert all(a in names and b in names for a, b in layer["edges"])
    assert all(0 <= node["x"] <= 1 and 0 <= node["y"] <= 1 for node in layer["nodes"])


def test_what_cannot_be_drawn_is_one_clear_line(vec, layered, drawing, tmp_path):
    none = vec("visualize", "--db", layered, "--layer", 9)
    assert none.code == 1
    assert "No layer 9: the graph has the layers 0 to" in none.err
    kind = vec("visualize", "--db", layered, "--output", "graph.pdf")
    assert kind.code == 2
    assert ".dot, .svg, .png" in kind.err
    nowhere = vec("visualize", "--db", layered, "--output", tmp_path / "no" / "graph.dot")
    assert nowhere.code == 1
    assert "cannot be written" in nowhere.err
    vec("init", "--db", tmp_path / "empty", "--dimensions", 3)
    empty = vec("visualize", "--db", tmp_path / "empty", "--json")
    assert empty.code == 1
    error = json.loads(empty.out)["error"]
    assert error["title"] == "No graph"
    assert "ragterm vec add --file FILE" in error["hint"]
