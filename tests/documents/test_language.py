from __future__ import annotations

from pathlib import Path

import pytest
from support.corpus import SAMPLES

from ragterm.engine.documents.language import LANGUAGE_WARNING, collection_warning, looks_foreign
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.documents import DocumentRow


def test_only_the_german_sample_looks_foreign():
    kinds = {".md", ".txt", ".html", ".pdf", ".docx"}
    files = [path for path in SAMPLES.rglob("*") if path.suffix in kinds]
    foreign = {path.name for path in files if LANGUAGE_WARNING in parse_file(path).warnings}
    assert foreign == {"kurzanleitung-de.md"}


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Быстрая коричневая лиса прыгает через ленивую собаку. " * 5, True),
        ("素早い茶色の狐はのろまな犬を飛び越える。" * 12, True),
        ("Le chat est sur la table et il dort dans la maison avec les enfants de la voisine. " * 5, True),
        ("The cat sleeps on the table in the house of the neighbour and it is not to be woken. " * 5, False),
        ("Frostline One 79 69 58 Hub 420 385 350 probe EUR " * 10, False),
        ("short", False),
        ("", False),
    ],
)
def test_languages(text, foreign):
    assert looks_foreign(text) is foreign


def test_a_collection_is_told_when_most_of_it_is_foreign():
    def row(number: int, *warnings: str) -> DocumentRow:
        return DocumentRow(str(number), str(Path("/d") / str(number)), "", "text", None, 1, "indexed", warnings)

    rows = [row(1, LANGUAGE_WARNING), row(2, LANGUAGE_WARNING), row(3)]
    assert "2 of 3" in collection_warning(rows, "sentence-transformers/all-MiniLM-L6-v2")
    assert collection_warning(rows, "some/multilingual-model") == ""
    assert collection_warning([row(1, LANGUAGE_WARNING), row(2), row(3)], "x") == ""
