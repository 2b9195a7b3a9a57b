"""What stands beside the map: the layers of the graph, the steps of the walk, and the chunk behind a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.content import Content

from ragterm.ui.safe_text import line, shorten
from ragterm.ui.widgets.braille import SPARKS, sparkline
from ragterm.ui.widgets.citation import MUTED, file_name, place
from ragterm.ui.widgets.line_view import Line, LineView, spot, styled
from ragterm.ui.widgets.pick_list import PickList

if TYPE_CHECKING:
    from ragterm.engine.types.documents import Chunk, DocumentRow
    from ragterm.engine.types.graphs import GraphSummary, LayerSummary, Walk

ACTIONS = {"enter": "enter", "descend": "descend", "expand": "expand", "stop": "stop"}
TABLE_WIDTH = 60


class LayerTable(LineView):
    """One row a layer, the highest first, with a histogram of degrees; beside or below it what the graph is used for."""

    DEFAULT_CSS = """
    LayerTable { height: auto; max-height: 9; scrollbar-gutter: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.summary: GraphSummary | None = None
        self.level = 0

    def show(self, summary: GraphSummary, level: int) -> None:
        self.summary, self.level = summary, level
        self.relayout()

    def make_lines(self, width: int) -> list[Line]:
        summary = self.summary
        lines = table_lines(summary, self.level, width) if summary else [styled("Reading the graph…", MUTED)]
        if self.styles.height is None or self.styles.height.value != len(lines):
            self.styles.height = len(lines)
        return [Line(one) for one in lines]


def table_lines(summary: GraphSummary, level: int, width: int) -> list[Content]:
    said = note(summary)
    if not summary.layers:
        return [Content.assemble(*said)] if width > 200 else Content("").join(said).wrap(width)
    rows = [styled(f"{'layer':>7} {'nodes':>8} {'edges':>9}  {'degree':<12} degrees", "bold")]
    rows += [layer_row(one, one.level == level) for one in sorted(summary.layers, key=lambda one: -one.level)]
    beside = width - TABLE_WIDTH - 3
    if beside >= 48:
        notes = Content("").join(said).wrap(beside)
        height = max(len(rows), len(notes))
        rows += [Content("")] * (height - len(rows))
        notes += [Content("")] * (height - len(notes))
        edge = styled(" │ ", MUTED)
        return [
            Content.assemble(row.truncate(TABLE_WIDTH, pad=True), edge, beside)
            for row, beside in zip(rows, notes, strict=True)
        ]
    below = Content("").join(said).wrap(width)
    if len(below) > 2:  # what the graph is for matters more than how it was built
        below = Content("").join(said[:-1]).wrap(width)[:2]
    return [row.truncate(width) for row in rows] + below


def layer_row(layer: LayerSummary, chosen: bool) -> Content:
    top = max(layer.degree_histogram, default=0)
    counts = [layer.degree_histogram.get(degree, 0) for degree in range(top + 1)]
    degree = f"⌀{layer.mean_degree:.1f} max {layer.max_degree}"
    here = spot(f"layer:{layer.level}")
    text = f"{'▸' if chosen else ' '}{layer.level:>6} {layer.nodes:>8,} {layer.edges:>9,}  {degree:<12} "
    bars = sparkline(counts, max(1, TABLE_WIDTH - len(text) - 4))
    return Content.assemble(
        styled(text, "bold $text-accent" if chosen else "", here),
        styled("0", MUTED) if counts else "",
        styled(bars, "$accent"),
        styled(str(top), MUTED) if counts else "",
    )


def note(summary: GraphSummary) -> list[Content]:
    """What the graph is used for in this collection."""
    if not summary.nodes:
        return [styled("No graph yet: it grows while documents are ingested.", MUTED)]
    if not summary.ready:
        waiting = styled("The graph is being built; questions are answered by exact scan meanwhile.", "$text-warning")
        return [waiting, styled(f" {line(summary.note)}" if summary.note else "", MUTED)]
    parts: list[Content] = []
    if summary.answers_queries:
        parts.append(styled("Questions are answered by this graph. ", "bold"))
        parts.append(styled("Below: the walk of the last query.", MUTED))
    else:
        parts.append(styled("Questions are answered by exact scan: ", "bold $text-warning"))
        limit = f"{summary.nodes:,} chunks are few (the graph takes over above {summary.exact_limit:,}). "
        parts.append(styled(limit, MUTED))
        parts.append(styled("Below: a replay of the walk that the graph would take.", ""))
    built = f" M {summary.m}, ef {summary.ef_construction} at building"
    if summary.deleted:
        built += f", {summary.deleted:,} deleted"
    if summary.bytes:
        built += f", {summary.bytes / 1e6:,.1f} MB" if summary.bytes >= 1e6 else f", {summary.bytes / 1e3:,.0f} kB"
    if summary.note and summary.answers_queries:  # else it says once more that an exact scan answers
        parts.append(styled(f" {line(summary.note)}", MUTED))
    parts.append(styled(built + ".", MUTED))
    return parts


class StepList(PickList):
    """The steps of a walk; the cursor is the step that the map shows."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.walk: Walk | None = None

    def show(self, walk: Walk | None) -> None:
        self.walk = walk
        self.cursor = max(0, len(walk.steps) - 1) if walk else 0
        self.relayout()
        self.reveal(self.cursor)

    def make_heading(self, width: int) -> list[Line]:
        if self.walk is None or not self.walk.steps:
            return []
        head = f"{'step':>4} layer  {'':8}{'distance':>8} {'new':>4}" + (f" {'worst kept':>10}" if width > 46 else "")
        return [Line(frontier(self.walk, self.cursor, width)), Line(styled(head, "bold"))]

    def cursor_moved(self) -> None:
        self.heading = self.make_heading(self.scrollable_content_region.width or self.size.width)
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """A click on the chart goes to that step."""
        row = self.row_under(event)
        if row is not None and row < 0 and (name := self.spot_under(event)):
            event.stop()
            self.go_to(int(name.partition(":")[2]))

    def make_lines(self, width: int) -> list[Line]:
        if self.walk is None:
            said = "Ask in Chat, or type a query above, to see how the graph is searched for it."
            return [Line(c) for c in styled(said, MUTED).wrap(width)]
        if not self.walk.steps:
            return [Line(c) for c in styled("There was no graph to walk through.", MUTED).wrap(width)]
        lines = []
        for number, step in enumerate(self.walk.steps, 1):
            style = {"expand": "", "descend": "$text-secondary", "enter": "$text-warning", "stop": "$text-success"}.get(
                step.action, ""
            )
            content = Content.assemble(
                styled(f"{number:>4} {step.level:>5}  ", MUTED),
                styled(f"{ACTIONS.get(step.action, line(step.action)):<8}", style),
                f"{step.distance:>8.3f} ",
                styled(f"{'+' + str(len(step.visited)) if step.visited else '':>4}", "$text-accent"),
                styled(f" {step.beam:>10.3f}", MUTED) if width > 46 else "",
            )
            lines.append(Line(content.truncate(width, ellipsis=True)))
        return lines


def frontier(walk: Walk, step: int, width: int) -> Content:
    """The distance of the node that each step is at, as a chart of one line with the first and the last distance beside it: it falls
    quickly on the upper layers, and then slowly. Each column is a spot, "step:4"; that of `step` stands out."""
    steps = walk.steps
    first, last = f"{steps[0].distance:.2f} ", f" {steps[-1].distance:.2f}"
    columns = max(1, min(len(steps), width - len(first) - len(last)))
    low, high = min(one.distance for one in steps), max(one.distance for one in steps)
    parts = [styled(first, MUTED)]
    for column in range(columns):
        start, end = column * len(steps) // columns, (column + 1) * len(steps) // columns
        share = (min(one.distance for one in steps[start:end]) - low) / (high - low) if high > low else 0.0
        tone = "$text-primary" if steps[end - 1].level == 0 else "$text-warning"
        here = start <= step < end
        parts.append(
            styled(SPARKS[1 + round(7 * share)], "bold reverse $text-accent" if here else tone, spot(f"step:{start}"))
        )
    return Content.assemble(*parts, styled(last, MUTED))


def walk_summary(walk: Walk) -> Content:
    """ "98 of 420 distances, 4.3 times fewer than a full scan · found 10 of the 10 nearest"."""
    missed = [rank for rank, _, _ in walk.missed]
    hit = len(walk.exact) - len(missed)
    parts = [
        Content.assemble(
            styled(f"{walk.distances_computed:,} of {walk.nodes:,}", "bold"), styled(" distances computed", MUTED)
        )
    ]
    parts.append(
        styled(f"found {hit} of the {len(walk.exact)} nearest", "$text-success" if not missed else "$text-error")
    )
    if missed:
        parts.append(styled("missed: rank " + ", ".join(map(str, missed[:6])), "$text-error"))
    parts.append(styled(f"ef {walk.ef}", MUTED))
    if 0 < walk.distances_computed < walk.nodes:
        parts.append(styled(f"{walk.nodes / walk.distances_computed:.1f} times fewer than a full scan", MUTED))
    elif walk.steps:
        parts.append(styled("no fewer than a full scan: so few chunks need no graph", MUTED))
    return Content.styled(" · ", MUTED).join(parts)


class NodeDetail(LineView):
    """The chunk behind the node under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.key: int | None = None
        self.found: tuple[Chunk, DocumentRow] | None = None
        self.about = Content("")

    def show(self, key: int | None, found: tuple[Chunk, DocumentRow] | None, about: Content) -> None:
        self.key, self.found, self.about = key, found, about
        self.relayout()
        self.scroll_to(y=0, animate=False)

    def make_lines(self, width: int) -> list[Line]:
        if self.key is None:
            return [
                Line(c)
                for c in styled(
                    "Move over the map, or with the arrow keys, to read the chunk behind a node.", MUTED
                ).wrap(width)
            ]
        lines = [*self.about.wrap(width)] if self.about else []
        if self.found is None:
            lines.append(styled("…", MUTED))
        else:
            chunk, row = self.found
            lines += styled(place(file_name(row.path, row.title), chunk.page, chunk.section), "bold").wrap(width)
            lines += styled(chunk.text, "").wrap(width)
            lines.append(styled(shorten(row.path, width), MUTED))
        return [Line(one) for one in lines]
