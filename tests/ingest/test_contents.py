from __future__ import annotations

from ragterm.engine.ingest.contents import IndexedContents


def test_a_document_stands_for_its_latest_content_only():
    contents = IndexedContents()
    contents.note("a", "hash one")
    assert contents.original("hash one") == "a"
    contents.note("a", "hash two")
    assert contents.original("hash one") is None
    assert contents.original("hash two") == "a"
    contents.forget("a")
    contents.forget("a")
    assert contents.original("hash two") is None


def test_forgetting_one_document_leaves_the_other():
    contents = IndexedContents()
    contents.note("a", "same")
    contents.note("b", "same")
    contents.forget("a")
    assert contents.original("same") == "b"
