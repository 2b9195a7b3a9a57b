"""Run files in TREC form: `query Q0 document rank score tag`, one line per document, for any other tool to score.

Tools disagree about equal scores (trec_eval orders them by document id, falling), so the scores that are written fall strictly:
they are the place in the ranking, not the retrieval score. The order is all that a metric sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ragterm.engine.types.errors import RagtermError

Run = Mapping[str, Sequence[str]]
"""Query id -> document ids, best first, each once."""


def write_run(run: Run, path: Path, tag: str = "ragterm") -> None:
    """Write a run file. Raises RagtermError when an id holds white space, which the form cannot carry, or the file cannot be
    written."""
    lines: list[str] = []
    for query, documents in run.items():
        for rank, document in enumerate(documents, start=1):
            if len(query.split()) != 1 or len(document.split()) != 1:
                raise RagtermError(
                    "The run file cannot be written",
                    f"an id holds white space: {query!r}, {document!r}",
                    "leave out --run-file",
                )
            lines.append(f"{query} Q0 {document} {rank} {len(documents) - rank + 1} {tag}\n")
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise RagtermError(
            "The run file cannot be written", str(error), "name a file in a folder that is there"
        ) from error
