"""Both keepers of items against a list of rows and a dict."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.types.errors import NotFoundError, StoreError, UsageError
from ragterm.engine.vectors.item_rows import IdTable, ItemRows, Mark
from ragterm.engine.vectors.item_store import ItemStore
from ragterm.engine.vectors.items import Block
from ragterm.engine.vectors.memory_items import MemoryItems

IDS = st.sampled_from(["a", "b", "c", "", "ü", "\ud800", "a\x00b", "longer id"])
ITEMS = st.sampled_from([None, {}, {"n": 1}, {"t": ["x", {"y": None}]}, {"s": "\ud800"}])
STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(st.tuples(IDS, ITEMS), max_size=4)),
    st.tuples(st.just("remove"), st.lists(IDS, max_size=3)),
    st.tuples(st.just("edit"), IDS, ITEMS),
    st.tuples(st.just("look"), st.just(0)),
    st.tuples(st.just("reopen"), st.just(0)),
)


class Model:
    """Every row ever given out: [id, metadata, alive]."""

    def __init__(self):
        self.rows: list[list] = []

    def row_of(self, doc_id):
        live = [row for row, (name, _, alive) in enumerate(self.rows) if alive and name == doc_id]
        assert len(live) <= 1
        return live[0] if live else None

    def append(self, pairs):
        for doc_id, item in pairs:
            before = self.row_of(doc_id)
            if before is not None:
                self.rows[before][2] = False
            self.rows.append([doc_id, item or {}, True])


def agree(items, model):
    alive = [row for row, (_, _, lives) in enumerate(model.rows) if lives]
    assert np.flatnonzero(items.alive()).tolist() == alive
    assert len(items.alive()) == items.mark.rows == len(model.rows)
    assert len(items) == len(alive)
    assert items.ids_of(range(len(model.rows))) == [row[0] for row in model.rows]
    assert items.metadata_between(0, len(model.rows)) == [row[1] for row in model.rows]
    assert items.all_ids() == [model.rows[row][0] for row in alive]
    every = ["a", "b", "c", "", "ü", "\ud800", "a\x00b", "longer id", "never"]
    expected = [model.row_of(doc_id) for doc_id in every]
    assert [items.row_of(doc_id) for doc_id in every] == expected
    assert items.rows_of(every).tolist() == [-1 if row is None else row for row in expected]


@pytest.mark.parametrize("kind", ["file", "memory"])
@given(steps=st.lists(STEPS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_rows_are_what_a_list_of_rows_says(kind, steps):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.sqlite"
        items = ItemStore(path, {"dimensions": 3}) if kind == "file" else MemoryItems({"dimensions": 3})
        model, mark, seen, edited = Model(), Mark(0, 0), Model(), set()
        for name, given_, *rest in steps:
            generation = items.generation
            if name == "append":
                first = items.append([doc_id for doc_id, _ in given_], [item for _, item in given_])
                assert first == len(model.rows)
                model.append(given_)
                assert items.generation == generation + bool(given_)
            elif name == "remove" and all(model.row_of(doc_id) is not None for doc_id in given_):
                rows = sorted({model.row_of(doc_id) for doc_id in given_})
                assert items.remove(given_).tolist() == rows
                for row in rows:
                    model.rows[row][2] = False
            elif name == "remove":
                with pytest.raises(NotFoundError):
                    items.remove(given_)
                assert items.generation == generation
            elif name == "edit" and model.row_of(given_) is not None:
                row = items.set_metadata(given_, rest[0])
                assert row == model.row_of(given_)
                model.rows[row][1] = rest[0] or {}
                edited.add(row)
            elif name == "edit":
                with pytest.raises(NotFoundError):
                    items.set_metadata(given_, rest[0])
            elif name == "look":
                changes = items.refresh(mark)
                assert list(changes.new) == list(range(len(seen.rows), len(model.rows)))
                dead = [
                    r for r, row in enumerate(model.rows) if not row[2] and (r >= len(seen.rows) or seen.rows[r][2])
                ]
                assert changes.removed.tolist() == dead
                assert changes.edited.tolist() == sorted(edited)
                mark, edited = changes.mark, set()
                seen.rows = [list(row) for row in model.rows]
            elif kind == "file":
                items.close()
                items = ItemStore(path)
            agree(items, model)
        assert items.parameters == {"dimensions": 3}
        items.close()


@pytest.fixture(params=["file", "memory"])
def items(request, tmp_path):
    store = ItemStore(tmp_path / "items.sqlite", {"m": 16}) if request.param == "file" else MemoryItems({"m": 16})
    yield store
    store.close()


def test_a_batch_that_cannot_be_kept_changes_nothing(items):
    items.append(["a"], [{"n": 1}])
    mark = items.mark
    for ids, metadata in ((["b", 3], None), (["a", "b"], [None, {"x": {1}}]), (["a", "b"], [None])):
        with pytest.raises(UsageError):
            items.append(ids, metadata)
    assert items.mark == mark and items.all_ids() == ["a"] and items.metadata_of(0) == {"n": 1}
    with pytest.raises(NotFoundError):
        items.metadata_of(1)


def test_parameters_are_added_to(items):
    items.set_parameters({"limit": 0.25, "m": 8, "none": None})
    assert items.parameters == {"m": 8, "limit": 0.25, "none": None}
    assert items.generation == 1


def test_what_was_given_out_does_not_change(items):
    item = {"tags": ["a"]}
    items.append(["a", "b"], [item, None])
    alive = items.alive()
    item["tags"].append("b")
    items.metadata_of(np.int64(0))["tags"].append("c")
    items.remove(["a"])
    items.append([f"n{i}" for i in range(500)])
    assert alive.tolist() == [True, True]
    assert items.metadata_of(0) == {"tags": ["a"]}
    with pytest.raises(ValueError, match="read-only"):
        alive[0] = False


def test_writing_is_one_commit_or_none(tmp_path):
    items = ItemStore(tmp_path / "items.sqlite", {})
    other = ItemStore(tmp_path / "items.sqlite")
    with items.writing() as before:
        assert before == Mark(0, 0)
        assert items.append(["a"]) == 0 and items.append(["b"]) == 1
        assert items.row_of("b") == 1 and other.row_of("b") is None
        items.remove(["a"])
    assert items.mark == Mark(1, 2) and items.all_ids() == ["b"]
    with pytest.raises(RuntimeError), items.writing():
        items.append(["c"])
        items.remove(["b"])
        raise RuntimeError
    assert items.mark == Mark(1, 2) and items.all_ids() == ["b"]
    with items.writing() as before:
        assert before == Mark(1, 2)
    assert items.generation == 1
    items.close()
    other.close()


def test_one_follows_the_other(tmp_path):
    writer = ItemStore(tmp_path / "items.sqlite", {})
    reader = ItemStore(tmp_path / "items.sqlite")
    writer.append(["a", "b"], [{"n": 1}, None])
    assert reader.changed_elsewhere() and reader.changed_elsewhere() and not writer.changed_elsewhere()
    assert reader.mark == Mark(0, 0) and len(reader) == 0
    changes = reader.refresh(reader.mark)
    assert (list(changes.new), changes.removed.tolist(), changes.mark) == ([0, 1], [], Mark(1, 2))
    assert not reader.changed_elsewhere()
    reader.append(["a"])
    assert writer.changed_elsewhere() and not reader.changed_elsewhere()
    # A writer that has not looked knows the rows of the other one all the same.
    assert writer.append(["c"]) == 3
    changes = writer.refresh(Mark(1, 2))
    assert (list(changes.new), changes.removed.tolist(), changes.mark) == ([2, 3], [0], Mark(3, 4))
    writer.set_metadata("b", {"n": 2})
    changes = reader.refresh(Mark(3, 4))
    assert (list(changes.new), changes.removed.tolist(), changes.edited.tolist()) == ([], [], [1])
    assert reader.all_ids() == ["b", "a", "c"] and reader.metadata_of(1) == {"n": 2}
    writer.remove(["b"])  # a mark that is ahead of what this store knows
    assert reader.refresh(writer.mark).removed.tolist() == []
    assert reader.all_ids() == ["a", "c"]
    writer.set_parameters({"m": 4})
    reader.refresh()
    assert reader.parameters == {"m": 4}
    writer.close()
    reader.close()


def test_a_writer_that_does_not_finish_is_named(tmp_path):
    one = ItemStore(tmp_path / "items.sqlite", {})
    two = ItemStore(tmp_path / "items.sqlite", busy_seconds=0.05)
    with one.writing():
        with pytest.raises(StoreError, match="busy"):
            two.append(["b"])
        one.append(["a"])
        with pytest.raises(StoreError, match="busy"):
            two.append(["b"])
        assert two.row_of("a") is None  # reading does not wait
    assert two.append(["b"]) == 1
    one.close()
    two.close()


def test_threads_of_one_process_take_turns(items):
    def add(number: int) -> None:
        for i in range(20):
            items.append([f"{number}-{i}", "shared"])

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert items.mark == Mark(80, 160) and len(items) == 81
    assert sorted(items.all_ids()) == sorted([f"{n}-{i}" for n in range(4) for i in range(20)] + ["shared"])
    rows = items.rows_of([f"{n}-{i}" for n in range(4) for i in range(20)])
    assert items.ids_of(rows) == [f"{n}-{i}" for n in range(4) for i in range(20)]


def test_checksums_are_committed_with_the_rows(tmp_path):
    items = ItemStore(tmp_path / "items.sqlite", {})
    items.append(["a"], blocks=[Block(0, 1, 5)])
    with pytest.raises(RuntimeError), items.writing():
        items.append(["b"], blocks=[Block(0, 2, 2**32 - 1)])
        raise RuntimeError
    assert items.checksums() == (1, [Block(0, 1, 5)]) and items.block(0) == Block(0, 1, 5)
    items.append(["b"], blocks=[Block(0, 1024, 2**32 - 1), Block(1, 1, 7)])
    items.close()
    items = ItemStore(tmp_path / "items.sqlite")
    assert items.checksums() == (2, [Block(0, 1024, 2**32 - 1), Block(1, 1, 7)]) and items.block(2) is None
    items.close()


def test_files_that_are_none_of_ours(tmp_path):
    path = tmp_path / "items.sqlite"
    with pytest.raises(StoreError, match="no vector database"):
        ItemStore(path)
    assert not path.exists()
    path.write_bytes(b"")  # its maker was killed
    with pytest.raises(StoreError, match="no vector database"):
        ItemStore(path)
    ItemStore(path, {}).close()
    with pytest.raises(StoreError, match="already"):
        ItemStore(path, {})
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreError, match="version 2"):
        ItemStore(path)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.commit()
    connection.close()
    for parameters in (None, {}):
        with pytest.raises(StoreError):
            ItemStore(path, parameters)
    path.write_bytes(b"no SQLite at all" * 100)
    with pytest.raises(StoreError, match="damaged"):
        ItemStore(path)
    with pytest.raises(StoreError, match="cannot be written"):
        ItemStore(tmp_path / "nowhere" / "items.sqlite", {})


def test_a_closed_one_says_so(tmp_path):
    items = ItemStore(tmp_path / "items.sqlite", {})
    items.close()
    for call in (lambda: items.append(["a"]), lambda: items.row_of("a"), items.refresh, items.changed_elsewhere):
        with pytest.raises(StoreError, match="closed"):
            call()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
@settings(deadline=None)
def test_the_table_of_ids_is_a_dict(steps):
    rows = ItemRows()
    table, model = IdTable(rows), {}
    for adds, number in steps:
        name = b"%d" % number
        if adds:
            rows.append([name])
            assert table.put(name, len(rows) - 1) == model.get(name)
            model[name] = len(rows) - 1
        else:
            assert table.drop(name) == model.pop(name, None)
        assert all(table.find(b"%d" % n) == model.get(b"%d" % n) for n in range(31))


def test_the_table_of_ids_grows_and_stays_small():
    rows = ItemRows()
    table = IdTable(rows)
    names = [b"doc_%d" % i for i in range(5000)]
    rows.append(names)
    for row, name in enumerate(names):
        assert table.put(name, row) is None
    assert [table.find(name) for name in names] == list(range(5000))
    for _ in range(6):  # what was dropped leaves room
        dropped, names = names, [name + b"'" for name in names]
        first = len(rows)
        rows.append(names)
        for i, name in enumerate(names):
            assert table.drop(dropped[i]) is not None
            assert table.put(name, first + i) is None
    assert [table.find(name) for name in names] == list(range(first, first + 5000))
    assert table.memory_bytes <= 16 * 5000
