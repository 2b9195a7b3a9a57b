"""Documents inside other files are called by their name and the file that holds them."""

from __future__ import annotations

from support.containers import put, zip_of
from support.ingesting import SETTINGS, Library

from ragterm.cli.ask import place_name
from ragterm.engine.ingest import ingest


def test_citations_name_the_file_that_holds_the_document() -> None:
    assert place_name("/d/mail.eml!/report.pdf", 3) == "[report.pdf in mail.eml, page 3]"
    assert place_name("/d/report.pdf", None) == "[report.pdf]"


def test_members_are_listed_and_shown_by_path(tmp_path, ragterm) -> None:
    archive = put(tmp_path / "docs" / "a.zip", zip_of({"x/one.md": "# One\n\nApples.", "pic.png": b"x"}))
    library = Library(tmp_path / "home" / "collections" / "notes")
    ingest([archive], library.rooms(), SETTINGS)
    library.close()
    documents = ("--home", tmp_path / "home", "documents")
    listed = ragterm(*documents, "list", "-c", "notes").out
    assert f"{archive}!/x/one.md" in listed and "unsupported kind of file (.png)" in listed
    shown = ragterm(*documents, "show", f"{archive}!/x/one.md", "-c", "notes").out
    assert "Apples." in shown and f"lies in      {archive} (the file on disk)" in shown
    assert "x/one.md" in ragterm(*documents, "show", archive, "--text", "-c", "notes").out
