"""Jupyter notebooks: cells become Markdown, code and bounded output, in sections that go on over cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.notebooks import OUTPUT_CHARACTERS, OUTPUT_LINES, parse_notebook
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def notebook(*cells: dict[str, Any], **metadata: Any) -> bytes:
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}).encode()


def markdown(source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": source, "outputs": list(outputs)}


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


def test_sections_go_on_over_cells_and_code_says_its_language(check_invariants: Check) -> None:
    document = parse_notebook(
        notebook(
            markdown(["# Sales of *2024*\n", "\n", "We look at sales."]),
            code("import pandas\n\nframe = load()"),
            markdown("## Result\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nnever closed"),
            code("%%bash\nls -l"),
            markdown("The end."),
            kernelspec={"language": "Julia"},
            authors=[{"name": "Ann"}, {"name": "Bob"}],
            title="Annual report",
        ),
        Path("x.ipynb"),
    )
    check_invariants(document)
    assert document.title == "Annual report"
    assert document.metadata == {"author": "Ann, Bob", "language": "julia"}
    top, below = ("Sales of 2024",), ("Sales of 2024", "Result")
    assert outline(document) == [
        ("heading", "# Sales of *2024*", ()),
        ("paragraph", "We look at sales.", top),
        ("code", "```julia\nimport pandas\n\nframe = load()\n```", top),
        ("heading", "## Result", top),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |", below),
        ("code", "```\nnever closed", below),
        ("code", "```bash\n%%bash\nls -l\n```", below),
        ("paragraph", "The end.", below),
    ]


def test_text_outputs_are_kept_and_pictures_are_not() -> None:
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0K", "text/plain": "<Figure size 640x480 with 1 Axes>"},
    }
    frame = {"output_type": "execute_result", "data": {"text/html": "<table>", "text/plain": ["   a\n", "0  1"]}}
    error = {"output_type": "error", "ename": "KeyError", "evalue": "'b'", "traceback": ["\x1b[31mlong"]}
    document = parse_notebook(
        notebook(
            markdown("Text with ![plot](data:image/png;base64,iVBORw0KGgo=) inside"),
            code(
                "show()", picture, {"output_type": "stream", "name": "stdout", "text": ["one\n", "two\n"]}, frame, error
            ),
            code("plot()", picture),
        ),
        Path("x.ipynb"),
    )
    assert [text for _, text, _ in outline(document)] == [
        "Text with ![plot](data:) inside",
        "```python\nshow()\n```",
        "```output\none\ntwo\n   a\n0  1\nKeyError: 'b'\n```",
        "```python\nplot()\n```",
    ]


@pytest.mark.parametrize("printed", ["x" * 1_000_000, "line\n" * 10_000])
def test_long_outputs_are_bounded_and_counted(printed: str) -> None:
    document = parse_notebook(notebook(code("go()", {"output_type": "stream", "text": printed})), Path("x.ipynb"))
    output = outline(document)[1][1]
    assert len(output) < OUTPUT_CHARACTERS + 100
    assert output.count("\n") <= OUTPUT_LINES + 3
    shown = output.split("\n…")[0].removeprefix("```output\n")
    left = int(output.split("… (")[1].split(" ")[0].replace(",", ""))
    assert len(shown) + left == len(printed.strip("\n"))


def test_the_older_format_is_read() -> None:
    old = {
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": ["Old heading"]},
                    {
                        "cell_type": "code",
                        "language": "python",
                        "input": ["print(1)"],
                        "outputs": [{"output_type": "pyout", "text": ["1"]}],
                    },
                    {"cell_type": "markdown", "source": "words"},
                ]
            }
        ],
        "metadata": {"name": "Old"},
        "nbformat": 3,
    }
    document = parse_notebook(json.dumps(old).encode(), Path("x.ipynb"))
    assert document.title == "Old"
    assert outline(document) == [
        ("heading", "## Old heading", ()),
        ("code", "```python\nprint(1)\n```", ("Old heading",)),
        ("code", "```output\n1\n```", ("Old heading",)),
        ("paragraph", "words", ("Old heading",)),
    ]


def test_front_matter_of_the_first_cell_is_metadata() -> None:
    head = {"cell_type": "raw", "source": "---\ntitle: Quarto\ndate: 2024-05-01\n---\n"}
    document = parse_notebook(notebook(head, markdown("Text.")), Path("x.ipynb"))
    assert (document.title, document.metadata["date"], document.text) == ("Quarto", "2024-05-01", "Text.")


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (b'{"cells": [}', "Damaged notebook"),
        (b"[" * 100_000, "Damaged notebook"),
        (b"[1, 2]", "Not a notebook"),
        (b'{"a": 1}', "Not a notebook"),
        (notebook(), "No text"),
        (b'{"cells": [1, {"cell_type": 2, "source": {"a": 1}}], "metadata": [' + b"1" * 10_000 + b"]}", "No text"),
    ],
)
def test_what_is_no_notebook_is_one_clear_line(tmp_path: Path, content: bytes, title: str) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    with pytest.raises(ParseError) as caught:
        parse_file(path)
    assert caught.value.title == title
    assert caught.value.hint and "\n" not in caught.value.message


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "cell_type": st.sampled_from(["markdown", "code", "raw", "heading", None]),
                "source": st.one_of(
                    st.text(alphabet="ab#-`>|~\n \x1b\u2028", max_size=60), st.lists(st.text(max_size=5)), st.none()
                ),
                "outputs": st.one_of(
                    st.none(), st.lists(st.dictionaries(st.sampled_from(["text", "data", "output_type"]), st.text()))
                ),
            }
        ),
        max_size=5,
    )
)
def test_blocks_are_in_order_whatever_the_cells(check_invariants: Check, cells: list[dict[str, Any]]) -> None:
    try:
        document = parse_notebook(notebook(*cells), Path("x.ipynb"))
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)
