"""`ragterm doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say
from ragterm.engine.types.display import one_line


@click.command(
    "doctor", help="Check the machine, models, language model and collections. Exit code 1 when something is broken."
)
@global_options
@click.option(
    "-c", "--collection", metavar="NAME", help="Audit this collection alone: store, vectors and keyword index agree."
)
@click.pass_obj
def command(options: Globals, collection: str | None) -> None:
    with options.engine() as engine:
        checks = engine.doctor(collection)
    if options.as_json:
        emit_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mark = {"ok": "ok  ", "info": "note", "warning": "warn", "error": "FAIL"}[check.severity]
            say(f"{mark}  {check.name}: {one_line(check.message)}")
            if check.remedy:
                say(f"      {one_line(check.remedy)}")
    raise click.exceptions.Exit(1 if any(check.severity == "error" for check in checks) else 0)
