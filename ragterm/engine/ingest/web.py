"""Web pages for an ingest: fetched into the collection's folder, where the ingest then finds them like files.

The last version stays there, with what its server calls it: the next time the server may answer that nothing has changed, and an
unchanged page keeps its time of change, so that it costs a stat.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ragterm.engine.documents.places import Places
from ragterm.engine.documents.sources import document_id
from ragterm.engine.documents.web_crawl import Missed, Site
from ragterm.engine.documents.web_fetch import Fetcher, Page, Refused, normalised
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import ParseError, StoreError
from ragterm.engine.types.ingesting import DocumentOutcome
from ragterm.engine.types.settings import Settings
from ragterm.engine.types.web import WebOptions

_GONE = (404, 410)


@dataclass
class FetchedPages:
    """`pages` are the addresses whose bytes lie in the collection's folder, `gone` those whose server says that there is none (any
    more), `outcomes` say why others yielded nothing."""

    pages: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    outcomes: list[DocumentOutcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def fetch_pages(
    urls: Sequence[str],
    places: Places,
    settings: Settings,
    options: WebOptions,
    control: Control,
    show: Callable[[str], None],
) -> FetchedPages:
    """Fetch pages, or sites from these pages on. `show` is told of each. Raises OfflineError, Cancelled, StoreError."""
    found = FetchedPages()
    limit = settings.ingest.max_file_mb * 1024 * 1024
    with _Remembering(places, settings.privacy.offline, settings.privacy.private_addresses, limit) as fetcher:
        for url in dict.fromkeys(urls):
            control.checkpoint()
            show(url)
            try:
                if options.site:
                    site = Site(fetcher, url, options.pages, control)
                    for one in site.walk():
                        show(one.url)
                        _take(one, fetcher, found)
                    if site.left:
                        more = (
                            f"{site.left} more pages were linked and not followed: the limit is {options.pages} pages"
                        )
                        found.warnings.append(f"{url}: {more} (--pages)")
                else:
                    page = fetcher.page(url)
                    assert page is not None
                    _take(page, fetcher, found)
            except ParseError as error:
                known = _address(url)
                if isinstance(error, Refused) and error.status in _GONE and places.file_of(known).exists():
                    found.gone.append(known)
                else:
                    found.outcomes.append(
                        DocumentOutcome(
                            known, "failed", document_id(known), stage="read", error=str(error), hint=error.hint
                        )
                    )
    found.pages = list(dict.fromkeys(found.pages))
    return found


def _take(one: Page | Missed, fetcher: _Remembering, found: FetchedPages) -> None:
    if isinstance(one, Page):
        fetcher.keep(one)
        found.pages.append(one.url)
    elif one.status in _GONE and fetcher.places.file_of(one.url).exists():
        found.gone.append(one.url)
    else:
        found.outcomes.append(DocumentOutcome(one.url, "skipped", document_id(one.url), kind="html", error=one.reason))


def _address(url: str) -> str:
    try:
        return normalised(url)
    except ParseError:
        return url


class _Remembering(Fetcher):
    """A fetcher that has the last version of each page, and asks only whether there is another."""

    def __init__(self, places: Places, offline: bool, private: bool, max_bytes: int) -> None:
        super().__init__(offline, private, max_bytes)
        self.places = places

    def page(self, url: str, mark: str = "") -> Page | None:
        url = normalised(url)
        kept = self._kept(url)
        found = super().page(url, kept.mark if kept else "")
        return kept if found is None else found

    def keep(self, page: Page) -> None:
        """Write the page where the ingest looks for it; one that is the same keeps its time of change. Raises StoreError."""
        file, body = self.places.file_of(page.url), _in_utf8(page)
        about = {"url": page.url, "mark": page.mark, "content_type": page.content_type, "charset": page.charset}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_bytes() != body:
                _replace(file, body)
            _replace(_about(file), json.dumps(about).encode())
        except OSError as error:
            raise StoreError("A page cannot be kept", f"{file}: {error.strerror}", "free some space") from error

    def _kept(self, url: str) -> Page | None:
        file = self.places.file_of(url)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            about = json.loads(_about(file).read_bytes())
            if about["mark"] and about["url"] == url:
                return Page(url, about["content_type"], file.read_bytes(), about["mark"], "utf-8")
        return None


def _about(file: Path) -> Path:
    return file.with_name(file.name + ".json")


def _replace(file: Path, body: bytes) -> None:
    aside = file.with_name(f"{file.name}.{os.getpid()}")
    aside.write_bytes(body)
    aside.replace(file)


def _in_utf8(page: Page) -> bytes:
    """What the header says of the encoding is lost with the header: text is kept in UTF-8, marked as such."""
    if not page.charset or not page.content_type.startswith(("text/", "application/xhtml")):
        return page.body
    if page.charset.lower().replace("-", "") == "utf8":
        return page.body
    try:
        return b"\xef\xbb\xbf" + page.body.decode(page.charset).encode()
    except (LookupError, UnicodeError):
        return page.body
