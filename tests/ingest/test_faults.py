"""A full disk, and a folder that vanishes in the middle: what was committed stays, the next start goes on, the audit is clean."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from support.forked import Forked
from support.ingest_process import limited
from support.ingesting import SETTINGS, Library, write

from ragterm.engine.ingest import audit, ingest, resume, unfinished
from ragterm.engine.store import CollectionStore


def fill(docs: Path, count: int = 60) -> None:
    for number in range(count):
        words = " ".join(f"word{(number * 31 + i * i) % 977}" for i in range(300))
        write(docs, **{f"n{number:02}": f"# Note {number}\n\n{words}"})


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_disk_that_fills_up_at_several_moments(tmp_path):
    docs, folder = tmp_path / "docs", tmp_path / "h" / "c"
    fill(docs)
    said = []
    for limit in (150_000, 400_000, 900_000, 1_500_000):
        lines, code = Forked(limited, limit, folder, docs).end()
        assert code != 0 or lines[-1] == "done\n", lines
        said.append(lines[-1])
        with CollectionStore(folder) as store:
            assert audit(store) == [], said
    assert any("full" in line for line in said), said
    library = Library(folder)
    if unfinished(library.store):
        resume(library.rooms(), SETTINGS)
    report = ingest([docs], library.rooms(), SETTINGS)
    assert report.counts["unchanged"] + report.counts["added"] == 60 and library.store.info().documents == 60
    assert audit(library.store, library.dense, library.keyword) == []
    library.close()


def test_a_folder_that_vanishes_in_mid_ingest_and_comes_back(library, docs, tmp_path):
    fill(docs, 40)
    write(docs, **{f"sub__s{i:02}": f"# Sub {i}\n\n" + "text " * 200 + str(i) for i in range(40)})
    library.before = lambda path: (
        shutil.move(docs / "sub", tmp_path / "away") if path.parent.name == "sub" and (docs / "sub").exists() else None
    )
    report = ingest([docs], library.rooms(), SETTINGS)
    library.before = None
    counts = report.counts
    assert counts["added"] + counts["skipped"] == 80 and counts["added"] >= 40 and counts["skipped"] > 0
    assert all("gone" in one.error for one in report.outcomes if one.outcome == "skipped")
    assert unfinished(library.store) == 0 and audit(library.store, library.dense, library.keyword) == []
    shutil.move(tmp_path / "away", docs / "sub")
    again = ingest([docs], library.rooms(), SETTINGS)
    assert again.counts["added"] + again.counts["unchanged"] == 80 and library.store.info().documents == 80
    assert audit(library.store, library.dense, library.keyword) == []


def test_the_whole_root_vanishes_in_mid_ingest(library, docs, tmp_path):
    fill(docs, 30)
    library.before = lambda path: shutil.move(docs, tmp_path / "away") if docs.exists() else None
    report = ingest([docs], library.rooms(), SETTINGS)
    library.before = None
    assert report.counts["added"] + report.counts["skipped"] == 30
    assert unfinished(library.store) == 0 and audit(library.store, library.dense, library.keyword) == []
    shutil.move(tmp_path / "away", docs)
    ingest([docs], library.rooms(), SETTINGS)
    assert library.store.info().documents == 30
