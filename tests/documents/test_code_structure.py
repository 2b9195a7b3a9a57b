"""What tree-sitter sees in twelve languages, as blocks with class > function for a path."""

# ruff: noqa: E501
# Sources on one line each: they are compared as a table.

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragterm.engine.documents.code import parse_code
from ragterm.engine.documents.code_structure import LONGEST, structure_of
from ragterm.engine.documents.grammars import GRAMMARS

SOURCES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "a.py": (
        "import os\n\n@dec\nclass A(B):\n    x = 1\n\n    # about f\n    @prop\n    def f(self):\n        return 1\n\nasync def g(): pass\n",
        [(), ("class A",), ("class A", "def f"), ("def g",)],
    ),
    "a.js": (
        "/** doc */\nexport default class A extends B {\n  m() { return 1 }\n  get y() { return 2 }\n}\nexport const f = async (x) => {\n  return x\n}\n"
        "function g() {}\n",
        [("class A",), ("class A", "m()"), ("class A", "y()"), ("function f",), ("function g",)],
    ),
    "a.ts": (
        "export interface I { a: string }\n@Component({})\nexport abstract class A<T> implements I {\n  private m(): void {}\n}\n"
        "namespace N {\n  export function f() {}\n}\ntype T = { a: 1 }\n",
        [
            ("interface I",),
            ("class A",),
            ("class A", "m()"),
            ("namespace N",),
            ("namespace N", "function f"),
            ("type T",),
        ],
    ),
    "a.go": (
        "package p\n\n// M does.\nfunc (s *Server[T]) M(a int) error {\n\treturn nil\n}\n\nfunc F() {}\n\ntype S struct {\n\ta int\n}\n",
        [(), ("func Server.M",), ("func F",), ("type S",)],
    ),
    "a.rs": (
        "use x;\n\n/// doc\n#[derive(Debug)]\npub struct S { a: i32 }\n\nimpl<T> Tr for S<T> {\n    fn m(&self) {}\n}\nmod q {\n    pub fn f() {}\n}\n",
        [(), ("struct S",), ("impl<T> Tr for S<T>",), ("impl<T> Tr for S<T>", "fn m"), ("mod q",), ("mod q", "fn f")],
    ),
    "A.java": (
        "package p;\n\n/** doc */\n@Ann\npublic class A {\n  int x;\n  A() {}\n  void m() {}\n  static class In {}\n}\n",
        [(), ("class A",), ("class A", "A()"), ("class A", "m()"), ("class A", "class In")],
    ),
    "a.c": (
        "#include <x>\n\n/* doc */\nstatic int *f(int a) {\n  return 0;\n}\nstruct S { int a; };\nstruct S s;\n",
        [(), ("f()",), ("struct S",), ()],
    ),
    "a.cpp": (
        "namespace n {\nclass A : B {\n public:\n  int m() { return 1; }\n};\n}\ntemplate <class T>\nT f(T a) { return a; }\nint n::A::q() { return 1; }\n",
        [("namespace n",), ("namespace n", "class A"), ("namespace n", "class A", "m()"), ("f()",), ("A::q()",)],
    ),
    "a.cs": (
        "using X;\nnamespace N.M {\n  [Attr]\n  public class A {\n    public int P { get; set; }\n    public void Go() {}\n  }\n}\n",
        [(), ("namespace N.M",), ("namespace N.M", "class A"), ("namespace N.M", "class A", "Go()")],
    ),
    "a.rb": (
        "module M\n  # doc\n  class A < B\n    def m\n      1\n    end\n    def self.s; end\n  end\nend\n",
        [("module M",), ("module M", "class A"), ("module M", "class A", "def m"), ("module M", "class A", "def s")],
    ),
    "a.php": (
        "<?php\n\n/** doc */\nclass A {\n  public function m() {\n    return 1;\n  }\n}\nfunction f() {}\n",
        [(), ("class A",), ("class A", "function m"), ("function f",)],
    ),
    "a.sh": ("set -e\n\n# doc\nf() {\n  echo 1\n}\n\nfunction g { :; }\n", [(), ("function f",), ("function g",)]),
}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_definitions_have_their_path_and_their_descriptions(name: str) -> None:
    text, sections = SOURCES[name]
    parsed = parse_code(text, Path(name))
    assert parsed.parser == "tree-sitter"
    assert [block.section for block in parsed.blocks] == sections
    for block in parsed.blocks:
        words = text[block.start : block.end]
        assert not words.endswith(("doc */", "/// doc", "# doc", "@dec", "@Ann", "[Attr]", "#[derive(Debug)]")), words


def test_every_grammar_that_is_declared_is_there() -> None:
    assert len(GRAMMARS) == len(SOURCES) and all(structure_of("x", language) for language in GRAMMARS)


def test_offsets_count_characters_not_bytes() -> None:
    text = '"""漢字 😀"""\n\ndef größe():\n    return "ü"  # 😀\n\ndef zwei(): pass\n'
    blocks = parse_code(text, Path("a.py")).blocks
    assert [text[b.start : b.end] for b in blocks] == [
        '"""漢字 😀"""',
        'def größe():\n    return "ü"  # 😀',
        "def zwei(): pass",
    ]
    assert blocks[1].section == ("def größe",)


def test_a_comment_apart_from_what_follows_describes_nothing() -> None:
    text = "# Licence: as is.\n\n# Adds.\ndef f():\n    return 1  # always\n\n# the end\n"
    blocks = parse_code(text, Path("a.py")).blocks
    assert [text[b.start : b.end] for b in blocks] == [
        "# Licence: as is.",
        "# Adds.\ndef f():\n    return 1  # always\n\n# the end",
    ]


def test_a_long_function_is_its_statements() -> None:
    statements = [
        f"    if level[{n}] > {n}:\n        ring({n}, 'tank {n} is nearly full, close valve {n}')" for n in range(20)
    ]
    text = "def watch(level):\n" + "\n".join(statements) + "\n"
    blocks = parse_code(text, Path("a.py")).blocks
    assert len(blocks) > 10 and {b.section for b in blocks} == {("def watch",)}
    assert all(text[b.start : b.end].startswith(("def watch", "if level[")) for b in blocks)


def test_what_is_too_long_or_not_known_is_cut_at_the_margin() -> None:
    assert structure_of("x = 1\n" * (LONGEST // 6 + 1), "Python") is None
    assert parse_code("func f() {\n}\n", Path("a.swift")).parser == "lines"


TOKENS = st.lists(
    st.sampled_from(
        ["class A", "def f():", "{", "}", "(", ")", "\n", "\n\n", "    ", "return x", "# c", "/* c */", "@d", "if x:", "fn f()", "漢", "😀",
         "func (s *S) M()", "'", '"', "```", "end", "module M", "\ud800", "impl X for Y", "<?php", ";", "=>", "const f = "]
    ),
    max_size=60,
).map(" ".join)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SOURCES)), TOKENS | st.text(max_size=200))
@example("a.py", "(" * 3000)
@example("a.js", "{\n" * 1500)
@example("a.py", "if x:\n " * 300)
def test_hostile_source_loses_no_character(name: str, text: str) -> None:
    blocks = parse_code(text, Path(name)).blocks
    assert all(0 <= b.start < b.end <= len(text) for b in blocks)
    assert all(a.end <= b.start for a, b in itertools.pairwise(blocks))
    covered = {i for b in blocks for i in range(b.start, b.end)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
