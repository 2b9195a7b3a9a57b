"""Shared by the tests of sources and parsers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ragterm.engine.documents.clean import canonical
from ragterm.engine.types.documents import ParsedDocument


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with public test data."""
    where = os.environ.get("RAGTERM_TEST_DATA")
    if not where or not Path(where).is_dir():
        pytest.skip("RAGTERM_TEST_DATA names no folder with the test data")
    return Path(where)


def check_invariants(document: ParsedDocument) -> None:
    """What every parser promises: canonical text, blocks in order that hold text, sections above them, pages that do not go back."""
    assert document.text == canonical(document.text)
    assert document.blocks
    end, page = 0, 0
    for block in document.blocks:
        assert end <= block.start < block.end <= len(document.text)
        text = document.text[block.start : block.end]
        assert text.strip() and text == text.rstrip()
        assert (block.level > 0) == (block.kind == "heading")
        if block.page is not None:
            assert page <= block.page <= (document.pages or 0)
            page = block.page
        end = block.end
    assert document.title.strip() and "\n" not in document.title


@pytest.fixture(scope="session", name="check_invariants")
def check_invariants_fixture() -> object:
    return check_invariants
