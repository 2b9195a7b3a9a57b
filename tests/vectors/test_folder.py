"""The folder of a database: what was inserted is there bit for bit, what is damaged is found."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.types.errors import StoreError, UsageError
from ragterm.engine.vectors.folder import DatabaseFolder
from ragterm.engine.vectors.items import Block
from ragterm.engine.vectors.vectors_file import BLOCK_ROWS, HEADER_BYTES, VectorFile


def rows(count: int, dimensions: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


def bits(array: np.ndarray) -> list:
    return array.view(np.uint32).tolist()


def stored_rows(path: Path, count: int, dimensions: int) -> np.ndarray:
    """The independent reading of the file."""
    return np.fromfile(path / "vectors.f32", dtype="<f4", offset=64)[: count * dimensions].reshape(count, dimensions)


@given(sizes=st.lists(st.one_of(st.integers(0, 5), st.sampled_from([1000, 1023, 1024, 1025, 2100])), max_size=6))
@settings(max_examples=25, deadline=None)
def test_every_row_comes_back_with_its_checksum(sizes):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "new" / "db"
        folder = DatabaseFolder.create(path, 4, {"metric": "dot"})
        other = DatabaseFolder.open(path)
        everything = rows(sum(sizes))
        early, done = folder.vectors(), 0
        for size in sizes:
            part = everything[done : done + size]
            assert folder.insert([f"n{done + i}" for i in range(size)], part) == done
            done += size
            assert bits(folder.vectors()) == bits(everything[:done])
            other.items.refresh()
            assert bits(other.vectors()) == bits(everything[:done])
        count, blocks = folder.items.checksums()
        pieces = [everything[i : i + 1024] for i in range(0, done, 1024)]
        assert count == done
        assert blocks == [Block(i, len(piece), zlib.crc32(piece.tobytes())) for i, piece in enumerate(pieces)]
        assert folder.verify() == other.verify() == []
        folder.close()
        other.close()
        assert len(early) == 0
        again = DatabaseFolder.open(path)
        assert (again.dimensions, again.items.parameters["metric"]) == (4, "dot")
        assert bits(again.vectors()) == bits(stored_rows(path, done, 4)) == bits(everything)
        again.close()


def test_what_a_dead_writer_left_is_written_over(tmp_path):
    folder = DatabaseFolder.create(tmp_path, 4, {})
    folder.insert(["a"], rows(1))
    with pytest.raises(RuntimeError), folder.writing():
        folder.insert(["b", "c"], rows(2, seed=1))
        raise RuntimeError
    with pytest.raises(UsageError):  # seen when the vectors are in the file already
        folder.insert(["b"], rows(1, seed=2), [{"x": {1}}])
    assert folder.items.all_ids() == ["a"] and folder.verify() == []
    assert folder.insert(["d"], rows(1, seed=3)) == 1
    assert bits(folder.vectors()) == bits(np.concatenate([rows(1), rows(1, seed=3)]))
    assert folder.verify() == []
    folder.close()


def test_several_inserts_in_one_commit(tmp_path):
    folder = DatabaseFolder.create(tmp_path, 4, {})
    with folder.writing() as before:
        assert before == (0, 0)
        assert [folder.insert([f"n{i}"], rows(1, seed=i)) for i in range(3)] == [0, 1, 2]
    assert folder.items.mark == (1, 3) and folder.verify() == []
    assert bits(folder.vector(2)) == bits(rows(1, seed=2)[0])
    folder.close()


def test_every_flipped_byte_is_found_in_its_block(tmp_path):
    folder = DatabaseFolder.create(tmp_path, 4, {})
    folder.insert([f"n{i}" for i in range(2500)], rows(2500))
    file = tmp_path / "vectors.f32"
    rng = np.random.default_rng(1)
    for offset in [0, 1024 * 16 - 1, 1024 * 16, 2500 * 16 - 1, *rng.integers(0, 2500 * 16, 20).tolist()]:
        before = file.read_bytes()
        damaged = bytearray(before)
        damaged[HEADER_BYTES + offset] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        assert folder.verify() == [offset // 16 // BLOCK_ROWS]
        file.write_bytes(before)
        assert folder.verify() == []
    behind = bytearray(before)
    behind[HEADER_BYTES + 2500 * 16] ^= 1  # no committed row: nothing is wrong
    file.write_bytes(behind)
    assert folder.verify() == []
    file.write_bytes(behind[: HEADER_BYTES + 1500 * 16])
    assert folder.verify() == [1, 2]
    file.write_bytes(before)
    connection = sqlite3.connect(tmp_path / "items.sqlite")
    connection.execute("DELETE FROM blocks WHERE block = 1")
    connection.commit()
    connection.close()
    assert folder.verify() == [1]
    folder.close()


def test_a_damaged_header_a_short_file_and_none_are_refused(tmp_path):
    folder = DatabaseFolder.create(tmp_path / "db", 4, {})
    folder.insert([f"n{i}" for i in range(20)], rows(20))
    folder.close()
    file = tmp_path / "db" / "vectors.f32"
    good = file.read_bytes()
    for offset in range(HEADER_BYTES):
        damaged = bytearray(good)
        damaged[offset] ^= 0x10
        file.write_bytes(damaged)
        with pytest.raises(StoreError):
            DatabaseFolder.open(tmp_path / "db")
    for length in (0, 10, HEADER_BYTES, HEADER_BYTES + 20 * 16 - 1):
        file.write_bytes(good[:length])
        with pytest.raises(StoreError):
            DatabaseFolder.open(tmp_path / "db")
    file.write_bytes(good[: HEADER_BYTES + 20 * 16])
    DatabaseFolder.open(tmp_path / "db").close()
    VectorFile.create(tmp_path / "five", 5)
    shutil.copy(tmp_path / "five", file)
    with pytest.raises(StoreError, match="5 dimensions, the database 4"):
        DatabaseFolder.open(tmp_path / "db")
    file.unlink()
    with pytest.raises(StoreError, match="not there"):
        DatabaseFolder.open(tmp_path / "db")
    with pytest.raises(StoreError, match="no vector database"):
        DatabaseFolder.open(tmp_path / "nowhere")


def test_a_maker_that_died_between_its_two_files(tmp_path):
    DatabaseFolder.create(tmp_path, 4, {}).close()
    for left in (b"", b"RAGTERMF and then n"):
        (tmp_path / "vectors.f32").write_bytes(left)
        folder = DatabaseFolder.open(tmp_path)
        assert folder.vectors().shape == (0, 4)
        folder.close()
    (tmp_path / "vectors.f32").unlink()
    folder = DatabaseFolder.open(tmp_path)
    assert folder.insert(["a"], rows(1)) == 0
    folder.close()
    with pytest.raises(StoreError, match="already"):
        DatabaseFolder.create(tmp_path, 4, {})
    assert DatabaseFolder.open(tmp_path).verify() == []


def test_what_does_not_fit_is_refused(tmp_path):
    folder = DatabaseFolder.create(tmp_path, 4, {})
    for ids, vectors in ((["a"], rows(2)), (["a"], rows(1, 5)), (["a"], rows(1)[0])):
        with pytest.raises(UsageError, match="do not fit"):
            folder.insert(ids, vectors)
    assert folder.insert([], rows(0)) == 0
    assert folder.items.mark == (0, 0)
    folder.close()
    for call in (folder.vectors, lambda: folder.insert(["a"], rows(1))):
        with pytest.raises(StoreError, match="closed"):
            call()


def test_a_view_outlives_growth_and_close(tmp_path):
    folder = DatabaseFolder.create(tmp_path, 64, {})
    first = rows(10, 64)
    folder.insert([f"n{i}" for i in range(10)], first)
    view = folder.vectors()
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    folder.insert([f"m{i}" for i in range(5000)], rows(5000, 64, seed=2))
    folder.close()
    assert bits(view) == bits(first)


def test_the_file_grows_ahead_and_takes_no_room_for_it(tmp_path):
    folder = DatabaseFolder.create(tmp_path, 64, {})
    sizes = set()
    for i in range(300):
        folder.insert([f"n{i}"], rows(1, 64, seed=i))
        sizes.add((tmp_path / "vectors.f32").stat().st_size)
    assert 1 <= len(sizes) <= 3
    assert 300 * 256 <= folder.disk_bytes <= sum(f.stat().st_size for f in tmp_path.iterdir())
    folder.close()
