"""Markdown, plain text and code: the document is the file, and blocks say what its lines are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.clean import canonical
from ragterm.engine.documents.code import parse_code
from ragterm.engine.documents.markdown import parse_markdown
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.text import parse_text
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    """(kind, first line, section) of every block."""
    return [(b.kind, document.text[b.start : b.end].split("\n")[0], b.section) for b in document.blocks]


MARKDOWN = dedent(
    """\
    ---
    title: "Refunds"
    date: 2024-05-01
    tags: [money, returns]
    aliases:
      - x
    ---
    <!-- only a comment -->

    # Refund *policy* & `code`

    We refund within
    14 days.

    ## Exceptions

    - Opened goods
      - even slightly
    - Gifts

    1. one

    | Item | Days |
    | ---- | ---- |
    | Book | 14   |

    ***

    ```python
    # Not a heading

    refund()
    ```

    > Quoted

    Steps
    -----

        indented code
    [link]: http://example.com
    """
)


def test_markdown_blocks_sections_and_front_matter(check_invariants: Check) -> None:
    document = parse_markdown(MARKDOWN, Path("refunds.md"))
    check_invariants(document)
    assert document.text == MARKDOWN
    assert document.title == "Refunds"
    assert document.metadata == {"date": "2024-05-01", "tags": "money, returns"}
    top = ("Refund policy & code",)
    below = (*top, "Exceptions")
    assert outline(document) == [
        ("metadata", "---", ()),
        ("heading", "# Refund *policy* & `code`", ()),
        ("paragraph", "We refund within", top),
        ("heading", "## Exceptions", top),
        ("list", "- Opened goods", below),
        ("list", "1. one", below),
        ("table", "| Item | Days |", below),
        ("code", "```python", below),
        ("quote", "> Quoted", below),
        ("heading", "Steps", top),
        ("code", "    indented code", (*top, "Steps")),
    ]
    assert [b.level for b in document.blocks if b.kind == "heading"] == [1, 2, 2]


@pytest.mark.parametrize(
    ("head", "metadata"),
    [
        ("+++\ntitle = 'T'\ntags = ['a', 'b']\n+++\n", {"tags": "a, b"}),
        ("---\ntitle: T\ndescription: >\n  folded\n  text\n---\n", {"description": "folded text"}),
        ("---\ntitle: T\ntags:\n  - a\n  - 'b c'\n---\n", {"tags": "a, b c"}),
    ],
)
def test_front_matter_dialects(head: str, metadata: dict[str, str]) -> None:
    document = parse_markdown(head + "\nText.\n", Path("x.md"))
    assert document.title == "T"
    assert document.metadata == metadata
    assert outline(document)[1:] == [("paragraph", "Text.", ())]


def test_rules_at_the_top_are_no_front_matter() -> None:
    document = parse_markdown("---\nJust a paragraph.\n\n---\n\nMore.\n", Path("x.md"))
    assert not document.metadata
    assert "Just a paragraph." in {first for _, first, _ in outline(document)}


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab #-*>|`~=1.\n\n\t[]()<!é\u2028"), max_size=200))
def test_markdown_blocks_cover_every_letter_once(text: str) -> None:
    """Whatever the text: blocks are ordered, and what no block holds has no letters (definitions of links and comments apart)."""
    text = canonical(text)
    document = parse_markdown(text, Path("x.md"))
    assert document.text == text
    end = 0
    for block in document.blocks:
        outside = text[end : block.start]
        assert "<!" in text or "[" in text or not any(c.isalpha() for c in outside)
        assert end <= block.start < block.end
        end = block.end
    assert "<!" in text or "[" in text or not any(c.isalpha() for c in text[end:])


TEXT = dedent(
    """\
    EMPLOYEE HANDBOOK

    Welcome to the company. This text
    explains how we work.

    1. Working time

    You work 40 hours.

    1.1 Breaks

    One hour.

    Underlined title
    ================

    Right below it.

    - first
    - second

    > mail quote
    > goes on

    | a | b |
    | 1 | 2 |

    1. Buy milk

    2. Buy bread
    """
)


def test_text_paragraphs_and_conservative_headings(check_invariants: Check) -> None:
    document = parse_text(TEXT, Path("handbook.txt"))
    check_invariants(document)
    assert document.text == TEXT
    assert document.title == "EMPLOYEE HANDBOOK"
    found = outline(document)
    assert [(kind, line) for kind, line, _ in found] == [
        ("heading", "EMPLOYEE HANDBOOK"),
        ("paragraph", "Welcome to the company. This text"),
        ("heading", "1. Working time"),
        ("paragraph", "You work 40 hours."),
        ("heading", "1.1 Breaks"),
        ("paragraph", "One hour."),
        ("heading", "Underlined title"),
        ("paragraph", "Right below it."),
        ("list", "- first"),
        ("quote", "> mail quote"),
        ("table", "| a | b |"),
        ("paragraph", "1. Buy milk"),
        ("paragraph", "2. Buy bread"),
    ]
    assert found[5][2][-2:] == ("1. Working time", "1.1 Breaks")


@pytest.mark.parametrize(
    ("name", "text", "headings"),
    [
        (
            "x.rst",
            "=====\nTitle\n=====\n\nPart\n----\n\nText.\n\nOther\n-----\nText.\n",
            [(1, "====="), (2, "Part"), (2, "Other")],
        ),
        ("x.txt", "A sentence that ends.\n\nNAME: no heading,\n\nWe saw 3 of them\n\n12 apples were eaten\n\ntext", []),
        ("x.txt", "----------\n\ntext\n\n==========\n", []),
    ],
)
def test_headings_of_text_dialects(name: str, text: str, headings: list[tuple[int, str]]) -> None:
    document = parse_text(text, Path(name))
    assert [
        (b.level, document.text[b.start :].split("\n")[0]) for b in document.blocks if b.kind == "heading"
    ] == headings


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("abC 1.-=*>|\n\n\t"), max_size=300))
def test_text_blocks_cover_everything_that_is_not_white(text: str) -> None:
    document = parse_text(text, Path("x.txt"))
    covered = "".join(text[b.start : b.end] for b in document.blocks)
    assert "".join(covered.split()) == "".join(text.split())


PYTHON = dedent(
    '''\
    """Module."""

    import os


    class Refund:
        """Doc."""

        def pay(self):

            return 1

    @decorated
    async def send(
        a,

    ):
        pass
    '''
)


def test_code_blocks_are_definitions(check_invariants: Check) -> None:
    document = parse_code(PYTHON, Path("refund.py"))
    check_invariants(document)
    assert document.text == PYTHON
    assert document.title == "refund.py"
    assert document.metadata == {"language": "Python"}
    assert outline(document) == [
        ("code", '"""Module."""', ()),
        ("code", "import os", ()),
        ("code", "class Refund:", ("class Refund",)),
        ("code", "def pay(self):", ("class Refund", "def pay")),
        ("code", "@decorated", ("def send",)),
    ]


@pytest.mark.parametrize(
    ("name", "source", "sections"),
    [
        ("a.go", "package x\n\nfunc (s *Server) Run() {\n\n\tx()\n}\n", [(), ("func Server.Run",)]),
        ("a.rs", "pub(crate) fn go() {}\n\nimpl Thing {\n\n}\n", [("fn go",), ("impl Thing",)]),
        ("a.ts", "export default class App {\n\n}\n\nexport const x = 1\n", [("class App",), ()]),
        ("a.sql", "CREATE TABLE users (\n id int\n);\n", [("CREATE TABLE users",)]),
    ],
)
def test_definitions_of_other_languages(name: str, source: str, sections: list[tuple[str, ...]]) -> None:
    assert [b.section for b in parse_code(source, Path(name)).blocks] == sections


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab(){} \n\n\t\u2028"), max_size=200))
def test_code_blocks_cover_everything_that_is_not_white(text: str) -> None:
    document = parse_code(text, Path("x.c"))
    assert "".join("".join(text[b.start : b.end] for b in document.blocks).split()) == "".join(text.split())


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_file_on_disk_is_cleaned_before_offsets_exist(tmp_path: Path, check_invariants: Check) -> None:
    raw = "\ufeff# He\x1b[31mad\x1b[0m\r\n\r\nText \x1b]0;owned\x07here.\r\n"
    document = parse_file(write(tmp_path / "x.md", raw))
    check_invariants(document)
    assert document.text == "# Head\n\nText here.\n"
    assert document.title == "Head"


@pytest.mark.parametrize(
    ("name", "content", "title", "stage"),
    [
        ("empty.md", b"", "Empty file", "read"),
        ("white.txt", b" \n\t\n", "No text", "parse"),
        ("control.txt", b"\x1b[31m", "No text", "parse"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n\x00\x00", "Not a text file", "parse"),
        ("film.mp4", b"x", "Unsupported kind of file", "read"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(
    tmp_path: Path, name: str, content: bytes, title: str, stage: str
) -> None:
    with pytest.raises(ParseError) as caught:
        parse_file(write(tmp_path / name, content))
    assert (caught.value.title, caught.value.stage) == (title, stage)
    assert caught.value.message and caught.value.hint


def test_a_missing_file_is_a_read_error(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        parse_file(tmp_path / "gone.md")
    assert caught.value.stage == "read"


def test_a_wrong_ending_does_not_hide_what_a_file_is(tmp_path: Path) -> None:
    page = "<!DOCTYPE html><html><body><h1>Shop</h1><p>Open from nine to five.</p></body></html>"
    assert parse_file(write(tmp_path / "page.txt", page)).kind == "html"
