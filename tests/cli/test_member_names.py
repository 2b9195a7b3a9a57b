"""Documents inside other files are called by their name and the file that holds them."""

from __future__ import annotations

from click.testing import CliRunner
from support.containers import put, zip_of

from ragterm.cli.ask import place_name
from ragterm.cli.main import main


def test_citations_name_the_file_that_holds_the_document() -> None:
    assert place_name("/d/mail.eml!/report.pdf", 3) == "[report.pdf in mail.eml, page 3]"
    assert place_name("/d/report.pdf", None) == "[report.pdf]"


def test_members_are_shown_and_removed_by_path(tmp_path, monkeypatch) -> None:
    from support.ingesting import SETTINGS, Library

    from ragterm.engine.ingest import ingest

    archive = put(tmp_path / "docs" / "a.zip", zip_of({"x/one.md": "# One\n\nApples.", "pic.png": b"x"}))
    library = Library(tmp_path / "home" / "collections" / "notes")
    ingest([archive], library.rooms(), SETTINGS)
    library.close()
    run = lambda *arguments: CliRunner().invoke(
        main, ["--home", str(tmp_path / "home"), "documents", *arguments, "-c", "notes"]
    )  # noqa: E731
    listed = run("list").output
    assert f"{archive}!/x/one.md" in listed and "unsupported kind of file (.png)" in listed
    shown = run("show", f"{archive}!/x/one.md").output
    assert "Apples." in shown and f"lies in      {archive} (the file on disk)" in shown
    assert "x/one.md" in run("show", str(archive), "--text").output
