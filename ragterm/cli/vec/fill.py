"""`ragterm vec add` and `ragterm vec import`: the vectors of a file into a database."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragterm.cli.ingest import cancel_on_interrupt
from ragterm.cli.main import Globals, global_options
from ragterm.cli.output import StatusLine, duration, emit_json, say, warn
from ragterm.cli.vec.create import SHAPE, shape_options
from ragterm.cli.vec.opening import db_option, is_database, new_database, open_database, refuse_existing, typed
from ragterm.engine.types.control import Control
from ragterm.engine.types.display import one_line
from ragterm.engine.types.errors import Cancelled, ParseError, UsageError
from ragterm.engine.vectors.embedding_files import Batch, Refused, ids_beside, read_embeddings

if TYPE_CHECKING:
    from ragterm.engine.vectors.database import VectorDB

_SHOWN = 20  # bad rows named on standard error
_NAMED = 1000  # bad rows named with --json


@dataclass
class Filled:
    """What came of a file. `replaced` counts ids that were there before; they are not in `added`. `cancelled`: interrupted while rows
    were left; `unlinked`: while the graph was linked."""

    added: int = 0
    replaced: int = 0
    failed: int = 0
    refused: list[Refused] = field(default_factory=list)
    seconds: float = 0.0
    link_seconds: float = 0.0
    cancelled: bool = False
    unlinked: bool = False

    @property
    def exit_code(self) -> int:
        """0 done; 1 nothing was added and something failed; 3 done in part; 130 interrupted."""
        if self.cancelled or self.unlinked:
            return 130
        if not self.failed:
            return 0
        return 3 if self.added + self.replaced else 1


_ids_option = click.option(
    "--ids", "ids_file", type=click.Path(path_type=Path), metavar="FILE",
    help="Of a .npy file: an id a line, or .jsonl with id and metadata. Without it NAME.ids.jsonl, else row-0, row-1, ...",
)  # fmt: skip


@click.command("add", help="Add the vectors of a file to a database. An id that is there already is replaced.")
@global_options
@db_option
@click.option(
    "--file", "file", required=True, type=click.Path(path_type=Path), metavar="FILE", help=".jsonl, .npy or .parquet"
)
@_ids_option
@click.pass_obj
def add(options: Globals, db: Path, file: Path, ids_file: Path | None) -> None:
    with open_database(db) as database:
        _fill(options, db, database, file.expanduser(), ids_file)


@click.command("import", help="Read a file into a database, which is made first where there is none.")
@global_options
@db_option
@click.argument("file", type=click.Path(path_type=Path))
@_ids_option
@shape_options
@click.pass_obj
def import_(options: Globals, db: Path, file: Path, ids_file: Path | None, **shape: Any) -> None:
    file = file.expanduser()
    if is_database(db):
        _refuse_other_shape(db)
        with open_database(db) as database:
            _fill(options, db, database, file, ids_file)
        return
    refuse_existing(db)
    dimensions = _dimensions(file, ids_file)
    with new_database(dimensions, db, **shape) as database:
        _fill(options, db, database, file, ids_file)


def _refuse_other_shape(db: Path) -> None:
    """A database keeps the metric and the parameters it was made with; options that would silently do nothing are refused."""
    context = click.get_current_context()
    for name in SHAPE:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} is for a new database", f"{db} is there already", f"leave {option} out, or give another --db"
            )


def _dimensions(file: Path, ids_file: Path | None) -> int:
    """Of the first good row. Raises ParseError when no row is good."""
    first: Refused | None = None
    for batch in read_embeddings(file, None, ids_file or _ids_of(file), batch=64):
        if len(batch.vectors):
            return int(batch.vectors.shape[1])
        first = first or next(iter(batch.refused), None)
    why = f"{first.place}: {first.reason}" if first else "it has no rows"
    raise ParseError(f"{file.name} holds no vectors", why, "see `ragterm vec add --help` for the forms", stage="read")


def _ids_of(file: Path) -> Path | None:
    beside = ids_beside(file)
    return beside if file.suffix.lower() == ".npy" and beside.is_file() else None


def _fill(options: Globals, db: Path, database: VectorDB, file: Path, ids_file: Path | None) -> None:
    if ids_file is None and (ids_file := _ids_of(file)) is not None:
        warn(f"ids and metadata from {ids_file}")
    control = cancel_on_interrupt()
    batches = read_embeddings(file, database.get_stats()["dimensions"], ids_file)
    filled = _insert_all(database, batches, control)
    if not filled.cancelled and filled.added + filled.replaced:
        _link(database, control, filled)
    # What was inserted is whole whether or not the graph has caught up: it links the rest when the database is next open.
    database.save()
    if options.as_json:
        emit_json(_as_json(db, file, filled, len(database)))
    else:
        _print(db, file, filled, len(database))
    raise click.exceptions.Exit(filled.exit_code)


def _insert_all(database: VectorDB, batches: Iterator[Batch], control: Control) -> Filled:
    filled, status, started = Filled(), StatusLine(), time.perf_counter()
    for batch in batches:
        refused = [*batch.refused, *_insert(database, batch, filled)]
        for one in refused:
            if filled.failed < _SHOWN:
                status.clear()
                warn(f"left out  {one.place}: {one_line(one.reason)}")
            filled.failed += 1
        filled.refused.extend(refused[: _NAMED - len(filled.refused)])
        filled.seconds = time.perf_counter() - started
        if status.due():
            done = filled.added + filled.replaced
            left = filled.seconds / batch.share - filled.seconds if batch.share else 0.0
            status.show(
                f"{done:,} vectors · {batch.share:.0%} · {done / filled.seconds:,.0f} vectors/s · {duration(left)} left"
            )
        if control.cancelled:
            filled.cancelled = True
            break
    status.clear()
    if filled.failed > _SHOWN:
        warn(f"left out  {filled.failed - _SHOWN:,} more")
    return filled


def _insert(database: VectorDB, batch: Batch, filled: Filled) -> Sequence[Refused]:
    """Insert a batch, whole where it can be; else row by row, so that one that the database refuses costs only itself."""
    if not batch.ids:
        return []
    distinct = set(batch.ids)
    there = sum(doc_id in database for doc_id in distinct)
    try:
        database.insert_batch(list(batch.ids), batch.vectors, list(batch.metadata))
    except UsageError:
        pass
    else:
        filled.replaced += there + len(batch.ids) - len(distinct)
        filled.added += len(distinct) - there
        return []
    refused = []
    for doc_id, vector, metadata in zip(batch.ids, batch.vectors, batch.metadata, strict=True):
        known = doc_id in database
        try:
            database.insert(doc_id, vector, metadata)
        except UsageError as error:
            refused.append(Refused(f"id {doc_id}", str(error)))
            continue
        filled.replaced += known
        filled.added += not known
    return refused


def _link(database: VectorDB, control: Control, filled: Filled) -> None:
    """Bring the graph up to date now, with progress. Ctrl+C stops it between two steps."""
    status, started = StatusLine(), time.perf_counter()

    def show(done: int, total: int) -> None:
        control.checkpoint()
        if status.due():
            status.show(f"linking · {done:,} of {total:,}")

    try:
        database.link(show)
    except Cancelled:
        filled.unlinked = True
        status.clear()
        warn("the index is not finished; search stays exact, and it is linked when the database is next open")
    status.clear()
    filled.link_seconds = time.perf_counter() - started


def _as_json(db: Path, file: Path, filled: Filled, vectors: int) -> dict[str, Any]:
    done = filled.added + filled.replaced
    return {
        "db": str(db),
        "file": str(file),
        "added": filled.added,
        "replaced": filled.replaced,
        "failed": filled.failed,
        "failures": [{"place": one.place, "error": one.reason} for one in filled.refused],
        "vectors": vectors,
        "seconds": round(filled.seconds, 3),
        "vectors_per_second": round(done / filled.seconds, 1) if filled.seconds else 0.0,
        "link_seconds": round(filled.link_seconds, 3),
        "cancelled": filled.cancelled or filled.unlinked,
    }


def _print(db: Path, file: Path, filled: Filled, vectors: int) -> None:
    done = filled.added + filled.replaced
    parts = [f"{filled.added:,} added"]
    parts += [f"{filled.replaced:,} replaced"] * bool(filled.replaced)
    parts += [f"{filled.failed:,} left out"] * bool(filled.failed)
    speed = f" ({done / filled.seconds:,.0f} vectors/s)" if filled.seconds and done else ""
    linked = f", linked in {filled.link_seconds:.1f} s" if filled.link_seconds >= 0.1 and not filled.unlinked else ""
    say(f"{db}: {', '.join(parts)} in {filled.seconds:.1f} s{speed}{linked}; {vectors:,} vectors now")
    if filled.cancelled:
        say(f"  stopped; the same command goes on: ragterm vec add --file {one_line(str(file))}{typed(db)}")
