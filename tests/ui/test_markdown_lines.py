"""Markdown as lines: what is shown, that it fits, and that a growing text ends as the whole one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.content import Content

from ragterm.ui.widgets.markdown_lines import MarkdownStream, fit_columns, markdown_lines

SOURCE = """# Refunds *now*

Customers have **30 days** to [ask](http://evil.example/x) `soon`.

- after that
  - months are credited
- nothing else

9. nine
10. ten

> quoted
> text

```python
def window(): return 30
```

| plan | price |
|------|------:|
| annual | 190 |

---

The end."""


def shown(source: str, width: int = 60) -> list[str]:
    return [line.plain.rstrip() for line in markdown_lines(source, width)]


def test_blocks_are_shown_as_text() -> None:
    assert shown(SOURCE) == [
        "Refunds now",
        "",
        "Customers have 30 days to ask (http://evil.example/x) soon.",
        "",
        "• after that",
        "  ◦ months are credited",
        "• nothing else",
        "",
        " 9. nine",
        "10. ten",
        "",
        "▌ quoted text",
        "",
        "│  def window(): return 30",
        "",
        "plan   │ price",
        "───────┼──────",
        "annual │   190",
        "",
        "─" * 60,
        "",
        "The end.",
    ]


def test_raw_html_stays_text_and_images_are_named_not_fetched() -> None:
    assert shown("<b>bold</b> ![a cat](http://evil.example/cat)") == ["<b>bold</b> (image: a cat)"]


def test_nothing_in_a_line_can_be_followed() -> None:
    """A link's style would become an OSC 8 sequence, a `@click` an action."""
    for line in markdown_lines("[x](http://a) <http://b> http://c ![y](d)", 60):
        for span in line.spans:
            assert isinstance(span.style, str)
            assert "link" not in span.style and "@" not in span.style


def test_atoms_stay_whole_and_show_as_text_in_code() -> None:
    atoms = {"\ue000": Content.styled("[1]✓", "bold")}
    assert [c.plain for c in markdown_lines("a\ue000 `b\ue000`", 40, atoms)] == ["a[1]✓ b[1]✓"]


@pytest.mark.parametrize("width", [8, 12, 20, 40, 79, 200])
def test_no_line_is_wider_than_asked(width: int) -> None:
    wide = (
        SOURCE
        + "\n\n| "
        + " | ".join("abcdef" for _ in range(9))
        + " |\n"
        + "|---" * 9
        + "|\n| "
        + "x | " * 9
        + "\n\n日本語" * 30
    )
    assert max(line.cell_length for line in markdown_lines(wide, width)) <= width


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab #-*_`>|[]()1.\n\t<&\x1b\u202e", max_size=120), st.integers(8, 40))
def test_any_text_is_drawn_and_fits(source: str, width: int) -> None:
    for line in markdown_lines(source, width):
        assert line.cell_length <= width
        assert not set(line.plain) & set("\x1b\u202e\n")


@pytest.mark.parametrize("step", [1, 7])
def test_a_growing_text_ends_as_the_whole_one(step: int) -> None:
    stream = MarkdownStream(40)
    lines: list[Content] = []
    for end in [*range(step, len(SOURCE), step), len(SOURCE)]:
        lines = stream.lines(SOURCE[:end])
    assert [c.plain for c in lines] == [c.plain for c in markdown_lines(SOURCE, 40, highlight=False)]


def test_a_growing_text_is_parsed_from_its_last_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from ragterm.ui.widgets import markdown_lines as module

    parsed: list[int] = []
    real = module.parse
    monkeypatch.setattr(module, "parse", lambda source: parsed.append(len(source)) or real(source))
    text = "One paragraph of some length.\n\n" * 50
    stream = MarkdownStream(40)
    for end in range(0, len(text), 60):
        stream.lines(text[:end])
    assert max(parsed) < 200 < len(text)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(8, 120))
def test_columns_fit_and_use_the_room(natural: list[int], room: int) -> None:
    widths = fit_columns(natural, room)
    assert all(w >= 1 for w in widths)
    assert sum(widths) == min(sum(natural), room) or room < len(natural)
