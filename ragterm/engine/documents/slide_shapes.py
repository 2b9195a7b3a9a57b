"""The shapes of one slide as blocks, in the order in which a person reads them.

Order: the title, then the rest by recursive cuts through the widest gap that runs through the whole slide, across or down (the
XY-cut of Nagy and Seth 1984, with the widest gap first as Ha, Haralick and Phillips 1995 have it): two columns under headings of
their own are read one after the other, rows of boxes row by row. A group is read as one shape.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.packages import parse_xml
from ragterm.engine.documents.tables import cell_text, table_text

if TYPE_CHECKING:
    Element = Any

log = logging.getLogger(__name__)

_MAX_CUT = 300
"""Shapes beyond which a slide is a drawing and is read from top to bottom."""
_MAX_CHART_ROWS = 500
_MAX_DEPTH = 40
_AUTOMATIC = re.compile(
    r"(?:picture|image|grafik|bild|graphic|shape|logo|screenshot)?[\s\d]*|.*\.(?:png|jpe?g|gif|emf|wmf|svg|bmp|tiff?)",
    re.IGNORECASE,
)
_GENERATED = re.compile(
    r"\s*(?:Description|Beschreibung) automatically generated.*|\s*AI-generated content.*", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Placed:
    """Something on a slide: its rectangle (English Metric Units) and how it is written."""

    left: int
    top: int
    right: int
    bottom: int
    write: Callable[[], None]


class SlideWriter:
    """Writes slides one after the other. After each, `has_text` and `pictures` say what was on it."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.has_text = False
        self.pictures = 0
        self._builder = builder
        self._page = 0

    def add(self, slide: Any, page: int, *, level: int) -> None:
        self._page = page
        self.pictures = 0
        before = len(self._builder.blocks)
        title = _title(slide)
        text = " ".join(_text(title.text_frame).split()) if title is not None else ""
        if text:
            self._builder.add("heading", text, page=page, level=level)
        else:
            self._builder.sections.enter(level, f"Slide {page}")
        for placed in in_reading_order(list(self._placed(slide.shapes, title, 0))):
            placed.write()
        self.has_text = len(self._builder.blocks) > before
        self._notes(slide)

    def _placed(self, shapes: Any, title: Any | None, depth: int) -> Iterator[Placed]:
        for shape in shapes:
            if title is not None and shape.shape_id == title.shape_id and shape._element is title._element:
                continue
            if write := self._writer(shape, depth):
                yield _place(shape, write)
        for element in shapes._element:
            if str(element.tag).endswith("}AlternateContent"):
                yield from self._alternative(element)

    def _writer(self, shape: Any, depth: int) -> Callable[[], None] | None:
        if _is_running(shape):
            return None
        if hasattr(shape, "shapes"):
            if depth >= _MAX_DEPTH:
                return None
            inner = in_reading_order(list(self._placed(shape.shapes, None, depth + 1)))
            return (lambda: _write_all(inner)) if inner else None
        if getattr(shape, "has_table", False):
            return lambda: self._table(shape.table)
        if getattr(shape, "has_chart", False):
            return lambda: self._chart(shape)
        if shape.has_text_frame and shape.text_frame.text.strip():
            return lambda: self._frame(shape)
        if any(True for _ in shape._element.iter("{*}relIds")):
            return lambda: self._diagram(shape)
        if any(True for _ in shape._element.iter("{*}blip")):
            self.pictures += 1
            return lambda: self._picture(shape)
        return None

    def _alternative(self, element: Element) -> Iterator[Placed]:
        """What a newer PowerPoint wrote beside a picture for older ones, which the library passes over: its text."""
        choice = next(element.iter("{*}Choice"), None)
        if choice is None:
            return
        texts = ["".join(run.text or "" for run in paragraph.iter("{*}t")) for paragraph in choice.iter("{*}p")]
        text = "\n".join(filter(str.strip, texts))
        offset = next(choice.iter("{*}off"), None)
        if text:
            left, top = (_number(offset.get("x")), _number(offset.get("y"))) if offset is not None else (0, 0)
            yield Placed(left, top, left + 1, top + 1, lambda: self._add("paragraph", text))

    def _add(self, kind: Any, text: str) -> None:
        self._builder.add(kind, text, page=self._page)

    def _frame(self, shape: Any) -> None:
        """Paragraphs: those with a mark before them are items of a list."""
        lines: list[str] = []
        counters: dict[int, int] = {}
        bulleted = _has_bullets(shape)
        for paragraph in shape.text_frame.paragraphs:
            text = paragraph.text.replace("\v", " ").strip()
            if not text:
                continue
            mark = _mark(paragraph._p, bulleted)
            if not mark and not paragraph.level:
                self._end_list(lines)
                counters.clear()
                self._add("paragraph", paragraph.text.replace("\v", "\n"))
                continue
            level = paragraph.level
            if mark == "1.":
                counters[level] = counters.get(level, 0) + 1
                mark = f"{counters[level]}."
            for deeper in [one for one in counters if one > level]:
                del counters[deeper]
            lines.append(f"{'  ' * level}{mark or '-'} {text}")
        self._end_list(lines)

    def _end_list(self, lines: list[str]) -> None:
        if lines:
            self._add("list", "\n".join(lines))
            lines.clear()

    def _table(self, table: Any) -> None:
        rows = [["" if cell.is_spanned else _text(cell.text_frame) for cell in row.cells] for row in table.rows]
        self._add("table", table_text(rows))

    def _chart(self, shape: Any) -> None:
        """Its title, and the numbers that it draws as a table: categories down, series across."""
        try:
            chart = shape.chart
            title = _text(chart.chart_title.text_frame) if chart.has_title and chart.chart_title.has_text_frame else ""
            tables = [_chart_rows(plot) for plot in chart.plots]
        except (KeyError, ValueError, AttributeError, TypeError, NotImplementedError, IndexError) as error:
            log.info("a chart was left out: %s", error)
            self._builder.warnings.append(f"a chart on slide {self._page} could not be read")
            return
        self._add("caption", title)
        for rows in tables:
            self._add("table" if len(rows) > 1 else "caption", table_text(rows))

    def _diagram(self, shape: Any) -> None:
        """SmartArt: the texts of its nodes, which stand in a part of their own."""
        relation = next(shape._element.iter("{*}relIds"))
        key = next((value for name, value in relation.attrib.items() if name.endswith("}dm")), "")
        try:
            tree, _ = parse_xml(shape.part.related_part(key).blob)
        except KeyError:
            return
        lines = []
        for point in tree.iter("{*}pt") if tree is not None else ():
            if point.get("type") in (None, "node", "asst"):
                text = " ".join("".join(run.text or "" for run in p.iter("{*}t")) for p in point.iter("{*}p")).strip()
                if text:
                    lines.append(f"- {text}")
        self._add("list", "\n".join(lines))

    def _picture(self, shape: Any) -> None:
        properties = next(shape._element.iter("{*}cNvPr"), None)
        text = _GENERATED.sub("", (properties.get("descr") or "") if properties is not None else "").strip()
        if text and not _AUTOMATIC.fullmatch(text):
            self._add("caption", text)

    def _notes(self, slide: Any) -> None:
        try:
            frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        except (KeyError, AttributeError, ValueError, TypeError):
            return
        text = frame.text.replace("\v", "\n").strip() if frame is not None else ""
        if text:
            self._add("paragraph", f"Speaker notes: {text}")


def _write_all(inner: Sequence[Placed]) -> None:
    for placed in inner:
        placed.write()


def _title(slide: Any) -> Any | None:
    try:
        title = slide.shapes.title
    except (AttributeError, ValueError, KeyError):
        return None
    return title if title is not None and title.has_text_frame else None


def _is_running(shape: Any) -> bool:
    """Date, footer and slide number, the same on every slide."""
    kind = next((one.get("type") for one in shape._element.iter("{*}ph")), None) if shape.is_placeholder else None
    return kind in ("dt", "ftr", "sldNum", "hdr")


def _place(shape: Any, write: Callable[[], None]) -> Placed:
    try:
        left, top, width, height = (int(value or 0) for value in (shape.left, shape.top, shape.width, shape.height))
    except (KeyError, ValueError, AttributeError, TypeError):
        left = top = width = height = 0
    return Placed(left, top, left + max(width, 1), top + max(height, 1), write)


def _text(frame: Any) -> str:
    return " ".join(filter(None, (p.text.replace("\v", " ").strip() for p in frame.paragraphs)))


def _has_bullets(shape: Any) -> bool:
    """Whether the paragraphs of a shape have marks unless they say otherwise: bodies of slides do, unless their layout does not."""
    if not shape.is_placeholder:
        return _list_style(shape._element) is True
    try:
        above = shape._base_placeholder
    except (AttributeError, KeyError):
        above = None
    for element in (shape._element, above._element if above is not None else None):
        found = _list_style(element) if element is not None else None
        if found is not None:
            return found
    kind = next((one.get("type") for one in shape._element.iter("{*}ph")), None)
    return kind in (None, "body", "obj")


def _list_style(element: Element) -> bool | None:
    style = next(element.iter("{*}lvl1pPr"), None)
    return _own_mark(style)


def _own_mark(properties: Element | None) -> bool | None:
    for one in properties if properties is not None else ():
        name = str(one.tag).rpartition("}")[2]
        if name in ("buChar", "buAutoNum", "buBlip"):
            return True
        if name == "buNone":
            return False
    return None


def _mark(paragraph: Element, bulleted: bool) -> str:
    properties = paragraph.pPr
    own = _own_mark(properties)
    if own is False or (own is None and not bulleted):
        return ""
    numbered = properties is not None and any(str(one.tag).endswith("}buAutoNum") for one in properties)
    return "1." if numbered else "-"


def _chart_rows(plot: Any) -> list[list[str]]:
    series = list(plot.series)[:50]
    values = [list(one.values)[:_MAX_CHART_ROWS] for one in series]
    labels = [" ".join(map(str, path)) for path in plot.categories.flattened_labels][:_MAX_CHART_ROWS]
    if not labels:
        return [[one.name for one in series]]
    rows = [["", *(one.name for one in series)]]
    for at, label in enumerate(labels):
        rows.append([label, *(cell_text(column[at]) if at < len(column) else "" for column in values)])
    return rows


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdigit() else 0


def in_reading_order(shapes: list[Placed]) -> list[Placed]:
    """By recursive cuts through the widest gap; what no gap divides from top to bottom, then from left to right."""
    by_place = sorted(shapes, key=lambda one: (one.top, one.left))
    if len(shapes) > _MAX_CUT:
        return by_place
    if len(shapes) < 2:
        return shapes
    down, at_down = _widest_gap([(one.top, one.bottom) for one in shapes])
    across, at_across = _widest_gap([(one.left, one.right) for one in shapes])
    if at_down is None and at_across is None:
        return by_place
    if at_down is not None and (at_across is None or down >= across):
        first = [one for one in shapes if one.bottom <= at_down]
    else:
        assert at_across is not None
        first = [one for one in shapes if one.right <= at_across]
    taken = set(map(id, first))
    rest = [one for one in shapes if id(one) not in taken]
    return in_reading_order(first) + in_reading_order(rest)


def _widest_gap(spans: list[tuple[int, int]]) -> tuple[int, int | None]:
    """(width, where the gap begins) of the widest gap between spans; two that only touch have one of no width."""
    best: tuple[int, int | None] = (-1, None)
    reach: int | None = None
    for start, end in sorted(spans):
        if reach is not None and start >= reach and start - reach > best[0]:
            best = (start - reach, reach)
        reach = end if reach is None else max(reach, end)
    return best
