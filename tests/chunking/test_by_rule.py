"""The strategies by rule on documents as people write them: what belongs together stays together, and says where it stands."""

from __future__ import annotations

import csv
import io
import itertools

import pytest
from support.hostile_documents import build, document, promises
from support.minilm import minilm_tokenizer
from support.real_documents import CONTRACT, CSV, FAQ, PYTHON, parsed

from ragterm.engine.chunking import ChunkingTools, chunk_with
from ragterm.engine.chunking.clauses import clauses_of
from ragterm.engine.types.documents import Block, Chunk, Document
from ragterm.engine.types.settings import ChunkingSettings


def chunk(name: str, doc: Document, window: int = 256, **changes: object) -> list[Chunk]:
    found = chunk_with(name, doc, "b", ChunkingTools(minilm_tokenizer(), window), ChunkingSettings(**changes))  # type: ignore[arg-type]
    promises(doc, found, window)
    return found


# Code


def test_each_function_is_a_chunk_with_its_decorator_and_comment_under_its_class() -> None:
    chunks = chunk("code", parsed(PYTHON, "tank.py"), window=110)
    assert [c.section for c in chunks] == [
        (),
        ("class Reading",),
        ("def read",),
        ("class Alarm",),
        ("class Alarm", "def __init__"),
        ("class Alarm", "def check"),
        ("class Alarm", "def check"),
        ("class Alarm", "def last"),
    ]
    assert chunks[1].text.startswith("@dataclass\nclass Reading:")
    assert chunks[2].text.startswith("# The sensor is slow") and chunks[2].text.endswith("time.time())")
    assert chunks[-1].text.startswith("@property")


def test_a_class_that_fits_is_one_chunk_and_its_head_joins_the_first_function_else() -> None:
    whole = chunk("code", parsed(PYTHON, "tank.py"))
    assert [c.section for c in whole] == [(), ("def read",), ("class Alarm",)]  # what is tiny stands together
    assert whole[2].text.startswith("class Alarm:") and whole[2].text.endswith("else None")
    head = parsed(
        "class A:\n    def f(self):\n"
        + "        x = compute(1, 2, 3)\n" * 12
        + "\n    def g(self):\n"
        + "        y = 1\n" * 30,
        "a.py",
    )
    first, second = chunk("code", head, window=180)
    assert first.text.startswith("class A:\n    def f(self):") and first.section == ("class A", "def f")
    assert second.text.startswith("def g(self):") and second.section == ("class A", "def g")


def test_a_long_function_is_cut_between_statements() -> None:
    body = "".join(
        f"    if level[{n}] > {n}:\n        ring({n})\n        log('tank {n} is nearly full', level[{n}])\n"
        for n in range(30)
    )
    chunks = chunk("code", parsed(f"def watch(level):\n{body}", "w.py"), window=128)
    assert len(chunks) > 4 and {c.section for c in chunks} == {("def watch",)}
    assert all(c.text.startswith(("def watch", "if level[")) for c in chunks)
    assert all(c.context == "w.py > def watch" for c in chunks[1:])
    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))


def test_a_language_without_a_grammar_is_cut_at_its_margin() -> None:
    source = "\n\n".join(f"func f{n}(x: Int) -> Int {{\n" + f"    return x + {n}\n" * 12 + "}" for n in range(6))
    chunks = chunk("code", parsed(source, "a.swift"), window=128)
    assert [c.section for c in chunks] == [(f"func f{n}",) for n in range(6)]


# Legal text


def test_a_clause_is_a_chunk_and_its_number_is_in_the_path() -> None:
    chunks = chunk("legal", parsed(CONTRACT, "supply.txt"), window=100)
    starts = {c.text.split()[0]: c for c in chunks}
    assert starts["1."].section == ("1 Definitions",) and "1.2" in starts["1."].text
    assert starts["2."].section == ("2 Delivery", "2.1")  # too long as a whole: its sub-clauses
    assert starts["2.2"].section == ("2 Delivery", "2.2") and starts["2.2"].text.endswith("shall not deliver.")
    assert starts["2.3"].section == ("2 Delivery", "2.3")
    assert starts["5."].section == ("5 Term and termination",)
    assert starts["SUPPLY"].text.endswith("as follows.")
    assert all(a.end <= b.start for a, b in itertools.pairwise(chunks))


def test_a_long_clause_goes_down_to_its_letters() -> None:
    chunks = chunk("legal", parsed(CONTRACT, "supply.txt"), window=64)
    by_path = {c.section: c.text for c in chunks}
    assert by_path[("2 Delivery", "2.2", "(b)")].startswith("(b) set a further period")
    assert (
        by_path[("2 Delivery", "2.2", "(c)")].startswith("(c) terminate")
        and "(ii)" in by_path[("2 Delivery", "2.2", "(c)")]
    )


def test_letters_romans_and_levels_are_told_apart() -> None:
    text = (
        "PART II GENERAL\nArticle 1 Scope\n(1) One.\n(a) x\n(b) y\n(i) roman one\n(ii) roman two\n(c) z\n(2) Two.\n(g) g\n(h) h\n"
        "(i) letter i\n"
        "(j) letter j\n§ 5a Haftung\n1.1 Sub\n1.1.1 Subsub\nSchedule A\nArticle 2"
    )

    def tree(clauses: list) -> list:
        return [(c.label, tree(c.within)) if c.within else c.label for c in clauses]

    assert tree(clauses_of(text)) == [
        (
            "PART II GENERAL",
            [
                (
                    "Article 1 Scope",
                    [
                        ("(1)", ["(a)", ("(b)", ["(i)", "(ii)"]), "(c)"]),
                        ("(2)", ["(g)", "(h)", "(i)", "(j)"]),
                    ],
                ),
                ("§ 5a Haftung", [("1.1 Sub", ["1.1.1 Subsub"])]),
            ],
        ),
        ("Schedule A", ["Article 2"]),
    ]


# Questions and answers


def test_a_pair_is_a_chunk_and_a_long_answer_keeps_its_question() -> None:
    chunks = chunk("qa", parsed(FAQ, "faq.md"), window=64)
    asked = [line.removeprefix("## ") for line in FAQ.splitlines() if line.startswith("## ")]
    assert [c.section[-1] for c in chunks[1:]] == [asked[0], asked[1], asked[1], asked[2], asked[3]]
    for c in chunks[1:]:
        assert c.section[-1] in c.embedding_text
        assert c.text != f"## {c.section[-1]}", "no question without some of its answer"
    assert chunks[-1].text.endswith("sewage fee.")


@pytest.mark.parametrize(
    "text",
    [
        "Q: Who pays?\nA: We do.\n\nQ: When?\nA: In May, and never later.\n\nQ: How?\nA: By transfer.",
        "**Question 1:** Who?\n**Answer:** We do.\n\n**Question 2:** When?\n**Answer:** May.\n\n**Question 3:** How?\n**Answer:** No.",
        "Frage: Wer zahlt?\nAntwort: Wir.\n\nFrage: Wann?\nAntwort: Im Mai.\n\nFrage: Wie?\nAntwort: Per Überweisung.",
        "Anna Berg: Who?\nMr Weber: We do.\n\nBerg: When is that?\nMr Weber: In May.\n\nAnna Berg: How?\nMr Weber: By transfer.",
        "Who pays?\n\nWe do.\n\nAnd when is that?\n\nIn May.\n\nHow is it paid?\n\nBy transfer.",
    ],
    ids=["marked", "bold", "german", "interview", "standing"],
)  # fmt: skip
def test_every_form_of_pairs_gives_one_chunk_a_pair(text: str) -> None:
    doc = parsed(text, "faq.txt")
    chunks = chunk("qa", doc)
    parts = text.split("\n\n")
    pairs = parts if len(parts) == 3 else ["\n\n".join(parts[i : i + 2]) for i in (0, 2, 4)]
    assert [c.text for c in chunks] == pairs


# Tables


def test_rows_stay_whole_even_where_cells_hold_line_breaks_and_the_header_is_repeated() -> None:
    """Raw CSV, as a reader of plain text leaves it."""
    chunks = chunk("table", document(CSV, [Block("table", 0, len(CSV))]), window=100)
    assert len(chunks) > 5
    rows = list(csv.reader(io.StringIO(CSV)))
    assert [row for c in chunks for row in csv.reader(io.StringIO(c.text))] == rows
    assert all(c.context.endswith("id,name,note") for c in chunks[1:]) and "id,name" not in chunks[0].context
    lengths = [c.tokens for c in chunks]
    assert max(lengths[:-1]) <= 1.5 * min(lengths[:-1])


def test_a_quote_that_is_never_closed_swallows_nothing() -> None:
    text = 'size,what\n3" pipe,steel\n' + "".join(f"{n},long pipe\n" for n in range(300))
    chunks = chunk("table", document(text, [Block("table", 0, len(text))]), window=64)
    assert all(line in text.splitlines() for c in chunks for line in c.text.splitlines())


def test_a_csv_file_is_cut_between_its_rows() -> None:
    text = "id,name,note\n" + "".join(
        f'{n},"{n}"" pipe","delivered in week {n},\nchecked by Weber"\n' for n in range(1, 41)
    )
    chunks = chunk("table", parsed(text, "pipes.csv"), window=64)
    rows = [line for c in chunks for line in c.text.splitlines()]
    assert len(rows) == 41 and all(row.endswith("checked by Weber") for row in rows[1:])
    assert len(chunks) > 8 and all(c.context.endswith("id | name | note") for c in chunks[1:])


def test_heading_and_caption_go_with_their_table_and_prose_does_not() -> None:
    prose = "The pump moves water through the filter. " * 3
    table = "| Part | Price |\n|---|---|\n" + "\n".join(f"| P-{n} | {n} EUR |" for n in range(60))
    doc = build(
        ("heading", "# Parts", ()),
        ("paragraph", prose.strip(), ("Parts",)),
        ("caption", "Table 1: prices", ("Parts",)),
        ("table", table, ("Parts",)),
    )
    chunks = chunk("table", doc, window=128)
    assert chunks[0].text.endswith("filter.") and chunks[1].text.startswith("Table 1: prices\n\n| Part | Price |")
    assert all("| Part | Price |" in c.context for c in chunks[2:])
    assert all(line.startswith("| P-") and line.endswith("EUR |") for c in chunks[2:] for line in c.text.splitlines())


def test_the_recursive_strategy_cuts_no_row_that_fits_either() -> None:
    rows = ["| short |", "| " + "long row of words " * 9 + "|", "| " + "another long row " * 8 + "|"] * 6
    doc = document("\n".join(rows), [Block("table", 0, len("\n".join(rows)))])
    for c in chunk("recursive", doc, window=64, context_tokens=0):
        assert all(line in rows for line in c.text.splitlines())


# Markdown


def test_each_heading_is_a_chunk_however_short() -> None:
    doc = parsed(
        "# Methods\n\n## get\n\nReads.\n\n## put\n\nWrites.\n\n## patch\n\n" + "It changes a part. " * 90, "api.md"
    )
    chunks = chunk("markdown", doc)
    assert [c.section for c in chunks[:2]] == [("Methods", "get"), ("Methods", "put")]
    assert chunks[0].text == "# Methods\n\n## get\n\nReads." and chunks[1].text == "## put\n\nWrites."
    assert len(chunks) > 3 and {c.section for c in chunks[2:]} == {("Methods", "patch")}
