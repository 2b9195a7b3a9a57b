"""JSON and JSON Lines: values become lines, paragraphs and sections, and nothing in a file is too deep or too broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragterm.engine.documents import json_files
from ragterm.engine.documents.json_files import parse_json
from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def parse(value: Any, name: str = "x.json") -> ParsedDocument:
    return parse_json(value if isinstance(value, bytes) else json.dumps(value).encode(), Path(name))


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


def test_members_are_lines_and_what_is_large_has_a_section(check_invariants: Check) -> None:
    document = parse(
        {
            "name": "shop",
            "description": "Sells books",
            "server": {"host": "localhost", "ports": [80, 443], "tls": {"on": True, "key": None}},
            "pages": {f"page{n}": {"path": f"/{n}", "title": f"Page {n}"} for n in range(12)},
            "about": "A long story. " * 40,
        }
    )
    check_invariants(document)
    assert (document.title, document.metadata) == ("shop", {"description": "Sells books"})
    blocks = outline(document)
    assert blocks[0] == (
        "list",
        "- name: shop\n- description: Sells books\n- server.host: localhost\n- server.ports: 80, 443\n- server.tls.on: true\n"
        "- server.tls.key: null",
        (),
    )
    assert blocks[1] == ("paragraph", "about: " + ("A long story. " * 40).strip(), ())
    assert blocks[2] == ("heading", "pages", ())
    assert blocks[3][2] == ("pages",)
    assert "- page11.title: Page 11" in blocks[3][1]


def test_records_are_blocks_that_say_which_they_are() -> None:
    records = [{"id": 7, "name": "Ann", "tags": ["a", "b"], "at": {"city": "Paris"}}, {"id": 8, "bio": "line\nline"}]
    expected = [
        ("list", "- id: 7\n- name: Ann\n- tags: a, b\n- at.city: Paris", ("record 1: Ann",)),
        ("list", "- id: 8", ("record 2: 8",)),
        ("paragraph", "bio: line\nline", ("record 2: 8",)),
    ]
    assert outline(parse(records)) == expected
    lines = "\n\n".join(json.dumps(record) for record in records).encode()
    for name in ("x.jsonl", "x.ndjson", "x.json"):
        assert [text for _, text, _ in outline(parse(lines, name))] == [text for _, text, _ in expected]
    assert outline(parse(lines, "x.jsonl"))[0][2] == ("line 1: Ann",)


def test_a_broken_line_costs_that_line() -> None:
    document = parse(b'{"a": 1}\n{"a": \n\n"text"\n[1, 2]\n{"a": 2} trailing\n', "x.jsonl")
    assert [text for _, text, _ in outline(document)] == ["- a: 1", "- text", "- 1, 2"]
    assert document.warnings == ("lines 2, 6 left out: no valid JSON",)


def test_what_a_cut_off_dump_holds_is_read() -> None:
    document = parse(b'[{"a": 1},\n{"a": 2},\n{"a')
    assert [text for _, text, _ in outline(document)] == ["- a: 1", "- a: 2"]
    assert "line 3" in document.warnings[0]


def test_numbers_keep_their_spelling_and_repeated_keys_their_values() -> None:
    document = parse(b'{"n": 12.50, "big": 1e999, "long": ' + b"9" * 6000 + b', "nan": NaN, "k": 1, "k": 2}')
    assert document.text.startswith("- n: 12.50\n- big: 1e999")
    assert document.text.endswith("- nan: NaN\n- k: 1\n- k: 2")
    assert "9" * 6000 in document.text


def test_comments_and_trailing_commas_are_forgiven() -> None:
    document = parse(b'// settings\n{\n  "url": "http://x/*y", /* why */\n  "list": [1, 2,],\n}\n')
    assert (document.text, document.warnings) == ("- url: http://x/*y\n- list: 1, 2", ())


def test_what_is_no_json_is_read_as_text_and_says_where_it_breaks() -> None:
    document = parse(b'{"a": 1,\n "b" 2}')
    assert (document.kind, document.text) == ("json", '{"a": 1,\n "b" 2}')
    assert document.warnings == ("no valid JSON (line 2, column 6: Expecting ':' delimiter): read as plain text",)


def test_vectors_and_encoded_data_are_left_out_with_a_word() -> None:
    document = parse(
        {"v": [0.5] * 500, "map": {"at": [[1.5, 2.5], [3, 4]]}, "png": "iVBORw0K" * 100, "hash": "ab" * 20}
    )
    assert document.text.split("\n") == [
        "- v: " + "0.5, " * 16 + "… (500 numbers)",
        "- map.at: 1.5, 2.5, 3, 4",
        "- png: (800 characters of encoded data)",
        "- hash: " + "ab" * 20,
    ]
    assert document.warnings == ("1 encoded value was left out", "1 long list of numbers cut short")


def test_a_lock_file_is_a_table_of_packages() -> None:
    lock = {
        "name": "app",
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "app"},
            "node_modules/a": {"version": "1.0.0", "license": "MIT", "integrity": "sha512-x"},
            "node_modules/a/node_modules/@s/b": {"version": "2.0.0", "resolved": "https://x"},
        },
    }
    assert outline(parse(lock, "package-lock.json")) == [
        ("table", "package | version | license\na | 1.0.0 | MIT\n@s/b | 2.0.0 |", ())
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'["' + b'\\"' * 500_000,
        b"{" + b"/*" * 500_000,
        b"[" + b'{"' + b"k" * 10_000 + b'":{"a":[{"b":[{"c":1}]}]}},' * 20 + b"1]",
        b'{"a":[' + b"[]," * 100_000 + b"1]}",
    ],
    ids=["brackets", "open objects", "deep objects", "open string", "open comments", "long keys", "empty lists"],
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_hostile_files_end_in_text_or_in_a_reason(check_invariants: Check, content: bytes, name: str) -> None:
    document = parse(content, name)
    check_invariants(document)
    assert len(document.text) < 4 * len(content)


def test_the_rendering_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch, check_invariants: Check) -> None:
    monkeypatch.setattr(json_files, "TEXT_LIMIT", 1000)
    document = parse([{"n": n, "text": "words " * 10} for n in range(100)])
    check_invariants(document)
    assert 900 < len(document.text) <= 1002
    assert any("only the beginning" in warning for warning in document.warnings)


def test_of_a_file_beyond_the_limit_whole_records_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "READ_LIMIT", 100)
    for name, content in (
        ("x.jsonl", b'{"word": "caf\xc3\xa9"}\n' * 20),
        ("x.json", b"[" + b'{"word": "caf\xc3\xa9"},\n' * 20 + b"1]"),
    ):
        document = parse(content, name)
        assert {text for _, text, _ in outline(document)} == {"- word: café"}
        assert len(document.warnings) == 1
    with pytest.raises(ParseError, match="in one JSON object"):
        parse(b'{"a": "' + b"x" * 200 + b'"}')


@pytest.mark.data
def test_real_files(data: Path, check_invariants: Check) -> None:
    folder = data / "files" / "other"
    json_twin, lines_twin = (
        parse_file(folder / "arbitrary-records.json"),
        parse_file(folder / "arbitrary-records.ndjson"),
    )
    assert json_twin.text == lines_twin.text
    for path in (*folder.glob("*.json"), *folder.glob("*.ndjson")):
        document = parse_file(path)
        check_invariants(document)
        assert document.kind == "json"
        for record in path.read_text().splitlines() if path.suffix == ".ndjson" else []:
            for value in json.loads(record).values():
                assert isinstance(value, dict) or str(value).lower() in document.text.lower()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=20,
)


@settings(deadline=None, max_examples=80)
@given(VALUES)
@example({"\x9b": "@"})
@example(["\x1b[", "m and more"])
def test_every_word_of_any_value_is_in_the_text(check_invariants: Check, value: Any) -> None:
    """Independent of the rendering: each string leaf, cleaned of white space at its ends, stands in the text."""
    from ragterm.engine.documents.clean import canonical

    leaves: list[str] = []

    def gather(one: Any) -> None:
        if isinstance(one, dict):
            for below in one.values():
                gather(below)
        elif isinstance(one, list):
            for below in one:
                gather(below)
        elif isinstance(one, str):
            leaves.append(canonical(one))

    gather(value)
    try:
        document = parse(value)
    except ParseError as error:
        assert error.title == "No text"
        return
    if document.parser == "json":
        check_invariants(document)
        squeezed = "".join(document.text.split())
        assert all("".join(leaf.split()) in squeezed for leaf in leaves)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet='{}[]":,/*\\ \n1ea.-n', max_size=80), st.sampled_from(["x.json", "x.jsonl"]))
def test_any_text_is_read_or_refused(check_invariants: Check, text: str, name: str) -> None:
    try:
        document = parse(text.encode(), name)
    except ParseError as error:
        assert error.title in ("No text", "Not a text file")
    else:
        check_invariants(document)
