"""What keeping in step costs: a first ingest of 1,000 Markdown files, a second one of the unchanged tree, one after three changes.

    python tests/benchmarks/ingest_in_step.py [--files 1000] [--words 300]

Real model, real parsers. Prints seconds, the second ingest's share of the first one's time, and the texts that were embedded.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

WORDS = """
kettle warranty refund customer return policy element thermostat lid limescale shipping repair invoice order date
""".split()  # noqa: SIM905


def text(rng: random.Random, number: int, words: int) -> str:
    parts = []
    for part in range(3):
        said = [rng.choice(WORDS) + (str(rng.randrange(99)) if rng.random() < 0.2 else "") for _ in range(words // 3)]
        parts.append(f"## Part {part}\n\n" + " ".join(said))
    return f"# Note {number}\n\n" + "\n\n".join(parts) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=1000)
    arguments.add_argument("--words", type=int, default=300)
    options = arguments.parse_args()

    from ragterm.engine.engine import Engine

    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        docs = Path(folder) / "docs"
        for number in range(options.files):
            path = docs / f"f{number % 20:02}" / f"n{number:04}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(rng, number, options.words), encoding="utf-8")
        with Engine.open(Path(folder) / "home") as engine:
            engine.warm()
            embedder = engine.models.embedder()
            embedded = 0
            real = embedder.embed_documents

            def counting(texts: list[str]) -> object:
                nonlocal embedded
                embedded += len(texts)
                return real(texts)

            embedder.embed_documents = counting  # type: ignore[method-assign, assignment]

            def run() -> tuple[float, dict[str, int], int]:
                nonlocal embedded
                embedded, began = 0, time.perf_counter()
                report = engine.ingest([str(docs)])
                return time.perf_counter() - began, {k: v for k, v in report.counts.items() if v}, embedded

            first = run()
            again = min((run() for _ in range(3)), key=lambda one: one[0])
            for path in sorted(docs.rglob("*.md"))[:3]:
                path.write_text(path.read_text(encoding="utf-8").replace("## Part 2", "## Part two"), encoding="utf-8")
            changed = run()
            problems = [check.message for check in engine.doctor("default") if check.severity == "error"]
    print(
        json.dumps(
            {
                "files": options.files,
                "first": first,
                "unchanged": again,
                "share_percent": round(100 * again[0] / first[0], 3),
                "three_changed": changed,
                "problems": problems,
            }
        )
    )


if __name__ == "__main__":
    main()
