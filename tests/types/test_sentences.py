"""The sentence splitter against sentences written out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragterm.engine.types.sentences import sentence_spans


def split(text: str) -> list[str]:
    return [text[s:e] for s, e in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello world. My name is Jonas.", ["Hello world.", "My name is Jonas."]),
        ("What is it? It is 3.14 m long! Yes.", ["What is it?", "It is 3.14 m long!", "Yes."]),
        ("Dr. J. R. Smith met Mrs. Lee. They left.", ["Dr. J. R. Smith met Mrs. Lee.", "They left."]),
        ("See Fig. 3 and Eq. 4. The rest follows.", ["See Fig. 3 and Eq. 4.", "The rest follows."]),
        ("Use tools, e.g. Make, i.e. the old one. Done.", ["Use tools, e.g. Make, i.e. the old one.", "Done."]),
        ("Built in the U.S. Army depot. It closed.", ["Built in the U.S. Army depot.", "It closed."]),
        ("He lives in the U.S. The house is old.", ["He lives in the U.S.", "The house is old."]),
        ("As shown by Kumar et al. (2019) it works. Fine.", ["As shown by Kumar et al. (2019) it works.", "Fine."]),
        ('"Stop!" he said. "Why?" She ran.', ['"Stop!" he said.', '"Why?"', "She ran."]),
        ("It was found.[12] Later it was lost.[3][4] Then", ["It was found.[12]", "Later it was lost.[3][4]", "Then"]),
        ("Wait... what? Well… Fine.", ["Wait... what?", "Well…", "Fine."]),
        ("It is fast. k6 runs it. iPhone too.", ["It is fast.", "k6 runs it.", "iPhone too."]),
        ("Visit example.com. Pay $5.50 at 5 p.m. Friday.", ["Visit example.com.", "Pay $5.50 at 5 p.m. Friday."]),
        ("It took 5 ms. The rest was 3 m/s. In all 9.", ["It took 5 ms.", "The rest was 3 m/s.", "In all 9."]),
        ("The answer is no. See No. 7.", ["The answer is no.", "See No. 7."]),
        ("Take vitamin C. The dose is low.", ["Take vitamin C.", "The dose is low."]),
        ("It ended in 1998. The next began in 2001.", ["It ended in 1998.", "The next began in 2001."]),
        ("これは文です。次の文です！「本当？」はい。", ["これは文です。", "次の文です！", "「本当？」", "はい。"]),
        ("यह वाक्य है। दूसरा वाक्य।", ["यह वाक्य है।", "दूसरा वाक्य।"]),
        # wrapped prose is one sentence, an empty line ends it
        (
            "This line was wrapped by an\neditor at thirty columns.\n\nNext",
            ["This line was wrapped by an\neditor at thirty columns.", "Next"],
        ),
        (
            "Our policy\nRefunds are paid within fourteen days of the return.",
            ["Our policy", "Refunds are paid within fourteen days of the return."],
        ),
        # lists, headings, quotes: markers are left out, items end without punctuation
        (
            "Steps:\n- open the lid\n- press the\n  red button\n2. wait",
            ["Steps:", "open the lid", "press the\n  red button", "wait"],
        ),
        ("1. First item. With two.\n2) Second", ["First item.", "With two.", "Second"]),
        (
            "## Refunds\nIn 14 days.\n> Quoted\n> once.\n> Twice.",
            ["Refunds", "In 14 days.", "Quoted\n> once.", "Twice."],
        ),
        # tables and rules
        ("| Plan | Price |\n|---|---|\n| Basic. One | 5 |", ["| Plan | Price |", "| Basic. One | 5 |"]),
        ("Name\tAge\nAda\t36", ["Name\tAge", "Ada\t36"]),
        ("Above\n-----\nBelow", ["Above", "Below"]),
        # fenced code: a line is a unit
        ("Run\n```sh\nls -l. Foo\ncd x\n```\nand wait.", ["Run", "ls -l. Foo", "cd x", "and wait."]),
        ("", []),
        (" \n\t\n", []),
        ("***\n...\n!!!", []),
    ],
)
def test_splits_as_a_person_would(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(
    st.text(alphabet=st.sampled_from(list("aB1.!?\n\t -|#>`*。 「」'\"()[]éß中😀")), max_size=200)
    | st.text(max_size=200)
)
def test_spans_are_ordered_trimmed_and_cover_every_letter(text: str) -> None:
    spans = sentence_spans(text)
    at = 0
    covered = set()
    for start, end in spans:
        assert at <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered.update(range(start, end))
        at = end
    # A lone marker such as "a. " or "1) " is all that may be left out.
    left = [c for i, c in enumerate(text) if i not in covered and c.isalnum()]
    assert all(c.isascii() or c.isdigit() for c in left)


def test_a_hostile_megabyte_takes_no_quadratic_time() -> None:
    for text in (
        "." * 300_000,
        "a. " * 100_000,
        "(((" * 100_000,
        "| " * 150_000,
        "A" * 300_000,
        ">" * 300_000,
        "> " * 150_000,
    ):
        assert len(sentence_spans(text)) <= 100_000
