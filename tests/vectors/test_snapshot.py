import json
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ragterm.engine.vectors import snapshot
from ragterm.engine.vectors.snapshot import ALIGNMENT, SnapshotError, read_snapshot, write_snapshot

arrays = st.sampled_from([np.int8, np.bool_, np.int32, np.int64, np.float32]).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=9))
)
anywhere = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.dictionaries(st.text(min_size=1, max_size=8), arrays, max_size=4))
@anywhere
def test_what_is_written_is_read(tmp_path, sections):
    path = tmp_path / "x.snapshot"
    write_snapshot(path, "kind", {"a": 1, "name": "ü"}, sections)
    values, read = read_snapshot(path, "kind")
    assert values == {"a": 1, "name": "ü"}
    assert list(read) == list(sections)
    for name, array in sections.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "x.snapshot"
    write_snapshot(path, "kind", {}, {"a": np.arange(10, dtype=np.int64), "b": np.ones((3, 5), dtype=np.float32)})
    return path


@given(st.data())
@anywhere
def test_every_flipped_bit_is_noticed(written, data):
    content = bytearray(written.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged = written.with_name("damaged")
    damaged.write_bytes(content)
    with pytest.raises(SnapshotError):
        read_snapshot(damaged, "kind")


def test_every_length_but_the_right_one_is_noticed(written):
    content = written.read_bytes()
    damaged = written.with_name("damaged")
    for length in range(len(content)):
        damaged.write_bytes(content[:length])
        with pytest.raises(SnapshotError):
            read_snapshot(damaged, "kind")
    damaged.write_bytes(content + b"\0")
    with pytest.raises(SnapshotError, match="follows its end"):
        read_snapshot(damaged, "kind")


def test_another_kind_and_another_version_are_named(written, monkeypatch):
    with pytest.raises(SnapshotError, match="holds kind, not graph"):
        read_snapshot(written, "graph")
    monkeypatch.setattr(snapshot, "VERSION", 99)
    with pytest.raises(SnapshotError, match="version 3, this program writes 99"):
        read_snapshot(written, "kind")
    with pytest.raises(SnapshotError, match="there is none"):
        read_snapshot(written.with_name("missing"), "kind")
    with pytest.raises(SnapshotError):
        read_snapshot(written.parent, "kind")


def test_the_header_can_be_read_by_other_programs_and_sections_are_aligned(written):
    content = written.read_bytes()
    assert content[:8] == b"RAGTERMV"
    length = int.from_bytes(content[12:16], "little")
    header = json.loads(content[20 : 20 + length])
    assert [s["name"] for s in header["sections"]] == ["a", "b"]
    assert all(s["offset"] % ALIGNMENT == 0 for s in header["sections"])
    first = header["sections"][0]
    assert np.frombuffer(content, dtype="<i8", count=10, offset=first["offset"]).tolist() == list(range(10))


def test_a_write_that_fails_leaves_the_old_file(written, monkeypatch):
    before = written.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(written, "kind", {}, {"a": np.zeros(3, dtype=np.int64)})
    assert written.read_bytes() == before
    assert [p.name for p in written.parent.iterdir()] == [written.name]


def test_what_a_killed_writer_left_is_swept_away_but_not_one_at_work(written):
    old, young = (written.with_name(f"{written.name}.{pid}.1.partial") for pid in (1, 2))
    for aside in (old, young):
        aside.write_bytes(b"half")
    os.utime(old, (0, 0))
    write_snapshot(written, "kind", {}, {"a": np.zeros(3, dtype=np.int64)})
    assert sorted(p.name for p in written.parent.iterdir()) == sorted([written.name, young.name])
