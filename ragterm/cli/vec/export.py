"""`ragterm vec export`: all items of a database in a file that `import` reads back, exact to float32."""

from __future__ import annotations

from pathlib import Path

import click

from ragterm.cli.ingest import cancel_on_interrupt
from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import StatusLine, emit_json, say, warn
from ragterm.cli.vec.opening import db_option, open_database
from ragterm.engine.types.errors import Cancelled, UsageError
from ragterm.engine.vectors.embedding_files import checked_kind, ids_beside
from ragterm.engine.vectors.embedding_writing import write_embeddings


@click.command(
    "export",
    help="Write all items to FILE: .jsonl, .npy (with ids and metadata in NAME.ids.jsonl) or .parquet. An existing FILE is"
    " replaced once the new one is whole.",
)
@global_options
@db_option
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def export(options: Globals, db: Path, file: Path) -> None:
    file = file.expanduser()
    checked_kind(file)
    if not file.absolute().parent.is_dir():
        raise UsageError("No such folder", str(file.absolute().parent), f"mkdir -p {file.absolute().parent}")
    control, status = cancel_on_interrupt(), StatusLine()
    with open_database(db) as database:
        ids, dimensions = list(database.ids()), int(database.get_stats()["dimensions"])

        def show(done: int) -> None:
            control.checkpoint()
            if status.due():
                status.show(f"{done:,} of {len(ids):,} vectors")

        try:
            write_embeddings(file, ids, dimensions, database.get, show)
        except Cancelled as stopped:
            status.clear()
            warn("stopped; nothing was written")
            raise click.exceptions.Exit(130) from stopped
    status.clear()
    files = [file, ids_beside(file)] if file.suffix.lower() == ".npy" else [file]
    if options.as_json:
        emit_json({"db": str(db), "files": [str(one) for one in files], "vectors": len(ids)})
    else:
        say(f"{len(ids):,} vectors in {' and '.join(str(one) for one in files)}")
