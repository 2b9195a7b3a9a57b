"""Which strategy a document gets: by pattern, by name, by kind and content; and never by mistake."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from support.minilm import minilm_tokenizer
from support.real_documents import CONTRACT, CSV, FAQ, PYTHON, parsed

from ragterm.engine.chunking import ChunkingTools, chunk_document, chunk_with, strategy_for
from ragterm.engine.types.documents import Document
from ragterm.engine.types.errors import ConfigError, UsageError
from ragterm.engine.types.settings import ChunkingSettings, Settings, load_settings, with_setting

TOOLS = ChunkingTools(minilm_tokenizer(), 256)
ESSAY = """\
# What is a city?

Who owns the street? Nobody who has watched one for a day would say the council. {long}

# Three answers

First of all, the shops. {long}

# A last word

What remains, then? {long}
""".replace("{long}", "The street belongs to those who use it, and they are many and they change by the hour. " * 12)
MANUAL = "\n\n".join(
    f"{n}. Step {n}\n{n}.1 You shall hold the lever and pull it until the lamp is green.\n{n}.2 Release the lever." for n in range(1, 9)
)  # fmt: skip

MARKED_FAQ = "\n\n".join(
    f"Q: How often is filter {n} changed?\nA: Filter {n} is changed every {n} months, or when the lamp beside it turns red."
    for n in range(2, 9)
)


@pytest.mark.parametrize(
    ("text", "name", "strategy"),
    [
        (PYTHON, "tank.py", "code"),
        (CSV, "pumps.csv", "table"),
        (CONTRACT, "supply.txt", "legal"),
        (CONTRACT, "supply.md", "legal"),
        (FAQ, "faq.md", "hierarchical"),
        (MARKED_FAQ, "faq.txt", "qa"),
        (ESSAY, "essay.md", "hierarchical"),
        (MANUAL, "manual.txt", "hierarchical"),
        ("# Pumps\n\nA pump moves water.", "pumps.md", "hierarchical"),
    ],
)
def test_auto_chooses_by_kind_and_content(text: str, name: str, strategy: str) -> None:
    doc = parsed(text, name)
    assert strategy_for(doc, ChunkingSettings()) == strategy
    settings = ChunkingSettings()
    assert chunk_document(doc, "b", TOOLS, settings) == chunk_with(strategy, doc, "b", TOOLS, settings)
    assert chunk_with("auto", doc, "b", TOOLS, settings) == chunk_with(strategy, doc, "b", TOOLS, settings)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.md", "/home/a/notes/x.md", True),
        ("*.md", "/home/a/notes/x.mdx", False),
        ("contracts/**", "/home/a/contracts/2024/x.md", True),
        ("contracts/**", "/home/a/old_contracts/x.md", False),
        ("contracts/", "/home/a/contracts/x.md", True),
        ("/home/a/**", "/home/a/notes/x.md", True),
        ("/notes/**", "/home/a/notes/x.md", False),
        ("a/**/x.*", "/home/a/b/c/x.md", True),
        ("!x.md", "/home/a/x.md", False),
        ("[#]x.md", "/home/#x.md", True),
    ],
)
def test_patterns_are_globs_on_the_path(pattern: str, path: str, matches: bool) -> None:
    doc = dataclasses.replace(parsed(FAQ, "faq.md"), path=path)
    chosen = strategy_for(doc, ChunkingSettings(strategy="fixed", patterns={pattern: "sentences"}))
    assert chosen == ("sentences" if matches else "fixed")


def test_the_longest_pattern_wins_and_may_say_auto() -> None:
    doc = parsed(MARKED_FAQ, "faq.md")
    for patterns in ({"*.md": "fixed", "docs/*.md": "auto"}, {"docs/*.md": "auto", "*.md": "fixed"}):
        assert strategy_for(doc, ChunkingSettings(strategy="legal", patterns=patterns)) == "qa"  # type: ignore[arg-type]


def test_an_unknown_strategy_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="recursiv") as caught:
        chunk_with("recursiv", parsed(FAQ, "faq.md"), "b", TOOLS, ChunkingSettings())
    assert "did you mean recursive?" in caught.value.hint and "hierarchical" in caught.value.hint


def test_settings_name_strategies(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[chunking]\nstrategy = "semantic"\n[chunking.patterns]\n"*.py" = "code"\n"contracts/**" = "legal"\n'
    )
    chunking = load_settings(file).chunking
    assert chunking.strategy == "semantic" and chunking.patterns == {"*.py": "code", "contracts/**": "legal"}
    file.write_text('[chunking.patterns]\n"*.py" = "coda"\n')
    with pytest.raises(ConfigError, match=r'chunking\.patterns\."\*\.py" cannot be \'coda\'') as caught:
        load_settings(file)
    assert "did you mean code?" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        with_setting(Settings(), "chunking.strategy", "hierarchic")
    assert "did you mean hierarchical?" in caught.value.hint
    changed = with_setting(Settings(), "chunking.patterns", '{"*.md" = "markdown"}')
    assert changed.chunking.patterns == {"*.md": "markdown"}


@pytest.mark.data
@pytest.mark.parametrize("name", ["chunking", "covidqa", "scifact", "cranfield", "squad"])
def test_prose_of_every_test_collection_stays_recursive(name: str) -> None:
    """The figures of retrieval are those of the recursive strategy."""
    with (Path(os.environ["RAGTERM_TEST_DATA"]) / name / "corpus.jsonl").open(encoding="utf-8") as lines:
        for line, _ in zip(lines, range(400), strict=False):
            entry = json.loads(line)
            doc = Document(entry["_id"], entry["_id"], entry.get("title", ""), "text", "h", entry["text"], ())
            assert strategy_for(doc, ChunkingSettings()) == "hierarchical", entry["_id"]
