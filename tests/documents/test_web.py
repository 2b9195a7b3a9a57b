"""Pages and sites from a real server: what is followed, what is refused, what is bounded."""

from __future__ import annotations

import pytest
from support.web_site import web_site

from ragterm.engine.documents import web_fetch
from ragterm.engine.documents.web_crawl import Missed, Site
from ragterm.engine.documents.web_fetch import Fetcher, is_public, normalised
from ragterm.engine.types.errors import OfflineError, ParseError


@pytest.fixture
def site():
    with web_site() as running:
        yield running


@pytest.fixture
def fetcher():
    with Fetcher(private=True) as made:
        yield made


def crawled(fetcher, site, pages=100, start="/", waits=None):
    crawl = Site(fetcher, site.url + start, pages, wait=(waits if waits is not None else []).append)
    found = list(crawl.walk())
    paths = [one.url.removeprefix(site.url) for one in found if not isinstance(one, Missed)]
    return paths, [one for one in found if isinstance(one, Missed)], crawl


def test_a_page_is_fetched_with_its_kind_and_its_version(site, fetcher):
    site.html("/a", "<p>Grüße</p>", ETag='"v1"')
    page = fetcher.page(site.url + "/a#part")
    assert (page.url, page.content_type, page.charset, page.mark) == (site.url + "/a", "text/html", "utf-8", '"v1"')
    assert page.body.decode() == "<p>Grüße</p>"
    assert fetcher.page(site.url + "/a", mark='"v1"') is None


def test_a_packed_page_is_unpacked_and_a_bomb_ends_at_the_limit(site):
    site.file("/small", b"words " * 1000, "text/plain", packed=True)
    site.file("/bomb", b"\0" * 30_000_000, "text/plain", packed=True)
    with Fetcher(private=True, max_bytes=1_000_000) as fetcher:
        assert fetcher.page(site.url + "/small").body == b"words " * 1000
        with pytest.raises(ParseError, match="over 1 MB"):
            fetcher.page(site.url + "/bomb")


def test_redirects_are_followed_a_few_times_and_never_to_another_scheme(site, fetcher):
    site.redirect("/old", "/new", 301)
    site.html("/new", "here")
    site.redirect("/loop", "/loop")
    site.redirect("/file", "file:///etc/passwd")
    assert fetcher.page(site.url + "/old").url == site.url + "/new"
    with pytest.raises(ParseError, match="Too many redirects"):
        fetcher.page(site.url + "/loop")
    with pytest.raises(ParseError, match="https://"):
        fetcher.page(site.url + "/file")


def test_private_addresses_are_refused_by_name_by_number_and_after_a_redirect(site, monkeypatch):
    site.html("/secret", "keys")
    with Fetcher() as fetcher:
        for host in (site.url, site.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(ParseError, match=r"(127\.0\.0\.1|localhost \((127\.0\.0\.1|::1)\)) is on this machine"):
                fetcher.page(host + "/secret")
        assert site.asked == []
        # A public server that leads inside: the first connection is let through, the second is looked at like any other.
        port = site.url.rpartition(":")[2]
        site.redirect("/out", f"http://169.254.169.254:{port}/secret")
        monkeypatch.setattr(web_fetch, "is_public", lambda address: address == "127.0.0.1")
        with pytest.raises(ParseError, match=r"169\.254\.169\.254"):
            fetcher.page(site.url + "/out")
    assert site.asked == ["/out"]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:4700::6810:84e5", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fc00::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("2002:7f00:1::", False), ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True), ("nonsense", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address, public):
    assert is_public(address) is public


def test_offline_refuses_before_any_connection(site):
    with Fetcher(offline=True, private=True) as fetcher, pytest.raises(OfflineError):
        fetcher.page(site.url + "/")
    assert site.asked == []


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("HTTPS://Example.ORG:443/a b?q=ü#top", "https://example.org/a%20b?q=%C3%BC"),
        ("http://user:word@example.org", "http://example.org/"),
        ("http://bücher.example/x", "http://xn--bcher-kva.example/x"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://example.org/a%20b", "http://example.org/a%20b"),
    ],
)
def test_addresses_have_one_form(written, kept):
    assert normalised(written) == kept
    assert normalised(kept) == kept


@pytest.mark.parametrize(
    "written", ["ftp://example.org/x", "http://", "https:///x", "http://a:port/", "javascript:alert(1)"]
)
def test_what_is_no_address_is_said(written):
    with pytest.raises(ParseError, match="Not the address of a page"):
        normalised(written)


def test_a_site_is_walked_breadth_first_within_its_host(site, fetcher):
    site.links(
        "/",
        "/one",
        "two.html",
        "#top",
        "http://elsewhere.example/x",
        "mailto:a@b.c",
        "/logo.png",
        "/missing",
        "/book.pdf",
    )
    site.links("/one", "/one/deep", "/")
    site.links("/two.html", "/one")
    site.links("/one/deep")
    site.file("/book.pdf", b"%PDF-1.4", "application/pdf")
    paths, missed, _ = crawled(fetcher, site)
    assert paths == ["/", "/one", "/two.html", "/book.pdf", "/one/deep"]
    assert [(one.url.removeprefix(site.url), "404" in one.reason) for one in missed] == [("/missing", True)]
    assert len(site.asked) == len(set(site.asked))


def test_the_limit_on_pages_ends_a_site_that_does_not(site, fetcher):
    for day in range(100):
        site.links(f"/day/{day}", f"/day/{day + 1}", f"/other/{day}")
        site.links(f"/other/{day}")
    paths, _, crawl = crawled(fetcher, site, pages=7, start="/day/0")
    assert len(paths) == 7
    assert crawl.left > 0


def test_robots_txt_is_obeyed(site, fetcher):
    site.file("/robots.txt", b"User-agent: *\nDisallow: /private/\nCrawl-delay: 3\n", "text/plain")
    site.links("/", "/private/a", "/open", "/sneaky")
    site.links("/open")
    site.redirect("/sneaky", "/private/b")
    site.links("/private/b")
    waits: list[float] = []
    paths, missed, _ = crawled(fetcher, site, waits=waits)
    assert paths == ["/", "/open"]
    assert "/private/a" not in site.asked
    assert [one.reason for one in missed] == ["robots.txt disallows it"]
    assert set(waits) == {3.0}


def test_a_site_whose_rules_cannot_be_had_or_that_forbids_all_is_left_alone(site, fetcher):
    site.links("/", "/a")
    site.links("/a")
    for answer in ((503, {}, b""), (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /\n")):
        site.pages["/robots.txt"] = answer
        with pytest.raises(ParseError, match="does not want to be read"):
            crawled(fetcher, site)


def test_what_a_page_says_of_itself_is_honoured(site, fetcher):
    site.links("/", "/hidden", "/end")
    site.links("/hidden", "/found", head='<meta name="ROBOTS" content="noindex">')
    site.links("/end", "/never", head='<meta name="robots" content="nofollow">')
    site.links("/found")
    site.links("/never")
    assert crawled(fetcher, site)[0] == ["/", "/end", "/found"]
    site.html("/", '<a rel="nofollow ugc" href="/end">x</a>')
    assert crawled(fetcher, site)[0] == ["/"]
