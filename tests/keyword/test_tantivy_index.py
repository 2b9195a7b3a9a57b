"""The keyword index against BM25 written out by hand, and through everything that can happen to its folder."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.keyword import TantivyIndex
from ragterm.engine.keyword.analysis import query_terms
from ragterm.engine.keyword.checksums import live_files
from ragterm.engine.types.errors import BusyError, StoreError
from ragterm.engine.types.protocols import IndexChanges, IndexEntry

WORDS = (
    "alpha",
    "bravo",
    "charlie",
    "delta",
    "echo",
    "foxtrot",
    "golf",
    "hotel",
    "india",
    "juliet",
    "kilo",
    "lima",
    "mike",
    "november",
    "oscar",
    "papa",
)


def entry(key: int, text: str, document: str = "d", context: str = "") -> IndexEntry:
    return IndexEntry(key=key, document_id=document, title="", context=context, text=text)


def build(folder: Path, texts: Sequence[str], generation: int = 1) -> TantivyIndex:
    index = TantivyIndex(folder)
    index.apply(IndexChanges([entry(i, text, document=f"d{i % 3}") for i, text in enumerate(texts)], [], generation))
    return index


def stored_length(length: int) -> int:
    """A length as Lucene keeps it in one byte (SmallFloat.intToByte4): exact up to 40, then four significant bits."""
    if length < 24:
        return length
    rest = length - 24
    shift = max(rest.bit_length() - 4, 0)
    return 24 + ((rest >> shift) << shift)


def bm25(query: str, texts: Sequence[str]) -> list[float]:
    """Robertson & Zaragoza 2009, with Lucene's idf; k1 = 1.2, b = 0.75."""
    documents = [
        query_terms(text) if len(text) < 1000 else [t for w in text.split() for t in query_terms(w)] for text in texts
    ]
    mean = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        counts, total = Counter(document), 0.0
        for term in query_terms(query):
            n = sum(term in other for other in documents)
            idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            tf = counts[term]
            total += idf * 2.2 * tf / (tf + 1.2 * (0.25 + 0.75 * stored_length(len(document)) / mean)) if tf else 0.0
        scores.append(total)
    return scores


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    rng = random.Random(7)
    return [
        " ".join(rng.choices(WORDS, weights=range(1, 17), k=rng.choice([1, 3, 12, 39, 41, 90, 230])))
        for _ in range(120)
    ]


@pytest.mark.parametrize("query", ["alpha", "alpha bravo", "juliet papa papa", "What of the HOTELS?", "alpha zulu"])
def test_scores_are_bm25(tmp_path: Path, corpus: list[str], query: str) -> None:
    expected = bm25(query, corpus)
    index = build(tmp_path / "k", corpus)
    keys = list(range(len(corpus)))
    assert any(expected)
    assert index.scores(query, keys) == pytest.approx(expected, rel=2e-6, abs=1e-6)
    found = index.search(query, len(corpus))
    assert [key for key, _ in found] == sorted(
        (k for k in keys if expected[k]), key=lambda k: (-round(expected[k], 4), k)
    )
    assert [score for _, score in found] == pytest.approx([expected[key] for key, _ in found], rel=2e-6)


def test_context_is_searched_and_counts_for_the_length(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path / "k")
    index.apply(IndexChanges([entry(1, "alpha bravo", context="Refund policy"), entry(2, "alpha charlie")], [], 1))
    expected = bm25("refund", ["Refund policy alpha bravo", "alpha charlie"])
    assert index.scores("refund", [1, 2]) == pytest.approx(expected, rel=1e-6)


def test_scores_keep_the_order_of_the_keys_and_are_zero_where_nothing_matches(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha", "bravo", "alpha alpha"])
    first, second, none, unknown, again = index.scores("alpha", [2, 0, 1, 99, 2])
    assert first > second > 0
    assert (none, unknown, again) == (0.0, 0.0, first)


def test_a_weak_match_is_scored_among_many_better_ones(tmp_path: Path) -> None:
    texts = ["alpha"] * 50 + ["alpha bravo charlie delta echo"]
    index = build(tmp_path / "k", texts)
    assert index.scores("alpha", [50]) == pytest.approx(
        bm25("alpha", texts)[50:], rel=1e-4
    )  # so small an idf has few digits


def test_equal_scores_come_by_key_however_many_segments_hold_them(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path / "k")
    keys = list(range(120))
    random.Random(3).shuffle(keys)
    with index.writing():
        for generation in range(6):
            some = keys[generation::6]
            index.apply(IndexChanges([entry(key, "alpha bravo") for key in some], [], generation + 1))
    assert [key for key, _ in index.search("alpha", 7)] == [0, 1, 2, 3, 4, 5, 6]


def test_a_search_can_be_limited_to_documents(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha"] * 9)
    assert [key for key, _ in index.search("alpha", 9, ["d1"])] == [1, 4, 7]
    assert [key for key, _ in index.search("alpha", 9, ["d1", "d2", "nowhere"])] == [1, 2, 4, 5, 7, 8]
    assert index.search("alpha", 9, []) == []
    whole = dict(index.search("alpha", 9))
    assert all(score == pytest.approx(whole[key]) for key, score in index.search("alpha", 9, ["d1"]))


@pytest.mark.parametrize("query", ["", "   ", "the of and", "?!", "zulu", "\ud800", "\x00"])
def test_questions_that_match_nothing(tmp_path: Path, query: str) -> None:
    index = build(tmp_path / "k", ["alpha", "bravo"])
    assert index.search(query, 5) == []
    assert index.scores(query, [0, 1]) == [0.0, 0.0]


@pytest.mark.parametrize(
    "query", ['alpha: "', "alpha) AND (", "~alpha^2", "title:alpha [a TO b]", "-alpha +*", "alpha\\", "{alpha}'s"]
)
def test_signs_of_a_query_grammar_are_only_signs(tmp_path: Path, query: str) -> None:
    assert [key for key, _ in build(tmp_path / "k", ["alpha", "bravo"]).search(query, 5)] == [0]


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=80))
def test_any_question_can_be_asked(shared_index: TantivyIndex, text: str) -> None:
    shared_index.search(f"alpha {text}", 5)
    assert len(shared_index.scores(text, [0, 1])) == 2


@pytest.fixture(scope="module")
def shared_index(tmp_path_factory: pytest.TempPathFactory) -> TantivyIndex:
    return build(tmp_path_factory.mktemp("shared") / "k", ["alpha", "bravo"])


def test_an_empty_folder_reads_as_empty(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path / "nowhere")
    assert (index.generation, index.chunks, index.search("alpha", 5), index.scores("alpha", [1])) == (0, 0, [], [0.0])
    assert not (tmp_path / "nowhere").exists()


def test_changes_replace_and_remove(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha", "bravo", "charlie"])
    index.apply(IndexChanges([entry(1, "delta"), entry(7, "echo")], [0, 55], 2))
    assert index.generation == 2
    assert index.chunks == 3
    assert [[key for key, _ in index.search(word, 5)] for word in ("alpha", "bravo", "charlie", "delta", "echo")] == [
        [],
        [],
        [2],
        [1],
        [7],
    ]


def test_applying_the_same_changes_twice_changes_nothing(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha", "bravo"])
    changes = IndexChanges([entry(1, "delta"), entry(2, "alpha")], [0], 2)
    index.apply(changes)
    once = (index.chunks, [key for key, _ in index.search("alpha delta", 9)])
    index.apply(changes)
    assert (index.chunks, [key for key, _ in index.search("alpha delta", 9)]) == once == (2, [1, 2])


def test_another_reader_sees_a_commit_at_its_next_question(tmp_path: Path) -> None:
    reader = TantivyIndex(tmp_path / "k")
    assert reader.generation == 0
    writer = build(tmp_path / "k", ["alpha"])
    assert reader.search("alpha", 5) == writer.search("alpha", 5) != []
    writer.apply(IndexChanges([entry(5, "bravo")], [0], 2))
    assert (reader.generation, reader.search("alpha", 5), [k for k, _ in reader.search("bravo", 5)]) == (2, [], [5])


def test_a_reader_follows_an_index_that_was_built_anew(tmp_path: Path) -> None:
    build(tmp_path / "k", ["alpha"])
    reader = TantivyIndex(tmp_path / "k")
    assert reader.search("alpha", 5)
    owner = TantivyIndex(tmp_path / "k")
    owner.clear()
    owner.apply(IndexChanges([entry(9, "alpha bravo")], [], 40))
    assert (reader.generation, [key for key, _ in reader.search("alpha", 5)]) == (40, [9])


def damage_mark(folder: Path) -> None:
    (folder / "generation.json").write_text('{"format": "ragterm-keyw')


def damage_format(folder: Path) -> None:
    (folder / "generation.json").write_text(json.dumps({"format": "another", "generation": 12}))


def damage_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("{")


def empty_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("[]")


def lose_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


def lose_segments(folder: Path) -> None:
    for path in folder.glob("*.term"):
        path.unlink()


def truncate_segments(folder: Path) -> None:
    for path in folder.glob("*.idx"):
        path.write_bytes(path.read_bytes()[:10])


def foreign_index(folder: Path) -> None:
    import tantivy

    mark = (folder / "generation.json").read_text()
    shutil.rmtree(folder)
    folder.mkdir()
    schema = tantivy.SchemaBuilder().add_text_field("other").build()
    tantivy.Index(schema, path=str(folder)).writer(15_000_000, 1).commit()
    (folder / "generation.json").write_text(mark)


def lose_mark(folder: Path) -> None:
    (folder / "generation.json").unlink()


DAMAGES = [
    damage_mark,
    damage_format,
    damage_meta,
    lose_meta,
    lose_segments,
    truncate_segments,
    foreign_index,
    lose_mark,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_reads_as_empty_and_is_built_anew(tmp_path: Path, damage: object) -> None:
    folder = tmp_path / "k"
    build(folder, ["alpha", "bravo"], generation=12)
    damage(folder)  # type: ignore[operator]
    index = TantivyIndex(folder)
    assert (index.generation, index.search("alpha", 5), index.chunks) == (0, [], 0)
    index.apply(IndexChanges([entry(3, "alpha charlie")], [], 13))
    for reader in (index, TantivyIndex(folder)):
        assert (reader.generation, reader.chunks, [key for key, _ in reader.search("alpha", 5)]) == (13, 1, [3])


def test_an_index_of_another_store_is_built_anew(tmp_path: Path) -> None:
    own = TantivyIndex(tmp_path / "k", identity="store 1")
    own.apply(IndexChanges([entry(1, "alpha")], [], 5))
    assert TantivyIndex(tmp_path / "k", identity="store 1").generation == 5
    other = TantivyIndex(tmp_path / "k", identity="store 2")
    assert (other.generation, other.search("alpha", 5)) == (0, [])
    other.apply(IndexChanges([entry(1, "bravo")], [], 2))
    assert (other.generation, other.search("alpha", 5), other.chunks) == (2, [], 1)


def test_a_byte_that_rots_is_noticed_before_tantivy_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    build(folder, [f"alpha bravo {WORDS[i % 16]}" for i in range(200)])
    rng = random.Random(1)
    for path in live_files(folder):
        data = path.read_bytes()
        for place in (0, *(rng.randrange(len(data)) for _ in range(3)), len(data) - 1):
            # A new file in its place: the old one may still be mapped.
            rotten = tmp_path / "rotten"
            rotten.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
            rotten.replace(path)
            index = TantivyIndex(folder)
            footer = data[: data.rindex(b"{")]
            assert (index.generation, index.search("alpha", 5)) == (0, []) or place >= len(footer)
        rotten.write_bytes(data)
        rotten.replace(path)
    assert len(TantivyIndex(folder).search("alpha delta", 5)) == 5


def test_a_search_that_fails_says_so_and_the_index_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        num_docs = 1

        def search(self, *args: object, **named: object) -> None:
            raise ValueError("unexpected end of file")

    index = build(tmp_path / "k", ["alpha"])
    monkeypatch.setattr(index, "_searcher", Broken())
    with pytest.raises(StoreError, match="damaged"):
        index.search("alpha", 5)
    assert (index.generation, index.search("alpha", 5)) == (0, [])
    index.apply(IndexChanges([entry(4, "alpha")], [], 2))
    assert [key for key, _ in index.search("alpha", 5)] == [4]


CRASH = """
import os, sys
from pathlib import Path
from ragterm.engine.keyword import TantivyIndex
from ragterm.engine.types.protocols import IndexChanges, IndexEntry
index = TantivyIndex(Path(sys.argv[1]))
moment = sys.argv[2]
if moment == "before the mark":
    TantivyIndex._write_mark = lambda self, generation: os._exit(9)
with index.writing() as writer:
    if moment == "before the commit":
        writer.delete_all_documents()
        os._exit(9)
    index.apply(IndexChanges([IndexEntry(7, "d", "", "", "delta")], [0], 2))
"""


@pytest.mark.parametrize("moment", ["before the commit", "before the mark"])
def test_a_crash_leaves_a_generation_that_is_too_low_never_too_high(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "k"
    build(folder, ["alpha", "bravo"])
    assert subprocess.run([sys.executable, "-c", CRASH, str(folder), moment], check=False).returncode == 9
    index = TantivyIndex(folder)
    assert index.generation == 1
    index.apply(IndexChanges([entry(7, "delta")], [0], 2))
    assert (index.generation, index.chunks) == (2, 2)
    assert [[key for key, _ in index.search(word, 5)] for word in ("alpha", "bravo", "delta")] == [[], [1], [7]]


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha"])
    with index.writing(), pytest.raises(BusyError):
        TantivyIndex(tmp_path / "k").apply(IndexChanges([], [], 2))
    other = TantivyIndex(tmp_path / "k")
    other.apply(IndexChanges([], [0], 2))
    assert (index.generation, index.chunks) == (2, 0)


def test_a_failed_change_does_not_go_out_with_the_next(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha"])
    broken = [entry(1, "bravo"), entry(3, None)]  # type: ignore[arg-type]
    with index.writing():
        with pytest.raises(TypeError):
            index.apply(IndexChanges(broken, [0], 2))
        index.apply(IndexChanges([entry(2, "delta")], [], 3))
    assert [[key for key, _ in index.search(word, 5)] for word in ("alpha", "bravo", "delta")] == [[0], [], [2]]


def test_many_small_commits_stay_few_segments(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path / "k")
    with index.writing():
        for i in range(20):
            index.apply(IndexChanges([entry(i, f"alpha {WORDS[i % 16]}")], [], i + 1))
    assert index.chunks == 20
    index.apply(IndexChanges([], [], 21))
    segments = json.loads((tmp_path / "k" / "meta.json").read_text())["segments"]
    assert len(segments) < 12


def test_questions_and_changes_at_the_same_time(tmp_path: Path) -> None:
    index = build(tmp_path / "k", ["alpha"] * 50)
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                found = index.search("alpha", 200)
                if len(found) < 50 or len(index.scores("alpha", [key for key, _ in found])) != len(found):
                    wrong.append(found)
        except Exception as error:
            wrong.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for i in range(6):
        index.apply(IndexChanges([entry(50 + i, "alpha")], [], 2 + i))
    done.set()
    for asker in askers:
        asker.join()
    assert wrong == []
    assert index.chunks == 56
