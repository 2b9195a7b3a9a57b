"""A layer of the graph as text: DOT for Graphviz (The DOT Language, graphviz.org/doc/info/lang.html) and SVG 1.1.

Both draw what a `LayerMap` holds, at its positions, with the nodes of a walk marked by colour, shape and word. Labels are foreign
text: they are cut, made safe and escaped, and a picture fetches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from ragterm.engine.types.display import one_line
from ragterm.engine.types.graphs import LayerMap, Walk

Box = tuple[float, float, float, float]

LABEL = 48
"""Characters of a label; the rest is cut."""
MARGIN = 40
_XML_UNFIT = str.maketrans({"\ufffe": "\ufffd", "\uffff": "\ufffd"})


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of node is drawn; colours are Okabe and Ito's, which colour-blind readers can tell apart."""

    word: str
    colour: str
    shape: str
    radius: float


NODE = Look("node", "#999999", "circle", 3)
VISITED = Look("visited", "#56b4e9", "circle", 4)
EXPANDED = Look("expanded", "#0072b2", "doublecircle", 5)
RESULT = Look("result", "#009e73", "circle", 7)
MISSED = Look("missed", "#d55e00", "box", 7)
ENTRY = Look("entry", "#e69f00", "diamond", 7)


def within(layer: LayerMap, box: Box) -> LayerMap:
    """The part of a layer inside `box` (left, top, right, bottom in the map's unit square, edges included) and the links within it."""
    left, top, right, bottom = box
    inside = [i for i, (x, y) in enumerate(layer.positions) if left <= x <= right and top <= y <= bottom]
    place = {old: new for new, old in enumerate(inside)}
    return LayerMap(
        level=layer.level,
        keys=tuple(layer.keys[i] for i in inside),
        positions=tuple(layer.positions[i] for i in inside),
        edges=tuple((place[a], place[b]) for a, b in layer.edges if a in place and b in place),
        sampled_from=layer.sampled_from,
    )


def looks(layer: LayerMap, walk: Walk | None) -> dict[int, Look]:
    """What the walk did with each node of this layer, by key."""
    found = dict.fromkeys(layer.keys, NODE)
    if walk is None:
        return found
    marks: list[tuple[int, Look]] = []
    steps = [step for step in walk.steps if step.level == layer.level]
    marks += [(key, VISITED) for step in steps for key, _ in step.visited]
    marks += [(step.node, EXPANDED) for step in steps if step.action == "expand"]
    marks += [(step.node, ENTRY) for step in steps if step.action == "enter"]
    if layer.level == 0:
        marks += [(key, RESULT) for key, _ in walk.results]
        marks += [(key, MISSED) for _, key, _ in walk.missed]
    found |= {key: look for key, look in marks if key in found}
    return found


def layer_dot(layer: LayerMap, labels: Mapping[int, str] | None = None, walk: Walk | None = None) -> str:
    """DOT text: an undirected graph, nodes pinned at their places (draw it with `neato -n`), named by key."""
    lines = [
        f"graph layer_{layer.level} {{",
        '  graph [overlap=true, splines=line, outputorder="edgesfirst"];',
        '  node [fixedsize=true, width=0.15, height=0.15, fontsize=8, label="", style=filled];',
        '  edge [color="#cccccc"];',
    ]
    kinds = looks(layer, walk)
    for key, (x, y) in zip(layer.keys, layer.positions, strict=True):
        look = kinds[key]
        about = [f'pos="{1000 * x:.1f},{1000 * (1 - y):.1f}!"', f'fillcolor="{look.colour}"', f"shape={look.shape}"]
        if label := (labels or {}).get(key):
            about.append(f"xlabel={_dot_string(label)}")
        if look is not NODE:
            about.append(f"tooltip={_dot_string(look.word)}")
        lines.append(f'  "{key}" [{", ".join(about)}];')
    lines += [f'  "{layer.keys[a]}" -- "{layer.keys[b]}";' for a, b in layer.edges]
    return "\n".join([*lines, "}", ""])


def _dot_string(text: str) -> str:
    """A quoted string; a backslash would begin an escape sequence such as \\N, the node's name."""
    return '"' + _cut(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(text: str) -> str:
    made = " ".join(one_line(text).translate(_XML_UNFIT).split())
    return made if len(made) <= LABEL else made[: LABEL - 1] + "…"


def layer_svg(
    layer: LayerMap, labels: Mapping[int, str] | None = None, walk: Walk | None = None, box: Box | None = None
) -> str:
    """SVG text, 1200 by 900: links, nodes, labels beside their nodes, a legend. `box` is the part of the unit square that fills the
    picture (all of it)."""
    left, top, right, bottom = box or (0.0, 0.0, 1.0, 1.0)
    wide, high = 1200 - 2 * MARGIN, 900 - 3 * MARGIN

    def place(position: tuple[float, float]) -> tuple[float, float]:
        x = (position[0] - left) / max(right - left, 1e-9)
        y = (position[1] - top) / max(bottom - top, 1e-9)
        return MARGIN + wide * x, MARGIN + high * y

    at = [place(position) for position in layer.positions]
    kinds = looks(layer, walk)
    title = f"Layer {layer.level}: {len(layer.keys):,} nodes of {layer.sampled_from:,}, {len(layer.edges):,} links"
    if walk is not None and walk.question:
        title += f"; the search for: {walk.question[:200]}"
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="900" viewBox="0 0 1200 900" font-family="sans-serif">',
        f"  <title>{_xml(title, 400)}</title>",
        '  <rect width="1200" height="900" fill="#ffffff"/>',
        '  <g stroke="#cccccc" stroke-width="0.7">',
    ]
    lines += [
        f'    <line x1="{at[a][0]:.1f}" y1="{at[a][1]:.1f}" x2="{at[b][0]:.1f}" y2="{at[b][1]:.1f}"/>'
        for a, b in layer.edges
    ]
    lines.append("  </g>")
    order = sorted(range(len(layer.keys)), key=lambda i: kinds[layer.keys[i]].radius)  # what matters lies on top
    for i in order:
        key, (x, y) = layer.keys[i], at[i]
        label = (labels or {}).get(key, "")
        said = f"{key}" + (f" · {kinds[key].word}" if kinds[key] is not NODE else "") + (f" · {label}" if label else "")
        lines.append(f"  <g>{_mark(kinds[key], x, y)}<title>{_xml(said, 200)}</title></g>")
        if label:
            lines.append(f'  <text x="{x + 9:.1f}" y="{y + 4:.1f}" font-size="11" fill="#333333">{_xml(label)}</text>')
    if walk is not None:
        x, y = place(walk.query_position)
        lines.append(
            f'  <path d="M{x - 7:.1f} {y - 7:.1f}l14 14m0 -14l-14 14" stroke="#cc79a7" stroke-width="3"><title>query</title></path>'
        )
    lines += _legend(set(kinds.values()))
    return "\n".join([*lines, "</svg>", ""])


def _xml(text: str, length: int = LABEL) -> str:
    made = " ".join(one_line(text).translate(_XML_UNFIT).split())
    return escape(made if len(made) <= length else made[: length - 1] + "…")


def _mark(look: Look, x: float, y: float) -> str:
    r = look.radius
    if look.shape == "box":  # drawn as a cross, like the terminal's ✗
        cross = f"M{x - r:.1f} {y - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}"
        return f'<path d="{cross}" stroke="{look.colour}" stroke-width="3"/>'
    if look.shape == "diamond":
        return f'<path d="M{x:.1f} {y - r:.1f}l{r} {r}l{-r} {r}l{-r} {-r}z" fill="{look.colour}"/>'
    if look.shape == "doublecircle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="#ffffff" stroke="{look.colour}" stroke-width="2"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{look.colour}"/>'


def _legend(there: set[Look]) -> list[str]:
    lines, x = [], float(MARGIN)
    for look in (ENTRY, EXPANDED, VISITED, RESULT, MISSED, NODE):
        if look in there:
            lines.append(f"  {_mark(look, x, 872)}")
            lines.append(f'  <text x="{x + 12:.1f}" y="876" font-size="13" fill="#333333">{look.word}</text>')
            x += 110
    return lines
