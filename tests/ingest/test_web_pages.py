"""Web pages as documents: found under their address, in step with their server."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.ingesting import SETTINGS, Library
from support.web_site import web_site

from ragterm.engine.documents.places import Places
from ragterm.engine.documents.sources import document_id, kind_of
from ragterm.engine.documents.web_fetch import normalised
from ragterm.engine.ingest import audit, ingest
from ragterm.engine.types.errors import OfflineError
from ragterm.engine.types.settings import PrivacySettings
from ragterm.engine.types.web import WebOptions

OPEN = replace(SETTINGS, privacy=PrivacySettings(private_addresses=True))
ARTICLE = "<html><head><title>{0}</title></head><body><article><h1>{0}</h1><p>{1}</p></article></body></html>"
LONG = "The kiln is fired slowly over two days, so that the clay dries evenly and no pot cracks in the heat. " * 3


@pytest.fixture
def site():
    with web_site() as running:
        yield running


@pytest.fixture
def library(tmp_path):
    made = Library(tmp_path / "collection")
    yield made
    made.close()


def read(library, *urls, settings=OPEN, **options):
    report = ingest(urls, library.rooms(), settings, web=WebOptions(**options))
    assert audit(library.store, library.dense, library.keyword) == []
    return {name: count for name, count in report.counts.items() if count}, report


def texts(library, site):
    return {
        row.path.removeprefix(site.url): library.store.documents.document(row.id).text
        for row in library.store.documents.rows()
        if row.state == "indexed"
    }


def test_a_page_is_a_document_under_its_address_and_unchanged_costs_no_parsing(library, site):
    site.html("/kiln", ARTICLE.format("Kiln", LONG), ETag='"1"')
    assert read(library, site.url + "/kiln#top")[0] == {"added": 1}
    assert LONG.strip() in texts(library, site)["/kiln"]
    assert read(library, site.url + "/kiln")[0] == {"unchanged": 1}
    assert len(library.parsed) == 1
    site.html("/kiln", ARTICLE.format("Kiln", "Shorter. " * 20), ETag='"2"')
    assert read(library, site.url + "/kiln")[0] == {"updated": 1}
    assert "Shorter." in texts(library, site)["/kiln"]


def test_a_page_that_is_gone_goes_and_one_that_cannot_be_had_now_stays(library, site):
    site.html("/a", ARTICLE.format("A", LONG))
    site.html("/b", ARTICLE.format("B", LONG + "b"))
    assert read(library, site.url + "/a", site.url + "/b")[0] == {"added": 2}
    site.pages["/a"] = (410, {}, b"")
    site.pages["/b"] = (503, {}, b"")
    counts, report = read(library, site.url + "/a", site.url + "/b")
    assert counts == {"removed": 1, "failed": 1}
    assert set(texts(library, site)) == {"/b"}
    assert "(503)" in next(one.error for one in report.outcomes if one.outcome == "failed")


def test_a_site_is_read_within_its_limit_and_what_it_holds_is_what_it_is(library, site):
    site.html(
        "/",
        ARTICLE.format(
            "Start", LONG + '<a href="/notes.md">n</a><a href="/data">d</a><a href="/x">x</a><a href="/y">y</a>'
        ),
    )
    site.file("/notes.md", b"# Notes\n\nGlaze is glass on clay.", "text/markdown")
    site.html("/data", ARTICLE.format("Data", LONG + "data"))
    site.html("/x", ARTICLE.format("X", LONG + "x"))
    counts, report = read(library, site.url + "/", site=True, pages=3)
    assert counts == {"added": 3}
    kinds = {row.path.removeprefix(site.url): row.kind for row in library.store.documents.rows()}
    assert kinds == {"/": "html", "/notes.md": "markdown", "/data": "html"}
    assert "--pages" in " ".join(report.warnings)


def test_the_encoding_that_only_the_header_names_is_not_lost(library, site):
    page = ARTICLE.format("Grüße", "Für jede Größe ein Preis: 20 €. " * 6)
    site.pages["/de"] = (200, {"Content-Type": "text/html; charset=windows-1252"}, page.encode("windows-1252"))
    read(library, site.url + "/de")
    assert "Für jede Größe ein Preis: 20 €." in texts(library, site)["/de"]


def test_pages_of_this_network_need_to_be_admitted_and_offline_refuses(library, site):
    site.html("/a", ARTICLE.format("A", LONG))
    counts, report = read(library, site.url + "/a", settings=SETTINGS)
    assert counts == {"failed": 1}
    assert "privacy.private_addresses" in report.outcomes[0].hint
    with pytest.raises(OfflineError):
        read(library, site.url + "/a", settings=replace(OPEN, privacy=PrivacySettings(offline=True)))
    assert site.asked == []


def test_an_address_has_one_id_and_one_place_wherever_one_stands(tmp_path, monkeypatch):
    url = normalised("http://Example.org/a")
    before = document_id(url), Places(tmp_path).file_of(url)
    monkeypatch.chdir(tmp_path)
    assert (document_id(url), Places(tmp_path).file_of(url)) == before
    assert before[1].is_relative_to(tmp_path)
    assert [kind_of(f"https://a.org/{path}") for path in ("", "x", "x.php?f=a.pdf", "x.pdf?v=1", "x.md")] == [
        "html", "html", "html", "pdf", "markdown",
    ]  # fmt: skip
