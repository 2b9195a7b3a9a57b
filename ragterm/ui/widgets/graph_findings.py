"""What the Layers pane found out: the exact hits beside the graph's, the neighbours of a node, and the health of a layer.

Each is a list whose rows stand for nodes (`key_at`), so that the map can follow the cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from ragterm.ui.safe_text import line
from ragterm.ui.widgets.line_view import Line, styled
from ragterm.ui.widgets.map_picture import MISSED, RESULT, STYLES, SYMBOLS
from ragterm.ui.widgets.pick_list import PickList
from ragterm.ui.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ragterm.engine.types.graphs import Explanation, GraphHealth, Miss, Standing, Walk

MUTED = "$text-muted"
WIDE = 44


class NodeRows(PickList):
    """A list whose row `i` stands for the node `keys[i]` (None: for none)."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.keys: list[int | None] = []

    def key_at(self, index: int) -> int | None:
        return self.keys[index] if 0 <= index < len(self.keys) else None


# --- ANN miss or embedding miss? ----------------------------------------------------------------------------------------------


def verdict(walk: Walk) -> Content:
    """Whose fault it is when a passage is not among the results."""
    if not walk.exact:
        return styled("There is nothing to find.", MUTED)
    if missed := walk.missed:
        much = f"{len(missed)} ANN {'miss' if len(missed) == 1 else 'misses'} of {len(walk.exact)}"
        return Content.assemble(
            styled(much, STYLES[MISSED]), styled(": the graph lost what the vectors had found.", "")
        )
    return Content.assemble(
        styled("No ANN miss", STYLES[RESULT]),
        styled(f": the graph found the {len(walk.exact)} nearest. What you miss here, the embedding misses.", ""),
    )


def told(miss: Miss, walk: Walk) -> str:
    """One miss in words: where the way turned off, and what would find it."""
    if miss.smallest_ef is None and miss.fails_at >= walk.nodes:
        return "No way leads there from the entry point: no ef finds it."
    if miss.smallest_ef is None:
        return f"No search up to ef {miss.fails_at:,} finds it."
    found = f"ef {miss.smallest_ef:,} finds it ({miss.fails_at:,} does not)."
    if miss.turned_at is None or miss.through is None:
        return found
    beam = walk.steps[miss.turned_at].beam
    if miss.through == miss.key:
        return f"Met, at {miss.distance:.3f}, and dropped at step {miss.turned_at + 1}: the beam kept up to {beam:.3f}. {found}"
    return (
        f"The way leads through node {miss.through}. Step {miss.turned_at + 1} turned away: that node is at {miss.distance:.3f}, "
        f"and the beam kept up to {beam:.3f}. {found}"
    )


def placed(standing: Standing, k: int, found: bool) -> Content:
    """Where a chunk that is not among the exact hits truly stands."""
    stands = f"truly #{standing.rank:,} of {standing.nodes:,}, cosine {standing.cosine:.3f}"
    if standing.rank > k and not found:
        return styled(
            f"{stands}: no ef brings it into the first {k}; if it belongs there, the embedding misses it",
            "$text-warning",
        )
    return styled(stands, MUTED)


class ExactList(NodeRows):
    """The true nearest, best first: found by the graph, or missed and why."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.walk: Walk | None = None
        self.misses: dict[int, Miss] | None = None

    def show(self, walk: Walk | None, explanation: Explanation | None) -> None:
        self.walk = walk
        self.misses = {miss.key: miss for miss in explanation.misses} if explanation is not None else None
        self.keys = [key for key, _ in walk.exact] if walk is not None else []
        self.relayout()

    def make_heading(self, width: int) -> list[Line]:
        if self.walk is None:
            return []
        head = f"{'#':>3}   cosine  " + ("turned away   found by" if width > WIDE else "turned    ef")
        return [*(Line(one) for one in verdict(self.walk).wrap(max(width, 8))), Line(styled(head, "bold"))]

    def make_lines(self, width: int) -> list[Line]:
        if self.walk is None:
            said = "Ask, or type a query above: here the true nearest stand beside what the graph found."
            return [Line(one) for one in styled(said, MUTED).wrap(max(width, 8))]
        place = {key: rank for rank, (key, _) in enumerate(self.walk.results, 1)}
        missed = {key for _, key, _ in self.walk.missed}
        lines = []
        for rank, (key, cosine) in enumerate(self.walk.exact, 1):
            ink = MISSED if key in missed else RESULT
            if key in place:
                said = styled(f"found as #{place[key]}", MUTED)
            elif key not in missed:
                said = styled("ties with a result", MUTED)
            else:
                said = styled(self._why(key, width > WIDE), "$text-error")
            row = Content.assemble(
                styled(f"{rank:>3} ", ""), styled(SYMBOLS[ink], STYLES[ink]), f"  {cosine:.3f}  ", said
            )
            lines.append(Line(row.truncate(width, ellipsis=True)))
        return lines

    def _why(self, key: int, wide: bool) -> str:
        if self.misses is None or key not in self.misses:
            return "looking for the way…"
        miss = self.misses[key]
        if miss.smallest_ef is None:
            return (
                "no way leads there"
                if self.walk is None or miss.fails_at >= self.walk.nodes
                else f"not by {miss.fails_at}"
            )
        at = f"step {miss.turned_at + 1}" if miss.turned_at is not None else "–"
        return f"{at:<13} ef {miss.smallest_ef}" if wide else f"{at:<9} {miss.smallest_ef}"


# --- Walking by hand ----------------------------------------------------------------------------------------------------------


class NeighbourList(NodeRows):
    """The neighbours of the node under the cursor, nearest first; Enter goes to one, backspace back."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.here: int | None = None
        self.level = 0
        self.near: Sequence[tuple[int, float]] = ()
        self.labels: Mapping[int, str] = {}
        self.trail: Sequence[int] = ()

    def show(
        self,
        here: int | None,
        level: int,
        near: Sequence[tuple[int, float]],
        labels: Mapping[int, str],
        trail: Sequence[int],
    ) -> None:
        if here != self.here:
            self.cursor = 0
        self.here, self.level, self.near, self.labels, self.trail = here, level, near, labels, trail
        self.keys = [key for key, _ in near]
        self.relayout()

    def make_heading(self, width: int) -> list[Line]:
        if self.here is None:
            return []
        way = " → ".join(str(key) for key in (*self.trail[-3:], self.here))
        return [
            Line(
                styled(f"{'… → ' if len(self.trail) > 3 else ''}{way}", "$text-accent").truncate(width, ellipsis=True)
            ),
            Line(
                styled(
                    f"{counted(len(self.near), 'link')} on layer {self.level}: enter follows, ⌫ goes back", MUTED
                ).truncate(width)
            ),
        ]

    def make_lines(self, width: int) -> list[Line]:
        if self.here is None:
            said = "Choose a node on the map: its neighbours stand here. Enter goes to one, backspace goes back."
            return [Line(one) for one in styled(said, MUTED).wrap(max(width, 8))]
        rows = []
        for key, cosine in self.near:
            back = "↩ " if self.trail and key == self.trail[-1] else "  "
            label = line(self.labels.get(key, ""))
            row = Content.assemble(f"{back}{cosine:>6.3f} ", styled(f"{key:>7} ", MUTED), label)
            rows.append(Line(row.truncate(width, ellipsis=True)))
        return rows or [Line(styled("no links on this layer", "$text-error"))]


# --- Health -------------------------------------------------------------------------------------------------------------------


class HealthList(NodeRows):
    """What ails the layer: a heading for each kind, the nodes below it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.health: GraphHealth | None = None

    def show(self, health: GraphHealth | None) -> None:
        self.health = health
        self.cursor = 0
        self.relayout()

    def make_lines(self, width: int) -> list[Line]:
        self.keys = []
        if self.health is None:
            return [Line(styled("Looking at every link…", MUTED))]
        rows = health_rows(self.health)
        self.keys = [key for key, _ in rows]
        return [Line(content.truncate(width, ellipsis=True)) for _, content in rows]


def health_rows(health: GraphHealth) -> list[tuple[int | None, Content]]:
    """(node, line) of the report, top to bottom."""
    rows: list[tuple[int | None, Content]] = [
        (
            None,
            Content.assemble(
                styled(f"Layer {health.level}", "bold"),
                styled(f" · {health.nodes:,} nodes · in-degree ⌀{health.mean_in_degree:.1f}", MUTED),
            ),
        )
    ]

    def heading(count: int, bad: str, said: str, ill: str = "$text-error") -> None:
        mark, tone = ("✓", "$text-success") if not count else (bad, ill)
        rows.append((None, Content.assemble(styled(f"{mark} ", tone), styled(said, tone))))

    heading(health.unreachable_count, "✗", f"{health.unreachable_count:,} unreachable from the entry")
    rows += [(key, styled(f"    node {key}", "")) for key in health.unreachable]
    heading(health.lonely, "✗", f"{health.lonely:,} that no node is linked to")
    hubs = f"{counted(health.hub_count, 'hub')}: in-degree of {health.hub_limit} or more"
    heading(health.hub_count, "!", hubs, "$text-warning")
    rows += [
        (key, Content.assemble(f"    node {key}", styled(f" · {degree} in", MUTED))) for key, degree in health.hubs
    ]
    heading(health.copies, "≈", f"{counted(health.copies, 'pair')} of duplicates", "$text-warning")
    rows += [
        (a, Content.assemble(f"    {a} ≈ {b}", styled(f" · {distance:.4f}", MUTED)))
        for a, b, distance in health.duplicates
    ]
    return rows
