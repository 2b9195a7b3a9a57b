"""The words of a LaTeX paragraph: pylatexenc's latex2text, with citations, references and links that keep what they say."""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from ragterm.engine.documents.clean import canonical

MAX_PARAGRAPH = 20_000
"""Characters of a paragraph that pylatexenc is given; a longer one loses its commands by a plain expression."""
_COMMAND = re.compile(r"\\(?:[a-zA-Z]{1,60}\*?|[^a-zA-Z])")
_LINE_END = re.compile(r" ?\n ?")
_WIDE = re.compile(r"\t|[ \t]{2,}")
_CITES = (
    "cite citep citet citealt citealp citeauthor citeyear citeyearpar parencite textcite autocite footcite footcitetext supercite "
    "Cite Citep Citet Textcite Parencite Autocite fullcite shortcite onlinecite nocite"
).split()
_REFERENCES = "ref eqref autoref cref Cref pageref nameref vref subref".split()
_PLAIN = (
    "texttt textsc textsf textrm textup textsl textmd textbf textit emph underline uline mbox hbox fbox text textnormal "
    "MakeUppercase uppercase lowercase num ac acl textsuperscript textsubscript sout hl ensuremath centerline"
).split()
_LOGOS = {
    "LaTeX": "LaTeX", "LaTeXe": "LaTeX2e", "TeX": "TeX", "BibTeX": "BibTeX", "XeLaTeX": "XeLaTeX", "LuaLaTeX": "LuaLaTeX", "xspace": "",
}  # fmt: skip


def words_of(macros: dict[str, str]) -> Callable[[str], str]:
    """A function from LaTeX to words. `macros` are commands without arguments that the document defines, by name."""
    from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db
    from pylatexenc.latexwalker import LatexWalker
    from pylatexenc.latexwalker import get_default_latex_context_db as get_default_walker_db
    from pylatexenc.macrospec import std_macro

    for name in ("pylatexenc.latexwalker", "pylatexenc.latex2text"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def cited(node: Any, l2tobj: Any) -> str:
        arguments = [argument for argument in node.nodeargd.argnlist if argument is not None]
        texts = [l2tobj.nodelist_to_text([argument]).strip(" []") for argument in arguments]
        keys = re.sub(r"\s*,\s*", ", ", texts[-1].strip()) if texts else ""
        notes = "".join(f", {note}" for note in texts[:-1] if note and note != "*")
        return f"[{keys}{notes}]" if keys else ""

    def argument(position: int) -> Callable[[Any, Any], str]:
        def text(node: Any, l2tobj: Any) -> str:
            found = node.nodeargd.argnlist[position]
            return str(l2tobj.nodelist_to_text([found])) if found is not None else ""

        return text

    walker = get_default_walker_db()
    walker.add_context_category(
        "document",
        macros=[
            *(std_macro(name, "*[[{") for name in _CITES),
            *(std_macro(name, "*{") for name in _REFERENCES),
            *(std_macro(name, "{") for name in _PLAIN), std_macro("enquote", "*{"),
            std_macro("href", "{{"), std_macro("url", "{"), std_macro("textcolor", "[{{"), std_macro("colorbox", "{{"),
            std_macro("includegraphics", "*[{"), std_macro("hspace", "*{"), std_macro("vspace", "*{"), std_macro("label", "{"),
            std_macro("multicolumn", "{{{"), std_macro("multirow", "[{{{"), std_macro("texorpdfstring", "{{"), std_macro("SI", "[{{"),
            std_macro("gls", "{"), std_macro("acrshort", "{"), std_macro("index", "{"), std_macro("hypertarget", "{{"),
            std_macro("hyperref", "[{"), std_macro("fontsize", "{{"), std_macro("rule", "[{{"), std_macro("raisebox", "{{"),
            std_macro("resizebox", "{{{"), std_macro("scalebox", "{{"), std_macro("parbox", "[{{"), std_macro("color", "[{"),
        ],
        prepend=True,
    )  # fmt: skip
    texts = get_default_latex_context_db()
    texts.add_context_category(
        "document",
        macros=[
            *(MacroTextSpec(name, simplify_repl=cited) for name in _CITES),
            *(MacroTextSpec(name, simplify_repl=argument(1)) for name in _REFERENCES),
            *(MacroTextSpec(name, simplify_repl=argument(0)) for name in _PLAIN), MacroTextSpec("enquote", simplify_repl="“%(2)s”"),
            *(MacroTextSpec(name, simplify_repl=text) for name, text in _LOGOS.items()),
            *(MacroTextSpec(name, simplify_repl=argument(1)) for name in ("href", "colorbox", "hyperref", "scalebox", "hypertarget")),
            *(MacroTextSpec(name, simplify_repl=argument(2)) for name in ("textcolor", "multicolumn", "resizebox", "parbox", "SI")),
            *(MacroTextSpec(name, simplify_repl=argument(0)) for name in ("url", "gls", "acrshort", "texorpdfstring")),
            MacroTextSpec("multirow", simplify_repl=argument(3)), MacroTextSpec("raisebox", simplify_repl=argument(1)),
            *(MacroTextSpec(name, simplify_repl="") for name in (
                "includegraphics", "hspace", "vspace", "label", "index", "fontsize", "rule", "color", "nocite",
            )),
            *(MacroTextSpec(name, simplify_repl=text.replace("%", "%%")) for name, text in macros.items()),
        ],
        prepend=True,
    )  # fmt: skip
    texts.set_unknown_macro_spec(MacroTextSpec("", discard=False))
    converter = LatexNodes2Text(
        latex_context=texts, math_mode="verbatim", keep_comments=False, strict_latex_spaces=False
    )

    def words(source: str) -> str:
        if "\\" not in source and "$" not in source and "{" not in source and "~" not in source and "--" not in source:
            return _tidy(source.replace("``", "“").replace("''", "”"))
        if len(source) <= MAX_PARAGRAPH:
            try:
                nodes, _, _ = LatexWalker(source, latex_context=walker, tolerant_parsing=True).get_latex_nodes()
                return _tidy(converter.nodelist_to_text(nodes))
            except MemoryError:
                raise
            except (RecursionError, Exception):  # noqa: BLE001  (broken LaTeX reaches every corner of the library)
                logging.getLogger(__name__).debug("pylatexenc failed")
        return _tidy(_COMMAND.sub(" ", source).translate({ord(c): None for c in "{}"}))

    return words


def _tidy(text: str) -> str:
    # Runs of white space first: looking for the line end behind each of their characters would take quadratic time.
    text = _LINE_END.sub("\n", _WIDE.sub(" ", canonical_but_marks(text).replace("\xa0", " "))).strip()
    return text.replace(" ,", ",")


def canonical_but_marks(text: str) -> str:
    """Canonical, with the marks \\x01 and \\x02 of what was set aside left where they are."""
    return "".join(part if at % 2 else canonical(part) for at, part in enumerate(re.split("([\x01\x02])", text)))
