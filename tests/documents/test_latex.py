"""LaTeX and BibTeX: structure from the source's own commands, words without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragterm.engine.documents import latex
from ragterm.engine.documents.latex import parse_latex
from ragterm.engine.documents.latex_words import words_of
from ragterm.engine.types.documents import ParsedDocument
from ragterm.engine.types.errors import ParseError

Check = Callable[[ParsedDocument], None]


def parse(text: str, name: str = "x.tex") -> ParsedDocument:
    return parse_latex(text.encode(), Path(name))


def outline(document: ParsedDocument) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind, document.text[b.start : b.end], b.section) for b in document.blocks]


PAPER = r"""
\documentclass[12pt]{article} % comment \section{no}
\usepackage{amsmath}
\newcommand{\prodname}{Rocket~Mk~II}
\title{A \emph{Great} Paper\thanks{Money}}
\author{Ann Author \and Bob}
\date{May 2024}
\begin{document}
\maketitle
\begin{abstract}
We gain 50\% with \prodname. % hidden
\end{abstract}

\section{Introduction}\label{sec:intro}
As \citet[p.~3]{knuth84,lamport} said, it's ``good''---see Section~\ref{sec:m}.\footnote{A \textbf{note} here.}
Energy is $E = mc^2$, and caf\'e:
\begin{equation}
  a = b + c % hidden
\end{equation}
where \verb|x_%y| and \texttt{code\_x}.

% \section{Commented}
\subsection*{Items}
\begin{table}[ht]
\centering
\caption{Sizes of things}
\begin{tabular}{l|c}
\toprule
Name & Size \\ \midrule
A \& B & 1 \\[2pt]
\multicolumn{2}{c}{wide} \\
\bottomrule
\end{tabular}
\end{table}
\input{chapter2}
\section{Related}
Done.
\begin{thebibliography}{9}
\bibitem{knuth84} Knuth. \emph{The Book}.
\end{thebibliography}
\end{document}
after the end
"""


def test_a_paper(check_invariants: Check) -> None:
    document = parse(PAPER)
    check_invariants(document)
    assert document.title == "A Great Paper"
    assert document.metadata == {"author": "Ann Author, Bob", "date": "May 2024"}
    assert document.warnings == ("files that it includes are not followed: chapter2",)
    top = ("A Great Paper",)
    items = (*top, "Introduction", "Items")
    assert outline(document) == [
        ("heading", "A Great Paper", ()),
        ("heading", "Abstract", top),
        ("paragraph", "We gain 50% with Rocket Mk II.", (*top, "Abstract")),
        ("heading", "Introduction", top),
        (
            "paragraph",
            "As [knuth84, lamport, p. 3] said, it's “good”—see Section sec:m.[1]\nEnergy is $E = mc^2$, and café:\n"
            "\\begin{equation}\n  a = b + c \\end{equation}\nwhere x_%y and code_x.",
            (*top, "Introduction"),
        ),
        ("heading", "Items", (*top, "Introduction")),
        ("caption", "Sizes of things", items),
        ("table", "Name | Size\nA & B | 1\nwide", items),
        ("heading", "Related", top),
        ("paragraph", "Done.", (*top, "Related")),
        ("heading", "References", top),
        ("paragraph", "[knuth84] Knuth. The Book.", (*top, "References")),
        ("footnote", "[1] A note here.", (*top, "References")),
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("one\n\ntwo \\par three", [("paragraph", "one"), ("paragraph", "two"), ("paragraph", "three")]),
        (r"\begin{itemize}\item a \item[Key] b \begin{enumerate}\item c\end{enumerate}\end{itemize} after",
         [("list", "- a\n- Key: b\n  1. c"), ("paragraph", "after")]),
        ("\\begin{lstlisting}[language=Python]\ndef f(): % \\section{x}\n\\end{lstlisting}",
         [("code", "```python\ndef f(): % \\section{x}\n```")]),
        ("\\begin{minted}{c}\nint x;\n\\end{minted}", [("code", "```c\nint x;\n```")]),
        ("\\begin{verbatim}\n\\begin{x}\n\\end{verbatim}", [("code", "\\begin{x}")]),
        (r"\begin{figure}\includegraphics[width=3cm]{x}\caption[short]{The curve $y$.}\end{figure}", [("caption", "The curve $y$.")]),
        (r"\begin{quote}Wise.\end{quote}", [("quote", "Wise.")]),
        (r"\begin{theorem}[Main] All is well. \end{theorem}", [("paragraph", "Theorem (Main): All is well.")]),
        (r"\begin{tikzpicture}\draw (0,0);\end{tikzpicture}\begin{comment}no\end{comment}shown", [("paragraph", "shown")]),
        (r"text \[ x^2 \] and $$ y $$ end", [("paragraph", r"text \[ x^2 \] and $$ y $$ end")]),
        (r"\begin{tabularx}{5cm}{lX} a & b \\ \hline c & \textbf{d} \end{tabularx}", [("table", "a | b\nc | d")]),
        (r"\begin{frame}{The slide}\begin{block}{x}Words\end{block}\end{frame}", [("heading", "The slide"), ("paragraph", "xWords")]),
        ("50\\% % gone\n  joined", [("paragraph", "50% joined")]),
        (r"a \emph{b", [("paragraph", "a b")]),
        (r"\section{Open", [("heading", "Open")]),
    ],
)  # fmt: skip
def test_constructs(source: str, expected: list[tuple[str, str]]) -> None:
    assert [(kind, text) for kind, text, _ in outline(parse(source))] == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (r"\cite{a} \cite[p. 1][]{b,c} \citep*{d}", "[a] [b, c, p. 1] [d]"),
        (r"\href{https://a.b}{link} \url{https://c.d/e_f} \textcolor{red}{x}", "link https://c.d/e_f x"),
        (r"\'e \"{o} \ss{} \LaTeX{} \ldots{} --- \$5", "é ö ß LaTeX … — $5"),
        (r"\unknown[o]{kept} {\bf bold} \enquote{x}", "[o]kept bold “x”"),
        ("no commands, 3 < 4", "no commands, 3 < 4"),
    ],
)
def test_words_of_a_paragraph(source: str, words: str) -> None:
    assert words_of({})(source).replace("\\$", "$") == words


def test_bibtex_entries(check_invariants: Check) -> None:
    document = parse(
        "@string{x = {y}}\n@comment{no}\n"
        '@article{knuth84, title = "The {TeX} book", author = {Donald E. Knuth and O. {\\"O}z}, year=1984,\n'
        " file = {/home}, pages={1--2}\n}\n"
        "@book{open, title={Never {closed},\n@misc(paren, url={https://a.b/c_d})\n",
        "x.bib",
    )
    check_invariants(document)
    assert [text for _, text, _ in outline(document)] == [
        "[knuth84] article\n- author: Donald E. Knuth and O. Öz\n- title: The TeX book\n- year: 1984\n- pages: 1–2",
        "[open] book\n- title: Never closed,",
        "[paren] misc\n- url: https://a.b/c_d",
    ]


def test_a_file_beyond_the_limit_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latex, "MAX_SOURCE", 100)
    document = parse(r"\textbf{x} " * 20)
    assert (document.kind, document.text[:10]) == ("latex", r"\textbf{x}")
    assert "plain text" in document.warnings[0]


@pytest.mark.parametrize(
    "piece",
    ["{", "}", "\\", "$", "$$", "\\[", "\\(", "\\begin{a}", "\\begin{itemize}\\item x ", "\\begin{tabular}{", "\\begin{verbatim}",
     "{\\a", "\\a{", "\\section{", "\\footnote{x", "\\newcommand{\\a}{\\a\\a}\n", "\\def\\a{\\a}", "%",
     "\\verb|", "\\cite[", "&", "@a{b,c={"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.tex", "x.bib"])
def test_thousands_of_open_ones_end(check_invariants: Check, piece: str, name: str) -> None:
    try:
        document = parse(piece * 3000 + " end", name)
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)
        assert len(document.text) < 100_000


PIECES = st.sampled_from([
    "\\section{a}", "\\begin{itemize}", "\\end{itemize}", "\\item ", "\\item[x]", "\\begin{tabular}{l}", "\\end{tabular}",
    "a & b \\\\", "\\caption{c}", "\n\n", "words ", "{", "}", "$x$", "$", "$$", "\\[", "\\]", "%c\n", "\\verb|v|", "~", "[", "]",
    "\\begin{verbatim}", "\\end{verbatim}", "\\footnote{f}", "\\cite{k}", "\\title{t}", "\\begin{document}", "\\end{document}",
    "\\input{f}", "\\newcommand{\\w}{v}", "\\w", "\\begin{equation}", "\\end{equation}", "\\begin{quote}", "\\end{quote}", "\\",
    "\u2028", "\\begin{proof}[p]", "\\bibitem{b}", "@a{k,", "t={v},",
])  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(st.lists(PIECES, max_size=25), st.sampled_from(["x.tex", "x.bib"]))
def test_any_pieces_are_read_or_refused(check_invariants: Check, pieces: list[str], name: str) -> None:
    try:
        document = parse("".join(pieces), name)
    except ParseError as error:
        assert error.title == "No text"
    else:
        check_invariants(document)
