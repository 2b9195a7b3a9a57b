"""A site within one host: breadth first from one page, along its links, as far as robots.txt and the limit on pages allow.

robots.txt by RFC 9309: a missing one allows all, one that cannot be had (5xx, no answer) nothing. `nofollow` and `noindex` in a page's
robots meta element and `rel=nofollow` on a link are honoured, and Crawl-delay up to a bound.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ragterm.engine.documents.sources import kind_of
from ragterm.engine.documents.web_fetch import USER_AGENT, Fetcher, Page, Refused, normalised
from ragterm.engine.types.control import Control
from ragterm.engine.types.errors import ParseError

DELAY_SECONDS = 0.3
LONGEST_DELAY = 10.0
MOST_WAITING = 20_000
"""Links that are kept for later, at most: a calendar has a next page for ever."""
_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class Missed:
    """An address that was asked for and yields no page."""

    url: str
    reason: str
    status: int = 0


class Site:
    """The pages of one host. `pages` bounds how many are yielded."""

    def __init__(
        self,
        fetcher: Fetcher,
        start: str,
        pages: int,
        control: Control | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fetcher, self._start, self._most = fetcher, normalised(start), pages
        self._control, self._wait = control or Control(), wait
        self._seen: set[str] = set()
        self._waiting: deque[str] = deque()
        self._robots: Any = None
        self._delay = DELAY_SECONDS
        self.left = 0
        """Links that were found and not followed because the limit was reached."""

    def walk(self) -> Iterator[Page | Missed]:
        """Raises ParseError when not even the first page can be had, OfflineError, Cancelled."""
        first = self._fetcher.page(self._start)
        assert first is not None
        self._start = first.url  # www. or https:// in front, as the site has it
        self._robots = self._read_robots()
        if not self._allowed(first.url):
            raise ParseError(
                "The site does not want to be read by programs",
                f"{urlsplit(first.url).netloc}/robots.txt disallows {first.url}",
                "ask for a single page that you need, or save it to a file",
                stage="read",
            )
        self._seen |= {self._start, first.url}
        found = self._taken(first)
        count = 0
        while True:
            if found is not None:
                yield found
                count += isinstance(found, Page)
            if count >= self._most or not self._waiting:
                self.left = len(self._waiting)
                return
            self._control.checkpoint()
            self._wait(self._delay)
            found = self._next(self._waiting.popleft())

    def _next(self, url: str) -> Page | Missed | None:
        try:
            page = self._fetcher.page(url)
        except ParseError as error:
            status = error.status if isinstance(error, Refused) else 0
            return Missed(url, f"{error.title}: {error.message}", status)
        assert page is not None
        if page.url != url:
            if not self._same_host(page.url) or page.url in self._seen:
                return None
            if not self._allowed(page.url):
                return Missed(page.url, "robots.txt disallows it")
            self._seen.add(page.url)
        return self._taken(page)

    def _taken(self, page: Page) -> Page | Missed | None:
        """The page if it is to be kept; its links wait."""
        if page.content_type not in _PAGES:
            return page
        from lxml import etree, html

        try:
            tree = html.fromstring(page.body, parser=html.HTMLParser(huge_tree=False, no_network=True))
        except (etree.ParserError, etree.XMLSyntaxError, ValueError):
            return page
        wishes = " ".join(tree.xpath("//meta[translate(@name,'ROBTS','robts')='robots']/@content")).lower()
        if "nofollow" not in wishes and "none" not in wishes:
            self._follow(page.url, tree)
        return None if "noindex" in wishes or "none" in wishes else page

    def _follow(self, url: str, tree: Any) -> None:
        base = next(iter(tree.xpath("//base/@href")), "")
        base = urljoin(url, base) if base else url
        for link in tree.iter("a"):
            target = (link.get("href") or "").strip()
            if not target or "nofollow" in (link.get("rel") or "").lower().split():
                continue
            try:
                target = normalised(urljoin(base, target))
            except (ParseError, ValueError):
                continue
            if target in self._seen or not self._same_host(target) or not _readable(target):
                continue
            self._seen.add(target)
            if len(self._waiting) < MOST_WAITING and self._allowed(target):
                self._waiting.append(target)

    def _same_host(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self._start)[:2]

    def _allowed(self, url: str) -> bool:
        return self._robots is None or bool(self._robots.can_fetch(url, USER_AGENT))

    def _read_robots(self) -> Any:
        from protego import Protego

        try:
            page = self._fetcher.page(urljoin(self._start, "/robots.txt"))
        except ParseError as error:
            if isinstance(error, Refused) and 400 <= error.status < 500:
                return None  # there are no rules
            return Protego.parse("User-agent: *\nDisallow: /")
        assert page is not None
        rules = Protego.parse(page.body[: 512 * 1024].decode("utf-8", "replace"))
        self._delay = max(self._delay, min(float(rules.crawl_delay(USER_AGENT) or 0.0), LONGEST_DELAY))
        return rules


def _readable(url: str) -> bool:
    """Whether a page is likely to be text: by its ending, where it has one that says what it is."""
    name = urlsplit(url).path.rpartition("/")[2]
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return not ending or ending in _SCRIPTS or kind_of(name) is not None or len(ending) > 5 or ending.isdigit()


_SCRIPTS = frozenset("php asp aspx jsp do cgi cfm pl shtml phtml".split())  # noqa: SIM905
