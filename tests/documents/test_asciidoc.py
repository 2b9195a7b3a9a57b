"""AsciiDoc: delimited blocks, lists, tables and attributes become blocks of rendered text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents import asciidoc_inline
from ragterm.engine.documents.asciidoc import parse_asciidoc
from ragterm.engine.documents.asciidoc_inline import Inline
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def parse(text: str) -> ParsedDocument:
    return parse_asciidoc(text.encode(), Path("x.adoc"))


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


def blocks(text: str) -> list[tuple[str, str]]:
    return [(kind, words) for kind, words, _ in outline(parse(text))]


def test_the_header_attributes_and_sections(check_invariants: Check) -> None:
    document = parse(
        dedent("""\
        // a comment
        = The *Guide*: part
        Ann Author <ann@example.org>; Bob
        v1.2, 2024-05-01: beta
        :version: 3.1
        :site: https://example.org
        :keywords: a, b

        For {version}: {site}[the site], {unknown}, {nbsp}end.footnote:[A *note*.]

        include::chapter.adoc[]

        [[part]]
        == First part

        Words.

        ==== Deep

        More.footnote:[Two.]

        == Second part
        Text.
        """)
    )
    check_invariants(document)
    assert document.title == "The Guide: part"
    assert document.metadata == {"author": "Ann Author, Bob", "date": "2024-05-01", "keywords": "a, b"}
    assert document.warnings == ("files that it includes are not followed (1)",)
    top = ("The Guide: part",)
    assert outline(document) == [
        ("heading", "The Guide: part", ()),
        ("paragraph", "For 3.1: the site, {unknown},  end.[1]", top),
        ("heading", "First part", top),
        ("paragraph", "Words.", (*top, "First part")),
        ("heading", "Deep", (*top, "First part")),
        ("paragraph", "More.[2]", (*top, "First part", "Deep")),
        ("heading", "Second part", top),
        ("paragraph", "Text.", (*top, "Second part")),
        ("footnote", "[1] A note.", (*top, "Second part")),
        ("footnote", "[2] Two.", (*top, "Second part")),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".Listing\n[source,python]\n----\nx = 1  # <1>\n\n== no heading\n----\n<1> one\n",
         [("caption", "Listing"), ("code", "```python\nx = 1  # <1>\n\n== no heading\n```"), ("list", "<1> one")]),
        ("....\n* no item\n....\n", [("code", "* no item")]),
        ("```ruby\nputs 1\n```\n", [("code", "```ruby\nputs 1\n```")]),
        (":source-language: go\n[source]\n----\nx\n----\n", [("code", "```go\nx\n```")]),
        ("[source,sh]\nls -l\n\nText\n", [("code", "```sh\nls -l\n```"), ("paragraph", "Text")]),
        (" indented\n  more\n", [("code", "indented\n more")]),
        ("NOTE: Mind.\n", [("paragraph", "Note: Mind.")]),
        ("[WARNING]\n====\nFirst.\n\n* item\n====\nAfter.\n",
         [("paragraph", "Warning: First."), ("list", "- item"), ("paragraph", "After.")]),
        ("* one\n** two\nmore\n* three\n+\nGoes on.\n", [("list", "- one\n  - two\n    more\n- three\n  Goes on.")]),
        (". a\n.. b\n. c\n", [("list", "1. a\n  1. b\n2. c")]),
        ("* [x] done\n* [ ] open\n", [("list", "- [x] done\n- [ ] open")]),
        ("CPU:: The brain\nRAM::\n  The memory\n", [("list", "CPU\n  The brain\nRAM\n  The memory")]),
        ('.Sizes\n[cols="1,2",options="header"]\n|===\n|Name |Size\n\n|a\n|1 \\| x\n2+|wide\n|===\n',
         [("caption", "Sizes"), ("table", "Name | Size\na | 1 | x\nwide |")]),
        ("|===\n|H1 |H2\n\n|x\n\nsecond\n|y\n|===\n", [("table", "H1 | H2\nx second | y")]),
        ("[cols=3*]\n|===\n|a\n|b\n|c\n|d |e |f\n|===\n", [("table", "a | b | c\nd | e | f")]),
        (',===\na,"b, c"\n1,2\n,===\n', [("table", "a | b, c\n1 | 2")]),
        ("[quote, Plato, Republic]\n____\nWise *words*.\n____\n", [("quote", "Wise words.\n— Plato, Republic")]),
        ("____\n* listed\n____\nAfter\n", [("list", "- listed"), ("paragraph", "After")]),
        ("image::x.png[A cat, 200]\n", [("caption", "A cat")]),
        (".The title\nimage::x.png[A cat]\n", [("caption", "The title")]),
        ("////\nhidden\n////\nshown\n// also hidden\n", [("paragraph", "shown")]),
        ("[comment]\n--\nhidden\n--\nshown\n", [("paragraph", "shown")]),
        ("++++\n<b>raw</b>\n++++\nshown\n", [("paragraph", "shown")]),
        ("ifdef::x[]\nno\nendif::[]\nifndef::x[]\nyes\nendif::[]\n:x:\nifdef::x[too]\n", [("paragraph", "yes"), ("paragraph", "too")]),
        ("****\nAside.\n****\n--\nOpen.\n--\n", [("paragraph", "Aside."), ("paragraph", "Open.")]),
        ("one\n\n'''\n\n<<<\ntwo\n", [("paragraph", "one"), ("paragraph", "two")]),
    ],
)  # fmt: skip
def test_constructs(source: str, expected: list[tuple[str, str]]) -> None:
    assert blocks(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("*bold* _it_ `code` #mark# **un**bound *_both_*", "bold it code mark unbound both"),
        ("2 * 3 * 4, snake_case_name and a*b*c", "2 * 3 * 4, snake_case_name and a*b*c"),
        (
            "https://a.b[site^] link:x.pdf[the PDF] xref:y.adoc#z[there] <<id,here>> <<id>>",
            "site the PDF there here id",
        ),
        ("https://a.b/c stays", "https://a.b/c stays"),
        ("press kbd:[Ctrl+C], menu:File[Save]", "press Ctrl+C, File > Save"),
        ("((term)) and (((a,b)))gone [[anchor]]here", "term and gone here"),
        ("line +\nnext (C)", "line\nnext ©"),
    ],
)
def test_words_of_a_paragraph(source: str, words: str) -> None:
    assert Inline().plain(source) == words


def test_attributes_that_double_each_other_are_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asciidoc_inline, "MOST_SUBSTITUTED", 100_000)
    lines = [":a0: xxxxxxxxxx", *(f":a{n}: {{a{n - 1}}}{{a{n - 1}}}" for n in range(1, 60)), "", "{a59} " * 1000]
    assert len(parse("\n".join(lines)).text) < 300_000


def test_keys_and_signatures_are_refused() -> None:
    with pytest.raises(ParseError, match="signature"):
        parse("-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n")


@pytest.mark.parametrize(
    "line", ["--", "----", "====", "****", "____", "|===", "* a", "a::", "ifdef::a[]", "[a]", "++++", "{a}", "*a", "<<"]
)
def test_thousands_of_open_ones_end(check_invariants: Check, line: str) -> None:
    try:
        document = parse(f"{line}\n" * 5_001 + "\nend")
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)


LINES = st.sampled_from([
    "= T", "== S", "a b", "", "* i", "** j", ". n", "+", "t:: d", "t::", "----", "....", "====", "****", "____", "--", "////", "|===",
    "|a |b", "2+|c", ",===", "[source,py]", "[NOTE]", "[quote, a]", ".Title", "NOTE: x", "include::x[]", "ifdef::a[]", "endif::[]",
    ":a: {a}", "{a}", "image::x[y]", "```", "footnote:[x]", "'''", "*b _c_*", "<<x,y>>", "\u2028",
])  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(LINES, max_size=30))
def test_any_lines_are_read_or_refused(check_invariants: Check, lines: list[str]) -> None:
    try:
        document = parse_asciidoc("\n".join(lines).encode(), Path("x.adoc"))
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)
