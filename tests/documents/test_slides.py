"""PPTX: decks made with python-pptx, whole, odd and damaged."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ragterm.engine.documents.parsers import parse_file
from ragterm.engine.documents.slide_shapes import Placed, in_reading_order
from ragterm.engine.documents.slides import parse_slides
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def saved(deck: Any) -> bytes:
    out = io.BytesIO()
    deck.save(out)
    return out.getvalue()


def parse(deck: Any) -> ParsedDocument:
    return parse_slides(deck if isinstance(deck, bytes) else saved(deck), Path("deck.pptx"))


def slide(deck: Any, layout: int, title: str = "") -> Any:
    made = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        made.shapes.title.text = title
    return made


def box(on: Any, text: str, left: float, top: float, width: float = 2, height: float = 1) -> Any:
    made = on.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(height))
    made.text_frame.text = text
    return made


def texts(document: ParsedDocument) -> list[tuple[str, int | None, str]]:
    return [(b.kind, b.page, document.text[b.start : b.end]) for b in document.blocks]


def changed(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return out.getvalue()


def usual() -> Any:
    deck = Presentation()
    deck.core_properties.title = "Plan"
    deck.core_properties.author = "Ann"
    first = slide(deck, 1, "Aims")
    frame = first.placeholders[1].text_frame
    frame.text = "Grow"
    below = frame.add_paragraph()
    below.text, below.level = "slowly", 1
    first.notes_slide.notes_text_frame.text = "Smile."
    second = slide(deck, 4, "Compare")
    for at, text in ((1, "Before"), (2, "worse"), (3, "After"), (4, "better")):
        second.placeholders[at].text = text
    return deck


def test_titles_lists_columns_and_notes(check_invariants: Check) -> None:
    document = parse(usual())
    check_invariants(document)
    assert (document.title, document.metadata["author"], document.pages, document.kind) == ("Plan", "Ann", 2, "pptx")
    assert texts(document) == [
        ("heading", 1, "Aims"),
        ("list", 1, "- Grow\n  - slowly"),
        ("paragraph", 1, "Speaker notes: Smile."),
        ("heading", 2, "Compare"),
        ("paragraph", 2, "Before"),
        ("list", 2, "- worse"),
        ("paragraph", 2, "After"),
        ("list", 2, "- better"),
    ]
    assert document.blocks[1].section == ("Aims",) and document.blocks[-1].section == ("Compare",)


def test_tables_charts_groups_and_pictures(check_invariants: Check) -> None:
    deck = Presentation()
    page = slide(deck, 5, "Numbers")
    cells = page.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(3), Inches(1)).table
    for at, text in enumerate(("Region", "Sales", "East", "19", "", "20")):
        cells.cell(at // 2, at % 2).text = text
    cells.cell(1, 0).merge(cells.cell(2, 0))
    cells.cell(2, 0).text = "under the merged cell"
    data = CategoryChartData()
    data.categories = ["Spring", "Autumn"]
    data.add_series("2023", (19.2, 21.0))
    data.add_series("2024", (0.1 + 0.2, None))
    chart = page.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(4), Inches(3), Inches(1), data
    ).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Visitors"
    points = XyChartData()
    points.add_series("Points").add_data_point(1, 2)
    page.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, Inches(1), Inches(5.5), Inches(3), Inches(1), points)
    group = page.shapes.add_group_shape()
    for text, left in (("right of the group", 6), ("left of the group", 1)):
        inner = group.shapes.add_textbox(Inches(left), Inches(7), Inches(1), Inches(0.3))
        inner.text_frame.text = text
    document = parse(deck)
    check_invariants(document)
    assert [(kind, text) for kind, _, text in texts(document)] == [
        ("heading", "Numbers"),
        ("table", "Region | Sales\nEast | 19\n | 20"),
        ("caption", "Visitors"),
        ("table", "| 2023 | 2024\nSpring | 19.2 | 0.3\nAutumn | 21 |"),
        ("caption", "Points"),
        ("paragraph", "left of the group"),
        ("paragraph", "right of the group"),
    ]


def test_hidden_and_untitled_slides_and_what_is_on_every_slide() -> None:
    deck = Presentation()
    page = slide(deck, 6)
    page._element.set("show", "0")
    box(page, "B", 5, 1)
    box(page, "A", 1, 1)
    slide(deck, 6)
    document = parse(deck)
    assert document.warnings == ("hidden in the presentation, and read: slide 1",)
    assert texts(document) == [("paragraph", 1, "A"), ("paragraph", 1, "B")]
    assert {block.section for block in document.blocks} == {("Slide 1",)}
    assert document.pages == 2


def test_footers_dates_and_numbers_of_slides_are_left_out() -> None:
    document = parse(changed(saved(usual()), lambda _, c: c.replace(b'<p:ph idx="1"/>', b'<p:ph idx="1" type="ftr"/>')))
    assert "Grow" not in document.text and "worse" in document.text


def placed(name: str, left: int, top: int, right: int, bottom: int, out: list[str]) -> Placed:
    return Placed(left, top, right, bottom, lambda: out.append(name))


@pytest.mark.parametrize(
    ("boxes", "order"),
    [
        # two columns, headings touching their texts: column by column
        ([("d", 60, 20, 100, 90), ("b", 0, 20, 50, 90), ("c", 60, 10, 100, 20), ("a", 0, 10, 50, 20)], "abcd"),
        # rows of cards with little between the columns: row by row
        ([("d", 51, 60, 100, 90), ("a", 0, 10, 50, 40), ("c", 0, 60, 50, 90), ("b", 51, 10, 100, 40)], "abcd"),
        # a banner over both columns
        ([("c", 60, 20, 100, 90), ("b", 0, 20, 50, 90), ("a", 0, 0, 100, 15)], "abc"),
        # boxes that overlap: from top to bottom
        ([("b", 5, 5, 50, 50), ("a", 0, 0, 40, 40)], "ab"),
    ],
)
def test_reading_order(boxes: list[tuple[str, int, int, int, int]], order: str) -> None:
    out: list[str] = []
    for one in in_reading_order([placed(*spec, out) for spec in boxes]):
        one.write()
    assert "".join(out) == order


def test_shows_and_templates_are_decks_too() -> None:
    kind = b"presentationml.presentation.main+xml"
    document = parse(changed(saved(usual()), lambda _, c: c.replace(kind, b"presentationml.slideshow.main+xml")))
    assert "Grow" in document.text


def test_one_broken_slide_does_not_cost_the_others(check_invariants: Check) -> None:
    data = saved(usual())
    cut = changed(data, lambda name, c: c[: len(c) // 2] if name == "ppt/slides/slide1.xml" else c)
    gone = changed(data, lambda name, c: None if name == "ppt/slides/slide1.xml" else c)
    for damaged in (cut, gone):
        document = parse(damaged)
        check_invariants(document)
        assert "better" in document.text and document.warnings
        assert document.blocks[-1].page == 2
    assert any("slide 1 is damaged" in warning for warning in parse(gone).warnings)


def test_a_slide_without_what_it_must_have_is_read_in_part() -> None:
    data = changed(saved(usual()), lambda name, c: c.replace(b"<a:t>slowly</a:t>", b"") if "slide1" in name else c)
    document = parse(data)
    assert "better" in document.text and document.warnings == ("slide 1 is damaged and was read in part",)


def test_entities_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'

    def plant(name: str, content: bytes) -> bytes:
        if name != "ppt/slides/slide1.xml":
            return content
        head, rest = content.split(b"?>", 1)
        return head + b"?>" + bomb + rest.replace(b"Grow", b"Grow &b;")

    assert "aaaaaaaaaa" not in parse(changed(saved(usual()), plant)).text


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"no zip", "Damaged PPTX"),
        (b"\xd0\xcf\x11\xe0" + bytes(99) + "EncryptedPackage".encode("utf-16-le"), "Password protected"),
        (saved(Presentation()), "No text"),
        (changed(saved(usual()), lambda name, c: None if name.endswith("presentation.xml") else c), "Damaged PPTX"),
        (
            changed(saved(usual()), lambda name, c: None if name.startswith("ppt/") else c),
            "Not a PowerPoint presentation",
        ),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, title: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.title == title and caught.value.message and caught.value.hint


def test_a_deck_named_docx_is_read_as_a_deck(tmp_path: Path) -> None:
    (tmp_path / "deck.docx").write_bytes(saved(usual()))
    assert parse_file(tmp_path / "deck.docx").kind == "pptx"


@pytest.mark.data
def test_real_decks(data: Path, check_invariants: Check) -> None:
    read = {path.name: parse_file(path) for path in sorted((data / "files" / "other").glob("*.pptx"))}
    for document in read.values():
        check_invariants(document)
    assert read["fake-power-point-malformed.pptx"].text == "Test Slide"
    assert sorted(read["group-shapes-nested.pptx"].text.split()) == list("ABCDEFGHIJ")
