"""reStructuredText: what docutils understands becomes blocks, nothing outside the file is touched, and what it cannot finish is read
line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents import restructured_text
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.restructured_text import parse_rst
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def parse(text: str) -> ParsedDocument:
    return parse_rst(dedent(text).encode(), Path("x.rst"))


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


def blocks(text: str) -> list[tuple[str, str]]:
    return [(kind, words) for kind, words, _ in outline(parse(text))]


def test_headings_docinfo_and_substitutions(check_invariants: Check) -> None:
    document = parse(
        """\
        =========
        The Title
        =========

        :Author: Ann
        :Date: 2024-05-01
        :Tags: a, b

        .. |prod| replace:: **Rocket** Mk II
        .. _site: https://example.org
        .. a comment

        Welcome to |prod|, *see* `the site`__ and ``code`` [1]_.

        __ site_

        Part
        ----

        Text with :ref:`a title <label>`, :py:func:`~pkg.module.go` and `label`_.

        Deeper
        ~~~~~~

        End.

        .. [1] The note.

        Last
        ----

        .. [CIT24] A source.
        """
    )
    check_invariants(document)
    assert document.title == "The Title"
    assert document.metadata == {"author": "Ann", "date": "2024-05-01", "tags": "a, b"}
    top = ("The Title",)
    assert outline(document) == [
        ("heading", "The Title", ()),
        ("paragraph", "Welcome to Rocket Mk II, see the site and code [1].", top),
        ("heading", "Part", top),
        ("paragraph", "Text with a title, go and `label`_.", (*top, "Part")),
        ("heading", "Deeper", (*top, "Part")),
        ("paragraph", "End.", (*top, "Part", "Deeper")),
        ("footnote", "[1] The note.", (*top, "Part", "Deeper")),
        ("heading", "Last", top),
        ("footnote", "[CIT24] A source.", (*top, "Last")),
    ]
    assert [b.level for b in document.blocks if b.kind == "heading"] == [1, 2, 3, 2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".. code-block:: python\n   :linenos:\n   :caption: A listing\n\n   x = 1\n\n   y\n",
         [("caption", "A listing"), ("code", "```python\nx = 1\n\ny\n```")]),
        ("See::\n\n    x = `1`\n", [("paragraph", "See:"), ("code", "x = `1`")]),
        (">>> 1 + 1\n2\n", [("code", "```python\n>>> 1 + 1\n2\n```")]),
        (".. note::\n   Mind the gap.\n\n   - a\n", [("paragraph", "Note: Mind the gap."), ("list", "- a")]),
        (".. versionadded:: 1.2\n   The thing.\n", [("paragraph", "New in version 1.2: The thing.")]),
        (".. admonition:: Read me\n\n   Text.\n", [("paragraph", "Read me: Text.")]),
        ("- one\n  more\n- two\n\n  - three\n", [("list", "- one\n  more\n- two\n  - three")]),
        ("3. c\n#. d\n", [("list", "3. c\n4. d")]),
        ("- step\n\n  .. code:: sh\n\n     ls\n\n- next\n", [("list", "- step"), ("code", "```sh\nls\n```"), ("list", "- next")]),
        ("term : kind\n   What it is.\n", [("list", "term : kind\n  What it is.")]),
        (":param x: where\n:returns: no\n\nText\n", [("list", "- param x: where\n- returns: no"), ("paragraph", "Text")]),
        ("Text\n\n:raises E: if\n", [("paragraph", "Text"), ("list", "- raises E: if")]),
        ("-a, --all  Everything\n", [("list", "- -a, --all: Everything")]),
        ("+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n|   | 3 |\n+---+---+\n", [("table", "a | b\n1 | 2 3")]),
        ("=== ===\na   b\n=== ===\n1   2\n=== ===\n", [("table", "a | b\n1 | 2")]),
        (".. list-table:: Sizes\n   :header-rows: 1\n\n   * - n\n     - s\n   * - x\n     - 3\n",
         [("caption", "Sizes"), ("table", "n | s\nx | 3")]),
        ('.. csv-table::\n   :header: "p", "q"\n\n   1, "two, 3"\n', [("table", "p | q\n1 | two, 3")]),
        (".. figure:: a.png\n   :alt: alt\n\n   The caption.\n\n   Legend.\n", [("caption", "The caption."), ("paragraph", "Legend.")]),
        (".. image:: a.png\n   :alt: A cat\n", [("caption", "A cat")]),
        ("Text.\n\n   A quote.\n\n   -- Me\n", [("paragraph", "Text."), ("quote", "A quote.\n— Me")]),
        ("| line one\n| line two\n", [("paragraph", "line one\nline two")]),
        (".. math:: a^2\n\nand :math:`b`\n", [("paragraph", "$$\na^2\n$$"), ("paragraph", "and $b$")]),
        (".. toctree::\n   :maxdepth: 2\n\n   intro\n   The guide <guide>\n", [("list", "- The guide")]),
        (".. py:function:: go(x)\n\n   Goes.\n", [("paragraph", "go(x)"), ("paragraph", "Goes.")]),
        (".. whatever:: about this\n   :opt: 1\n\n   Inside.\n", [("paragraph", "about this"), ("paragraph", "Inside.")]),
        ("A :nosuchrole:`word` and |nothing|.\n", [("paragraph", "A word and |nothing|.")]),
        (".. contents::\n\n.. index:: x\n\nText\n", [("paragraph", "Text")]),
    ],
)  # fmt: skip
def test_constructs(source: str, expected: list[tuple[str, str]]) -> None:
    assert blocks(source) == expected


def test_nothing_outside_the_file_is_read_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    secret = tmp_path / "secret.txt"
    secret.write_text("the secret words")
    (tmp_path / "docutils.conf").write_text("[general]\nraw_enabled: true\nfile_insertion_enabled: true\n")
    monkeypatch.chdir(tmp_path)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    document = parse(
        f"""\
        Text.

        .. include:: {secret}
        .. literalinclude:: {secret}
        .. raw:: html
           :file: {secret}
        .. raw:: html

           <b>raw words</b>
        .. csv-table::
           :file: {secret}
        .. csv-table::
           :url: http://127.0.0.1:1/x
        .. figure:: {secret}
           :figwidth: image
        .. role:: html(raw)
           :format: html

        And :html:`<i>raw</i>`.
        """
    )
    assert "secret words" not in document.text and "raw words" not in document.text
    assert document.text == "Text.\n\nAnd :html:`<i>raw</i>`."  # as it stands: nothing is made of it
    assert any("not followed" in warning for warning in document.warnings)


def test_what_one_document_defines_is_gone_for_the_next() -> None:
    parse(".. role:: loud(strong)\n\n:loud:`x` and :own:`y`\n\n.. special:: thing\n")
    from docutils.parsers.rst import directives, roles

    assert "loud" not in roles._roles and "own" not in roles._roles
    assert "special" not in directives._directives


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- " * 4000 + "x", "nested"),
        ("".join(" " * n + "a\n\n" for n in range(400)), "nested"),
        ("*" * 20_000, "longer than"),
        ("Head\n====\n\n" + "x\n" * 40_000, "lines"),
        ("Head\n====\n\n" + "+-+\n" * 3000, "table"),
        (".. |a| replace:: |a|\n\nHead\n====\n\n|a|\n", ""),
    ],
    ids=["items", "quotes", "long line", "lines", "table", "substitution of itself"],
)
def test_hostile_files_are_read_all_the_same(check_invariants: Check, text: str, reason: str) -> None:
    document = parse(text)
    check_invariants(document)
    assert any(reason in warning for warning in document.warnings) or not reason
    if "Head" in text:
        assert next(b.kind for b in document.blocks) == "heading"


def test_markup_is_not_looked_for_in_paragraphs_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restructured_text, "MAX_INLINE", 30)
    assert blocks("*short*\n\n*long* " + "word " * 10) == [
        ("paragraph", "short"),
        ("paragraph", "*long* " + "word " * 9 + "word"),
    ]


def test_a_file_of_comments_says_so() -> None:
    with pytest.raises(ParseError, match="comments"):
        parse(".. only a comment\n")


@pytest.mark.data
def test_a_real_file(data: Path, check_invariants: Check) -> None:
    path = data / "files" / "other" / "README-w-include.rst"
    document = parse_file(path)
    check_invariants(document)
    assert (document.kind, document.parser, document.title) == ("rst", "docutils", "Example Docs")
    found = outline(document)
    assert [kind for kind, _, _ in found] == [
        "heading",
        "paragraph",
        "list",
        "paragraph",
        "heading",
        "paragraph",
        "code",
        "paragraph",
    ]
    assert found[6][1].startswith("```bash\ncurl -O")
    assert found[6][2] == ("Example Docs", "XBRL 10-K")
    assert any("not followed" in warning for warning in document.warnings)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from([
            "Title", "=====", "-----", "", "- a", "  b", "1. c", ".. note:: x", "   y", ".. code:: py", "::", "+--+--+", "| a| b|",
            "+==+==+", "*a", "`b`_", "|s|", ".. |s| replace:: |s|", ".. _t: t_", "t_", "[1]_", ".. [1] n", ":f: v", ".. table::",
            "==  ==", "\u2028", ".. role:: r", ":r:`x`", ".. x:y:: z", ".. list-table::", "   * - a", ".. figure:: f",
            ".. default-role:: r", ".. class:: a",
        ]),
        max_size=25,
    )
)  # fmt: skip
def test_any_lines_are_read_or_refused(check_invariants: Check, lines: list[str]) -> None:
    try:
        document = parse_rst("\n".join(lines).encode(), Path("x.rst"))
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)
