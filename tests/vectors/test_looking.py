"""The facade's questions about a graph, on a real store with an embedder that costs nothing: the truth is a sort of all cosines."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from support.cheap_embedder import CheapEmbedder, vector_of
from support.collections_on_disk import put, trace_about
from support.vector_indexes import link_here

from ragterm.engine.collections import Shelf
from ragterm.engine.looking import GraphQuestions
from ragterm.engine.types.errors import NotFoundError

WORDS = [
    "kettle",
    "warranty",
    "refund",
    "lid",
    "limescale",
    "thermostat",
    "repair",
    "shipping",
    "Aarhus",
    "price",
    "plan",
    "month",
    "seat",
    "invoice",
    "customer",
    "day",
]
QUESTION = "refund of the kettle"


class Desk(GraphQuestions):
    def __init__(self, shelf):
        self._shelf = shelf


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """For tests that only look at it."""
    embedder = CheapEmbedder()
    shelf = Shelf(tmp_path_factory.mktemp("desk"), SimpleNamespace(embedder=lambda: embedder))
    store = shelf.get("default", create=True).store
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(WORDS, 6)) for _ in range(70)]
    lines[40] = lines[41]
    put(store, "handbook", "\n".join(lines))
    for number in range(4):
        about = trace_about(store, "id-handbook", f"t{number}", f"2026-01-0{number + 1}T00:00:00+00:00")
        asked = WORDS[number % 3]
        store.traces.save(replace(about, question=f"{asked}?", query=asked))
    link_here(shelf.get("default").fresh()[0])
    yield Desk(shelf)
    shelf.close()


def truth(desk, question):
    chunks = desk._shelf.get("default").store.chunks.of_document("id-handbook")
    query = vector_of(question).astype(np.float64)
    cosines = {chunk.key: float(vector_of(chunk.embedding_text).astype(np.float64) @ query) for chunk in chunks}
    return sorted(cosines, key=lambda key: (-cosines[key], key)), cosines


def test_every_miss_of_the_real_graph_is_explained(desk):
    order, cosines = truth(desk, QUESTION)
    told = desk.explain(QUESTION, k=5, ef=5)
    assert [key for key, _ in told.walk.exact] == order[:5]
    assert {miss.key for miss in told.misses} == {key for _, key, _ in told.walk.missed}
    for miss in told.misses:
        assert miss.cosine == pytest.approx(cosines[miss.key], abs=1e-6)
        assert miss.key in {key for key, _ in desk.walk(QUESTION, k=5, ef=miss.smallest_ef).results}


def test_a_chunk_is_told_its_true_rank(desk):
    order, cosines = truth(desk, QUESTION)
    standing = desk.standing(QUESTION, order[29])
    assert (standing.rank, standing.nodes) == (30, 70)
    assert standing.cosine == pytest.approx(cosines[order[29]], abs=1e-6)
    assert desk.standing(QUESTION, 10**9) is None


def test_recall_is_over_the_different_questions_that_were_asked(desk):
    report = desk.recall(k=5, ef=70)
    assert (report.k, report.ef, report.questions) == (5, 70, 3)
    assert report.recall == 1
    assert desk.recall(k=5, ef=70, questions=2).questions == 2
    low = desk.recall(k=5, ef=5)
    walks = [desk.walk(word, k=5, ef=5) for word in WORDS[:3]]
    assert low.recall == pytest.approx(sum(walk.recall for walk in walks) / 3)


def test_health_finds_the_passage_that_is_there_twice(desk):
    health = desk.graph_health()
    lines = [chunk.text for chunk in desk._shelf.get("default").store.chunks.of_document("id-handbook")]
    keys = [chunk.key for chunk in desk._shelf.get("default").store.chunks.of_document("id-handbook")]
    assert (health.level, health.nodes, health.unreachable_count) == (0, 70, 0)
    twins = {frozenset((a, b)) for a, b, _ in health.duplicates}
    assert frozenset((keys[lines.index(lines[40])], keys[41])) in twins


def test_the_map_is_written_with_labels_from_the_chunks(desk, tmp_path):
    layer = desk.layer_map()
    path = desk.save_map(tmp_path / "maps" / "a.svg", layer, desk.walk(QUESTION, k=5))
    root = ElementTree.parse(path).getroot()
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    found = desk.walk(QUESTION, k=5).results[0][0]
    (label,) = desk.labels([found, -5]).values()
    assert any(text.rstrip("…") == label[: len(text.rstrip("…"))] for text in texts if len(text) > 10)
    part = desk.save_map(tmp_path / "maps" / "a.dot", layer, None, (0.0, 0.0, 0.5, 0.5)).read_text()
    inside = {key for key, (x, y) in zip(layer.keys, layer.positions, strict=True) if x <= 0.5 and y <= 0.5}
    assert all((f'"{key}" [' in part) == (key in inside) for key in layer.keys)


def test_lessons_need_no_collection_and_the_rest_names_the_one_that_is_missing(desk):
    assert len(desk.lessons()) == 4
    with pytest.raises(NotFoundError):
        desk.recall("nobody")
