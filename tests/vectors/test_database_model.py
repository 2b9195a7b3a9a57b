"""`VectorDB` against a dictionary, after any sequence of calls: in memory and in a folder, by numpy and by interpreted kernels,
with a graph and with inverted lists."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.vector_model import FILTERS, Model
from support.vector_truth import METRICS

from ragterm import VectorDB
from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError
from ragterm.engine.vectors import execution, inverted_search, upkeep
from ragterm.engine.vectors.check import check_graph
from ragterm.engine.vectors.inverted_lists import check_lists

DIMENSIONS = 5
ids = st.sampled_from([f"id {i}" for i in range(12)] + ["ключ\n\ud800", ""])
vectors = st.lists(st.integers(-3, 3), min_size=DIMENSIONS, max_size=DIMENSIONS).map(
    lambda numbers: np.array(numbers, dtype=np.float32)
)
metadata = st.none() | st.fixed_dictionaries(
    {}, optional={"year": st.integers(2018, 2024), "tag": st.sampled_from(["a", "b", "c"]), "n": st.none()}
)


class Machine(RuleBasedStateMachine):
    on_disk = False
    shapes = ({"m": 3, "ef_construction": 8},)

    @initialize(metric=st.sampled_from(METRICS), by_kernels=st.booleans(), which=st.integers(0, 1))
    def begin(self, metric, by_kernels, which):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(execution, "is_warm", lambda *_: by_kernels)
        self.patch.setattr(upkeep.warm, "warm", lambda *_: None)
        # All lists are looked into: what is in none is missed.
        self.patch.setattr(inverted_search, "EXACT_LIMIT", 2)
        self.patch.setattr(inverted_search, "FEWEST_A_LIST", 1)
        self.home = Path(tempfile.mkdtemp())
        self.copies = 0
        self.model = Model(metric)
        self.path = self.home / "db" if self.on_disk else None
        self.db = VectorDB(DIMENSIONS, metric, **self.shapes[which % len(self.shapes)], path=self.path)

    @rule(doc_id=ids, vector=vectors, facts=metadata)
    def insert(self, doc_id, vector, facts):
        self.db.insert(doc_id, vector, facts)
        self.model.put(doc_id, vector, facts)

    @rule(items=st.lists(st.tuples(ids, vectors, metadata), max_size=12), shape=st.integers(0, 2))
    def insert_batch(self, items, shape):
        if shape == 0:
            self.db.insert_batch(items)
        elif shape == 1:
            self.db.insert_batch(iter([item[:2] for item in items]))
            items = [(doc_id, vector, None) for doc_id, vector, _ in items]
        else:
            array = np.array([item[1] for item in items]).reshape(len(items), DIMENSIONS)
            self.db.insert_batch([item[0] for item in items], array, [item[2] for item in items])
        for item in items:
            self.model.put(*item)

    @rule(doc_id=ids, vector=st.none() | vectors, facts=metadata)
    def update(self, doc_id, vector, facts):
        if doc_id not in self.model.items:
            with pytest.raises(NotFoundError):
                self.db.update(doc_id, vector, facts)
            return
        self.db.update(doc_id, vector, facts)
        before, known = self.model.items[doc_id]
        if vector is not None:
            self.model.put(doc_id, vector, known if facts is None else facts)
        elif facts is not None:
            self.model.items[doc_id] = (before, dict(facts))

    @rule(doc_id=ids)
    def delete(self, doc_id):
        if doc_id not in self.model.items:
            with pytest.raises(NotFoundError):
                self.db.delete(doc_id)
            return
        self.db.delete(doc_id)
        del self.model.items[doc_id]

    @rule(items=st.lists(st.tuples(ids, vectors), min_size=1, max_size=3), where=st.integers(0, 2))
    def a_bad_batch_changes_nothing(self, items, where):
        bad = [(1, items[0][1]), ("x", [np.nan] * DIMENSIONS), ("x", [1.0])][where]
        with pytest.raises(UsageError):
            self.db.insert_batch([*items, bad])

    @rule(query=vectors, k=st.integers(0, 15), which=st.none() | st.sampled_from(range(len(FILTERS))))
    def search(self, query, k, which):
        given, test = (None, lambda m: True) if which is None else FILTERS[which]
        self.model.check_hits(self.db.search(query, k, given), query, k, test)

    @rule()
    def link(self):
        self.db.link()
        if self.db.get_stats()["index"] != "hnsw":
            state = self.db._index.state
            assert check_lists(state.lists.lists, len(state.vectors)) == []
            assert self.db.get_stats()["linked"] == len(state.vectors) or not state.live
            return
        graph = self.db._index.graph
        assert graph is not None and check_graph(graph) == []
        assert (graph.levels[self.db._index.alive] >= 0).all()

    @precondition(lambda self: self.on_disk)
    @rule()
    def save(self):
        self.db.save()

    @precondition(lambda self: self.on_disk)
    @rule()
    def reopen(self):
        self.db.close()
        self.db = VectorDB.open(self.path)

    @rule(query=vectors)
    def copy(self, query):
        path = self.home / f"copy {self.copies}"
        self.copies += 1
        self.db.save(path)
        with VectorDB.open(path) as copied:
            self.model.check(copied, np.array([query]))
        with pytest.raises(StoreError):
            self.db.save(path)

    @rule(query=vectors)
    def everything(self, query):
        self.model.check(self.db, np.array([query]))

    def teardown(self):
        if hasattr(self, "db"):
            self.model.check(self.db, np.eye(DIMENSIONS, dtype=np.float32)[:2])
            self.db.close()
            self.patch.undo()
            shutil.rmtree(self.home)


class DiskMachine(Machine):
    on_disk = True


class ListsMachine(Machine):
    shapes = (
        {"index": "ivf-flat", "lists": 3, "nprobe": 3},
        {"index": "ivf-pq", "lists": 3, "nprobe": 3, "code_bytes": 5},
    )


class ListsOnDiskMachine(ListsMachine):
    on_disk = True


quick = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
TestInMemory = Machine.TestCase
TestInMemory.settings = settings(max_examples=20, stateful_step_count=25, **quick)
TestOnDisk = DiskMachine.TestCase
TestOnDisk.settings = settings(max_examples=15, stateful_step_count=20, **quick)
TestListsInMemory = ListsMachine.TestCase
TestListsInMemory.settings = settings(max_examples=12, stateful_step_count=20, **quick)
TestListsOnDisk = ListsOnDiskMachine.TestCase
TestListsOnDisk.settings = settings(max_examples=10, stateful_step_count=20, **quick)
