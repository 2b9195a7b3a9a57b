"""Org: the document is the file, and blocks say what its lines are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.org import parse_org, plain
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.documents import ParsedDocument

Check = Callable[[ParsedDocument], None]


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


ORG = dedent(
    """\
    #+TITLE: My /great/ notes
    #+AUTHOR: Ann
    #+FILETAGS: :work:home:
    #+TODO: OPEN(o) | SHUT(s)

    Intro *bold* text
    goes on.
    # a comment
    * OPEN [#A] Buy [[https://example.org][the milk]] [1/2]   :shop:
      SCHEDULED: <2024-01-01 Mon>
      :PROPERTIES:
      :ID: 123
      :END:
      Text here [fn:1].
      - one
        more
      - [ ] two

        still two
      1. x
    ** Code
    #+CAPTION: A listing
    #+NAME: foo
    #+begin_src python :results output
    ,* no headline

    # no comment
    #+end_src
    : fixed
    | a | b |
    |---+---|
    | 1 | 2 |
    #+TBLFM: $1=2
    #+begin_quote
    Wise.
    #+end_quote
    #+begin_center
    Centre
    #+end_center
    -----
    * SHUT TODO
    [fn:1] A note
    that goes on.
    """
)


def test_blocks_sections_and_keywords(check_invariants: Check) -> None:
    document = parse_org(ORG, Path("x.org"))
    check_invariants(document)
    assert document.text == ORG
    assert document.title == "My great notes"
    assert document.metadata == {"author": "Ann", "tags": "work, home, shop"}
    buy = ("Buy the milk",)
    found = [(kind, text.split("\n")[0], section) for kind, text, section in outline(document)]
    assert found == [
        ("metadata", "#+TITLE: My /great/ notes", ()),
        ("paragraph", "Intro *bold* text", ()),
        ("metadata", "# a comment", ()),
        ("heading", "* OPEN [#A] Buy [[https://example.org][the milk]] [1/2]   :shop:", ()),
        ("metadata", "SCHEDULED: <2024-01-01 Mon>", buy),
        ("paragraph", "Text here [fn:1].", buy),
        ("list", "  - one", buy),
        ("heading", "** Code", buy),
        ("caption", "#+CAPTION: A listing", (*buy, "Code")),
        ("metadata", "#+NAME: foo", (*buy, "Code")),
        ("code", "#+begin_src python :results output", (*buy, "Code")),
        ("code", ": fixed", (*buy, "Code")),
        ("table", "| a | b |", (*buy, "Code")),
        ("metadata", "#+TBLFM: $1=2", (*buy, "Code")),
        ("quote", "#+begin_quote", (*buy, "Code")),
        ("paragraph", "Centre", (*buy, "Code")),
        ("heading", "* SHUT TODO", ()),
        ("footnote", "[fn:1] A note", ("TODO",)),
    ]
    by_first_line = {text.split("\n")[0]: text for _, text, _ in outline(document)}
    assert by_first_line["  - one"].endswith("1. x")
    assert by_first_line["#+begin_src python :results output"].endswith("#+end_src")
    assert by_first_line["SCHEDULED: <2024-01-01 Mon>"].endswith(":END:")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a *bold* and /slanted/ =code= ~x~ +gone+", "a bold and slanted code x gone"),
        ("[[file:x.org]] [[https://a.b][A *link*]]", "file:x.org A link"),
        ("2*3*4 and a/b/c and snake_case_name", "2*3*4 and a/b/c and snake_case_name"),
    ],
)
def test_words_of_a_headline(source: str, words: str) -> None:
    assert plain(source) == words


def test_an_open_block_ends_before_the_next_headline() -> None:
    document = parse_org("* One\n#+begin_src sh\nls\n:LOGBOOK:\n* Two\n#+end_src\nend\n", Path("x.org"))
    assert [(kind, text) for kind, text, _ in outline(document)] == [
        ("heading", "* One"),
        ("paragraph", "ls"),
        ("paragraph", ":LOGBOOK:"),
        ("heading", "* Two"),
        ("paragraph", "end"),
    ]


def test_included_files_are_not_followed() -> None:
    document = parse_org('#+INCLUDE: "/etc/passwd"\nText\n', Path("x.org"))
    assert "root:" not in document.text
    assert document.warnings == ("files that it includes are not followed (1)",)


@pytest.mark.data
def test_a_real_file(data: Path, check_invariants: Check) -> None:
    document = parse_file(data / "files" / "other" / "README-w-include.org")
    check_invariants(document)
    assert (document.kind, document.title) == ("org", "Example Docs")
    found = outline(document)
    assert [kind for kind, _, _ in found] == [
        "metadata",
        "heading",
        "paragraph",
        "list",
        "paragraph",
        "heading",
        "paragraph",
        "code",
        "paragraph",
    ]
    assert found[7][1].startswith("#+BEGIN_SRC bash") and found[7][2] == ("Example Docs", "XBRL 10-K")


LINES = st.sampled_from([
    "* a", "*** b :t:", "*", "** TODO", "#+begin_src x", "#+END_SRC", "#+begin_quote", "#+end_quote", ":D:", ":END:", "- i", "  more",
    "   - j", "1. k", "| t |", "|--", "# c", ": f", "[fn:1] n", "#+TITLE: x", "#+CAPTION: y", "text", "", "-----", " SCHEDULED: <x>",
    "\t", "\u2028", " * z",
])  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(LINES, max_size=30))
def test_blocks_are_in_order_and_hold_every_word(lines: list[str]) -> None:
    text = canonical("\n".join(lines))
    document = parse_org(text, Path("x.org"))
    assert document.text == text
    end = 0
    left = set("#+_:begin_srcquotenda*- \n\t\u2028ENDSRCxD")
    for block in document.blocks:
        assert end <= block.start < block.end <= len(text)
        assert set(text[end : block.start]) <= left
        end = block.end
    assert set(text[end:]) <= left


@pytest.mark.parametrize("line", [":D:", "#+begin_src", "#+begin_quote", "- a", "* a", "| a", "[fn:1] "])
def test_thousands_of_open_ones_end(line: str) -> None:
    document = parse_org(f"{line}\n" * 5_000, Path("x.org"))
    assert sum(b.end - b.start for b in document.blocks) <= len(document.text)
