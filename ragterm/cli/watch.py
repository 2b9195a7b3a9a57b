"""`ragterm ingest --watch`: follow folders until Ctrl+C. One line a change on standard error; with `--json` one object at the end."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Sequence

from ragterm.cli.ingest import cancel_on_interrupt, print_report, report_as_json
from ragterm.cli.main import Globals
from ragterm.cli.output import ProgressPrinter, duration, emit_json, warn
from ragterm.engine.types.display import one_line
from ragterm.engine.types.errors import NotFoundError
from ragterm.engine.types.ingesting import OUTCOMES, DocumentOutcome, IngestReport

_LOOK_SECONDS = 0.2


def follow(options: Globals, paths: Sequence[str], collection: str, poll_seconds: float) -> int:
    """The exit code: 0 when a person (Ctrl+C, or SIGTERM) ended it."""
    printer = ProgressPrinter()
    control = cancel_on_interrupt()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: control.cancel())
    tally, began = _Tally(), time.monotonic()
    with options.engine() as engine:
        engine.warm(printer.step)
        if paths:
            first = engine.ingest(paths, collection, on_progress=printer, control=control)
            printer.done()
            tally.take(first, first.outcomes)
            if not options.as_json:
                print_report(first)
        roots = engine.roots(collection)
        if not roots:
            raise NotFoundError("Nothing to follow", f"collection {collection}", "ragterm ingest PATH --watch")
        if not control.cancelled:
            for root in roots:
                warn(f"following {one_line(root)}")
            warn("Ctrl+C ends it")
            watch = engine.watch(collection, tally.take, _line, control=control, poll_seconds=poll_seconds)
            while not control.cancelled and not watch.wait(_LOOK_SECONDS):
                pass
            watch.stop()
            if watch.error is not None:
                raise watch.error
    if options.as_json:
        emit_json(tally.as_json(collection, roots, time.monotonic() - began))
    else:
        warn(f"ended after {duration(time.monotonic() - began)}: {tally}")
    return 0


class _Tally:
    """What changed since the start; each change is printed as it comes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.chunks = self.rounds = 0
        self.last: IngestReport | None = None
        self._first: set[tuple[str, str, str]] = set()

    def take(self, report: IngestReport, changes: Sequence[DocumentOutcome]) -> None:
        """The first report is printed whole by the caller; of the later ones what is new, and a warning that is."""
        if self.last is not None:
            changes = [one for one in changes if (one.path, one.outcome, one.error) not in self._first]
            self._first.clear()
            for one in changes:
                _line(_said(one))
            for warning in set(report.warnings) - set(self.last.warnings):
                _line(warning)
        else:
            self._first = {(one.path, one.outcome, one.error) for one in changes}
        self.counts.update(one.outcome for one in changes)
        self.chunks += report.chunks
        self.rounds += 1
        self.last = report

    def __str__(self) -> str:
        return ", ".join(f"{self.counts[name]} {name}" for name in OUTCOMES if self.counts[name]) or "nothing changed"

    def as_json(self, collection: str, roots: Sequence[str], seconds: float) -> dict[str, object]:
        now = report_as_json(self.last) if self.last is not None else {"failures": [], "skipped": [], "warnings": []}
        return {
            "collection": collection,
            "followed": list(roots),
            "rounds": self.rounds,
            "documents": {name: self.counts[name] for name in OUTCOMES},
            "chunks": self.chunks,
            "seconds": round(seconds, 3),
            **{name: now[name] for name in ("failures", "skipped", "warnings")},
        }


def _line(text: str) -> None:
    warn(f"{time.strftime('%H:%M:%S')}  {one_line(text)}")


def _said(one: DocumentOutcome) -> str:
    facts = f"  {one.chunks} {'chunk' if one.chunks == 1 else 'chunks'}" if one.chunks else ""
    reason = f": {one.error}" if one.error else ""
    warnings = "".join(f"; {warning}" for warning in one.warnings)
    return f"{one.outcome:<10} {one.path}{facts}{reason}{warnings}"
