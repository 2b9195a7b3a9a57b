"""LaTeX: the text is rendered, since half of a source is commands that nobody searches for or wants quoted.

Two readers share the work. The structure (environments, sections, items, tables, captions, footnotes) is found here in one pass over
the tokens that make it, with braces and environments paired beforehand, so that nothing is looked for twice; the words of
each paragraph are pylatexenc's, which knows accents, symbols and the arguments of commands, and is only ever given one paragraph.
Equations stay source, as they are read; the preamble, comments and drawings are left out; `\\input` is not followed and no macro is
run, but names that a document gives to fixed words are put in. BibTeX files are lists of entries.
"""

# Lists of words read as words: SIM905 would have one quoted string a line.
# ruff: noqa: SIM905

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragterm.engine.documents.builder import DocumentBuilder
from ragterm.engine.documents.encodings import decoded_text
from ragterm.engine.documents.latex_source import Source, Token
from ragterm.engine.documents.latex_words import words_of
from ragterm.engine.documents.listings import fenced
from ragterm.engine.documents.tables import table_text
from ragterm.engine.types.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragterm.engine.types.documents import BlockKind, ParsedDocument

MAX_SOURCE = 2_000_000
"""Characters whose structure is looked for; a longer file is read as plain text."""
_LEVELS = {
    "part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5, "subparagraph": 6, "frametitle": 4,
    "addchap": 1, "addsec": 2,
}  # fmt: skip
_SKIPPED = {
    "documentclass": 1, "usepackage": 1, "RequirePackage": 1, "setcounter": 2, "addtocounter": 2, "setlength": 2, "addtolength": 2,
    "bibliographystyle": 1, "bibliography": 1, "addbibresource": 1, "pagestyle": 1, "thispagestyle": 1, "label": 1, "vspace": 1,
    "graphicspath": 1, "hypersetup": 1, "definecolor": 3, "newtheorem": 2, "newcommand": 2, "renewcommand": 2, "providecommand": 2,
    "DeclareMathOperator": 2, "newenvironment": 3, "renewenvironment": 3, "geometry": 1, "captionsetup": 1, "index": 1,
    "pgfplotsset": 1, "usetikzlibrary": 1, "titleformat": 5, "markboth": 2, "markright": 1, "addcontentsline": 3, "email": 1,
    "affil": 1, "includegraphics": 1, "tableofcontents": 0, "maketitle": 0, "centering": 0, "newpage": 0, "clearpage": 0, "noindent": 0,
    "hline": 0, "toprule": 0, "midrule": 0, "bottomrule": 0, "appendix": 0, "printbibliography": 0, "def": 2,
}  # fmt: skip
_ABOUT = {
    "title": "title",
    "author": "author",
    "date": "date",
    "keywords": "keywords",
    "subtitle": "subtitle",
    "IEEEkeywords": "keywords",
}
_MATH = frozenset(
    "equation align gather multline displaymath eqnarray math alignat flalign dmath split subequations IEEEeqnarray "
    "equation* align* gather* multline* eqnarray* alignat* flalign* dmath*".split()
)
_TABLES = {
    "tabular": 1,
    "tabular*": 2,
    "tabularx": 2,
    "tabulary": 2,
    "longtable": 1,
    "supertabular": 1,
    "tabu": 1,
    "longtabu": 1,
    "tblr": 1,
}
_LISTS = frozenset("itemize enumerate description compactitem compactenum enumerate* itemize* inparaenum".split())
_DRAWN = frozenset("tikzpicture picture pgfpicture axis CCSXML pspicture comment tikzcd forest".split())
_SIZED = frozenset("wrapfigure minipage subfigure subtable multicols column".split())
_FLOATS = _SIZED | frozenset("figure table figure* table* columns".split())
_QUOTES = frozenset("quote quotation verse displayquote epigraph".split())
_NAMED = frozenset(
    "theorem lemma proof definition corollary proposition example remark claim conjecture exercise problem solution axiom note "
    "assumption observation fact property question answer".split()
)
_RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|centering|endhead|endfirsthead|endfoot|endlastfoot|hfill|small|footnotesize)(?![a-zA-Z])"
    r"|\\(?:cmidrule|cline|specialrule|addlinespace|rowcolor|arrayrulecolor)"
    r"(?:\([a-z]{0,4}\)|\[[^\[\]\n]{0,40}\])?(?:\{[^{}\n]{0,60}\})?"
)
_CELLS = re.compile(r"(\\\\\*?(?:\[[^\[\]\n]{0,30}\])?|\\tabularnewline(?![a-zA-Z]))|(&)|\\[\s\S]")
_THANKS = re.compile(r"\\thanks[ \t]*\{[^{}]{0,1000}\}")
_LISTING = re.compile("\x01L(\\d+)\x02")
_MARK = re.compile("\x01(\\d+)\x02")


def parse_latex(data: bytes, path: Path) -> ParsedDocument:
    """Raises ParseError where there is no text."""
    text, warnings = decoded_text(data, path)
    if path.suffix.lower() == ".bib":
        from ragterm.engine.documents.bibtex import parse_bibtex

        return parse_bibtex(text, path, warnings)
    if len(text) > MAX_SOURCE:
        from ragterm.engine.documents.text import parse_text

        reason = f"larger than {MAX_SOURCE // 1_000_000} million characters: read as plain text"
        return replace(parse_text(text, path), kind="latex", warnings=(*warnings, reason))
    reader = _Reader(Source(text))
    reader.read()
    builder = reader.builder
    builder.warnings += warnings
    if reader.inputs:
        shown = ", ".join(reader.inputs[:5]) + (", …" if len(reader.inputs) > 5 else "")
        builder.warnings.append(f"files that it includes are not followed: {shown}")
    if not builder.blocks:
        raise ParseError("No text", "the file holds only definitions", "nothing to do, or restore the file")
    metadata = {key: " ".join(value.split())[:500] for key, value in reader.about.items()}
    title = metadata.pop("title", "")
    first = next((b for b in builder.blocks if b.kind == "heading"), None)
    if not title and first and first.start < 400:
        title = builder.text[first.start : first.end]
    return builder.finish(title=title or path.stem, kind="latex", parser="pylatexenc", metadata=metadata)


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.builder = DocumentBuilder()
        self.about: dict[str, str] = {}
        self.inputs: list[str] = []
        self.words: Callable[[str], str] = words_of({})
        self.words = words_of({name: self.words(body)[:500] for name, body in source.macros.items()})
        self._paragraph: list[str] = []
        self._lists: list[tuple[str, int]] = []
        self._lines: list[str] = []
        self._kinds: list[tuple[str, BlockKind]] = []
        self._footnotes: list[str] = []
        self._before = ""

    def read(self) -> None:
        source = self.source
        for name, key in _ABOUT.items():
            if (given := source.first_argument(name)) is not None:
                given = given.replace("\\and", ", ").replace("\\\\", " ").replace("\\today", "")
                if value := self._plain(_THANKS.sub("", given)):
                    self.about.setdefault(key, value)
        if self.about.get("title") and source.has_body:
            self.builder.add("heading", " ".join(self.about["title"].split()), level=1)
        at = source.start
        for token in source.tokens(_COMMANDS):
            if token.start < at:
                continue  # inside something that has been read whole
            self._paragraph.append(source.text[at : token.start])
            at = self._token(token)
        self._paragraph.append(source.text[at : source.end])
        self._flush()
        self._end_list()
        for number, note in enumerate(self._footnotes, 1):
            self.builder.add("footnote", f"[{number}] {self._plain(note)}")

    def _token(self, token: Token) -> int:
        """Act on a token; returns where to go on."""
        source, name = self.source, token.name
        if token.kind == "break":
            self._flush()
            return token.end
        if token.kind == "listing":
            self._flush()
            self.builder.add("code", fenced(*source.listings[int(name)]))
            return token.end
        if token.kind == "display":
            return self._display(token)
        if token.kind == "begin":
            return self._begin(token, name)
        if token.kind == "end":
            return self._end(token, name)
        return self._command(token, name)

    def _command(self, token: Token, name: str) -> int:
        source = self.source
        if name == "item":
            return self._item(token.end)
        if name == "par":
            self._flush()
            return token.end
        if name == "bibitem":
            self._flush()
            key, end = source.argument(source.option(token.end)[1])
            self._paragraph.append(source.set_aside(f"[{key}]"))
            return end
        if name in _LEVELS:
            return self._heading(name, token.end)
        content, end = source.argument(source.option(token.end)[1])
        if name in _ABOUT:
            return end
        if name in ("caption", "subcaption", "captionof"):
            if name == "captionof":
                content, end = source.argument(end)
            self._flush()
            self.builder.add("caption", self._plain(content))
        elif name in ("footnote", "footnotetext", "thanks"):
            self._footnotes.append(content)
            self._paragraph.append(self.source.set_aside(f"[{len(self._footnotes)}]"))
        elif name in ("input", "include", "subfile", "import", "lstinputlisting", "verbatiminput", "inputminted"):
            self.inputs.append(" ".join(content.split())[:80])
        else:
            end = token.end
            for _ in range(_SKIPPED.get(name, 0)):
                end = source.argument(source.option(end)[1], command=True)[1]
        return end

    def _heading(self, name: str, at: int) -> int:
        content, end = self.source.argument(self.source.option(at)[1])
        self._flush()
        self._end_list()
        self.builder.add("heading", " ".join(self._plain(content).split()), level=_LEVELS[name])
        return end

    def _display(self, token: Token) -> int:
        """`$$ … $$` and `\\[ … \\]`: source, in the flow of its paragraph."""
        end = self.source.display_end(token)
        if end is None:
            return token.end
        self._paragraph.append(self.source.set_aside(self.source.text[token.start : end].strip()))
        return end

    def _begin(self, token: Token, name: str) -> int:
        source = self.source
        pair = source.pairs.get(token.start)
        if pair and name in _MATH:
            self._paragraph.append(self.source.set_aside(source.text[token.start : pair[1]].strip()))
            return pair[1]
        if pair and name in _DRAWN:
            return pair[1]
        if pair and name in _TABLES:
            self._flush()
            self._table(token.end, pair[0], _TABLES[name])
            return pair[1]
        if name in _LISTS:
            self._flush()
            if len(self._lists) < 50:
                self._lists.append((name, 0))
            return source.option(token.end)[1]
        if name == "abstract":
            self._flush()
            self.builder.add("heading", "Abstract", level=2)
        elif name == "thebibliography":
            self._flush()
            self.builder.add("heading", "References", level=2)
            return source.argument(token.end)[1]
        elif name in _QUOTES:
            self._flush()
            self._kinds.append((name, "quote"))
        elif name in _NAMED or name.rstrip("*") in _NAMED:
            self._flush()
            option, end = source.option(token.end)
            self._before = name.rstrip("*").capitalize() + (f" ({self._plain(option)})" if option else "")
            return end
        elif name == "frame":
            self._flush()
            end = source.option(token.end)[1]
            if source.text.startswith("{", end):
                return self._heading("frametitle", end)
            return end
        elif name in _FLOATS:
            self._flush()
            end = source.option(token.end)[1]
            while name in _SIZED and source.text.startswith("{", end):
                end = source.argument(end)[1]
            return end
        elif name not in ("document", "center"):
            self._flush()
            return source.option(token.end)[1]
        return token.end

    def _end(self, token: Token, name: str) -> int:
        self._flush()
        if name in _LISTS and self._lists:
            self._lists.pop()
            if not self._lists:
                self._end_list()
        elif self._kinds and self._kinds[-1][0] == name:
            self._kinds.pop()
        return token.end

    def _item(self, at: int) -> int:
        self._flush()
        option, end = self.source.option(at)
        kind, number = self._lists[-1] if self._lists else ("itemize", 0)
        if self._lists:
            self._lists[-1] = (kind, number + 1)
        mark = f"{number + 1}." if kind.startswith(("enumerate", "compactenum", "inparaenum")) else "-"
        self._before = f"{mark} {self._plain(option)}:" if option else mark
        return end

    def _table(self, start: int, end: int, arguments: int) -> None:
        source = self.source
        start = source.option(start)[1]
        for _ in range(arguments):
            start = source.option(source.argument(start)[1])[1] if source.text.startswith("{", start) else start
        content = _RULES.sub("", source.text[min(start, end) : end])
        rows: list[list[str]] = [[]]
        at = 0
        for token in _CELLS.finditer(content):
            if token.group(1) or token.group(2):
                rows[-1].append(content[at : token.start()])
                at = token.end()
                if token.group(1):
                    rows.append([])
        rows[-1].append(content[at:])
        self.builder.add("table", table_text([[self._plain(cell) for cell in row] for row in rows]))

    def _flush(self) -> None:
        source = "".join(self._paragraph)
        self._paragraph = []
        text = self._plain(source)
        if not text:
            return
        before, self._before = self._before, ""
        if self._lists:
            depth = min(len(self._lists) - 1, 8)
            lines = [line.strip() for line in text.split("\n") if line.strip()]
            mark = f"{before} " if before else "  "
            self._lines.append(f"{'  ' * depth}{mark}{lines[0]}")
            self._lines += [f"{'  ' * (depth + 1)}{line}" for line in lines[1:]]
            return
        self._end_list()
        if before:
            text = f"{before}: {text}" if before[-1].isalpha() or before.endswith(")") else f"{before} {text}"
        self.builder.add(self._kinds[-1][1] if self._kinds else "paragraph", text)

    def _end_list(self) -> None:
        lines, self._lines = self._lines, []
        self.builder.add("list", "\n".join(lines))

    def _plain(self, source: str) -> str:
        if not source.strip():
            return ""
        text = _LISTING.sub(lambda found: self.source.listings[int(found.group(1))][0].strip(), self.words(source))
        return _MARK.sub(lambda found: self.source.aside[int(found.group(1))], text).strip()


_COMMANDS = frozenset({
    *_LEVELS, *_ABOUT, *_SKIPPED, "item", "par", "bibitem", "caption", "subcaption", "captionof", "footnote", "footnotetext", "thanks",
    "input", "include", "subfile", "import", "lstinputlisting", "verbatiminput", "inputminted",
})  # fmt: skip
