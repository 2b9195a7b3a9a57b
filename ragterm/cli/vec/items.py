"""`ragterm vec get` and `ragterm vec delete`: single items by their ids."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import emit_json, say, warn
from ragterm.cli.vec.opening import db_option, open_database, typed
from ragterm.engine.types.display import one_line
from ragterm.engine.types.errors import NotFoundError

_NUMBERS_SHOWN = 8


@click.command("get", help="Show an item's metadata and vector (with --json the whole vector).")
@global_options
@db_option
@click.argument("id", metavar="ID")
@click.pass_obj
def get(options: Globals, db: Path, id: str) -> None:
    with open_database(db) as database:
        if id not in database:
            raise NotFoundError(
                f"No item {id}", f"in {db}", f"ids are exact; see `ragterm vec export ids.jsonl{typed(db)}`"
            )
        item = database.get(id)
        vector, metadata = [float(one) for one in item.vector], dict(item.metadata)
    if options.as_json:
        emit_json({"id": id, "metadata": metadata, "vector": vector})
        return
    shown = ", ".join(f"{one:.4f}" for one in vector[:_NUMBERS_SHOWN]) + (", …" if len(vector) > _NUMBERS_SHOWN else "")
    say(f"id        {one_line(id)}")
    say(f"metadata  {one_line(json.dumps(metadata, ensure_ascii=False))}")
    say(f"vector    {len(vector)} dimensions, length {math.hypot(*vector):.4f}: {shown}")


@click.command("delete", help="Delete items by id. Ids that are not there are named; the others are deleted.")
@global_options
@db_option
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def delete(options: Globals, db: Path, ids: tuple[str, ...]) -> None:
    missing: list[str] = []
    with open_database(db) as database:
        wanted = list(dict.fromkeys(ids))
        for doc_id in wanted:
            if doc_id in database:
                database.delete(doc_id)
            else:
                missing.append(doc_id)
        left = len(database)
    deleted = len(wanted) - len(missing)
    for doc_id in missing:
        warn(f"not there  {one_line(doc_id)}")
    if options.as_json:
        emit_json({"deleted": deleted, "missing": missing, "vectors": left})
    else:
        say(f"{db}: {deleted:,} deleted; {left:,} vectors now")
    raise click.exceptions.Exit((3 if deleted else 1) if missing else 0)
