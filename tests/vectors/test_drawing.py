"""Maps as DOT and SVG: read back by parsers that know nothing of how they were written; hostile labels stay text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.engine.types.graphs import LayerMap, Walk, WalkStep
from ragterm.engine.vectors.drawing import layer_dot, layer_svg, within

MAP = LayerMap(0, (11, 12, 13, 14), ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.4)), ((0, 1), (0, 2), (1, 3)), 9)
STEPS = (
    WalkStep(0, "enter", 11, 0.9, (), 0.9),
    WalkStep(0, "expand", 11, 0.9, ((12, 0.8), (13, 0.3)), 0.9),
    WalkStep(0, "expand", 13, 0.3, (), 0.9),
)
WALK = Walk("q", 4, STEPS, ((13, 0.7),), ((13, 0.7), (14, 0.6)), 3, 4, (0.5, 0.5))
HOSTILE = 'a" ]; x -- y; \\N \\" </text><script>alert(1)</script> & \x1b[31m \u202e \ud800 \x00 \ufffe\n end'
SVG = "{http://www.w3.org/2000/svg}"

# The DOT language, as far as a drawing needs it: a statement is a run of tokens up to ";", a string ends at an unescaped quote.
TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|--|[\[\]{};=,!]|[A-Za-z_0-9.]+')


def statements(dot):
    tokens, at = [], 0
    while at < len(dot):
        found = TOKEN.match(dot, at)
        assert found, f"not DOT: {dot[at : at + 40]!r}"
        if not found.group().isspace():
            tokens.append(found.group())
        at = found.end()
    assert tokens[0] == "graph"
    assert (tokens[2], tokens[-1]) == ("{", "}")
    made, one = [], []
    for token in tokens[3:-1]:
        if token == ";":
            made.append(one)
            one = []
        else:
            one.append(token)
    assert one == []
    return made


def dot_graph(dot):
    nodes, edges = {}, set()
    for one in statements(dot):
        if one[0] in ("graph", "node", "edge"):
            continue
        if "--" in one:
            assert len(one) == 3
            edges.add((one[0].strip('"'), one[2].strip('"')))
        else:
            pairs = [token for token in one[2:-1] if token != ","]
            nodes[one[0].strip('"')] = dict(zip(pairs[::3], pairs[2::3], strict=True))
    return nodes, edges


def test_dot_has_every_node_and_link_of_the_map():
    nodes, edges = dot_graph(layer_dot(MAP))
    assert set(nodes) == {"11", "12", "13", "14"}
    assert edges == {("11", "12"), ("11", "13"), ("12", "14")}
    assert nodes["12"]["pos"] == '"1000.0,1000.0!"', "Graphviz's y points up, the map's down"
    assert "xlabel" not in nodes["11"]


def test_what_the_walk_did_is_told_by_shape_and_word():
    nodes, _ = dot_graph(layer_dot(MAP, {13: "the answer"}, WALK))
    words = {key: node.get("tooltip", '""').strip('"') for key, node in nodes.items()}
    assert words == {"11": "entry", "12": "visited", "13": "result", "14": "missed"}
    assert len({nodes[key]["fillcolor"] for key in nodes}) == 4
    assert nodes["13"]["xlabel"] == '"the answer"'
    svg = ElementTree.fromstring(layer_svg(MAP, {13: "the answer"}, WALK))
    titles = [one.text for one in svg.iter(f"{SVG}title")]
    assert {"11 · entry", "12 · visited", "13 · result · the answer", "14 · missed", "query"} <= set(titles)


def test_svg_has_every_node_and_link_inside_its_frame():
    svg = ElementTree.fromstring(layer_svg(MAP))
    assert len(svg.findall(f".//{SVG}line")) == 3
    nodes = [one for one in svg.iter(f"{SVG}g") if one.find(f"{SVG}title") is not None]
    assert len(nodes) == 4
    for line in svg.iter(f"{SVG}line"):
        assert 0 < float(line.get("x1")) < 1200
        assert 0 < float(line.get("y2")) < 900


def test_only_what_is_inside_the_box_is_drawn_and_it_fills_the_frame():
    part = within(MAP, (0.4, 0.0, 1.0, 0.5))
    assert part == LayerMap(0, (12, 14), ((1.0, 0.0), (0.5, 0.4)), ((0, 1),), 9)
    svg = ElementTree.fromstring(layer_svg(part, box=(0.5, 0.0, 1.0, 0.4)))
    (line,) = svg.iter(f"{SVG}line")
    assert [float(line.get(name)) for name in ("x1", "y1", "x2", "y2")] == [1160, 40, 40, 820]


def test_a_hostile_label_stays_text():
    label = layer_dot(MAP, {11: HOSTILE})
    nodes, edges = dot_graph(label)
    assert (set(nodes), len(edges)) == ({"11", "12", "13", "14"}, 3)
    svg = layer_svg(MAP, {11: HOSTILE}, WALK)
    tree = ElementTree.fromstring(svg)
    assert not list(tree.iter(f"{SVG}script"))
    for text in (label, svg):
        text.encode("utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    for name in ("href", "http-equiv", "url("):
        assert name not in svg


@given(st.text(max_size=60))
def test_any_label_leaves_the_picture_whole(label):
    nodes, edges = dot_graph(layer_dot(MAP, {12: label}))
    assert (len(nodes), len(edges)) == (4, 3)
    assert len(ElementTree.fromstring(layer_svg(MAP, {12: label})).findall(f".//{SVG}line")) == 3


@pytest.mark.parametrize("draw", [layer_dot, layer_svg])
def test_an_empty_layer_can_be_drawn(draw):
    assert draw(LayerMap(3, (), (), (), 0))
