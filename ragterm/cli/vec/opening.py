"""How every command of `ragterm vec` comes to its database, and what it says when there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ragterm.engine.types.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from ragterm.engine.vectors.database import VectorDB

DEFAULT = "vectors"
ITEMS_FILE = "items.sqlite"  # the one file that every database has from its first moment


def db_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--db PATH`; it arrives as `db`, a Path."""
    return click.option(
        "--db",
        default=DEFAULT,
        show_default=f"./{DEFAULT}",
        metavar="PATH",
        type=_Folder(),
        help="The database's folder.",
    )(command)


class _Folder(click.ParamType):
    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(value).expanduser()


def database_class() -> type[VectorDB]:
    """The one place from which the commands take `VectorDB`."""
    from ragterm.engine.vectors.database import VectorDB

    return VectorDB


def new_database(dimensions: int, path: Path | None = None, **shape: Any) -> VectorDB:
    """An empty database, in memory without a path."""
    return database_class()(dimensions, path=path, **shape)


def is_database(path: Path) -> bool:
    return (path / ITEMS_FILE).is_file()


def open_database(path: Path) -> VectorDB:
    """Open the database in the folder `path`. Raises NotFoundError when there is none, StoreError when it cannot be used."""
    if not is_database(path):
        where = f"{path} holds none" if path.exists() else f"there is no folder {path}"
        raise NotFoundError("No vector database", where, f"ragterm vec init --dimensions 384{typed(path)}")
    return database_class().open(path)


def refuse_existing(path: Path) -> None:
    """Raise UsageError unless a new database can be made at `path`."""
    if is_database(path):
        with open_database(path) as db:
            held = f"{path} holds {len(db):,} vectors of {db.get_stats()['dimensions']} dimensions"
        hint = f"ragterm vec add --file FILE{typed(path)}, or make another with --db PATH"
        raise UsageError("There is a database already", held, hint)
    if path.is_dir() and any(path.iterdir()):
        raise UsageError("The folder is not empty", f"{path} holds other files", "choose another with --db PATH")
    if path.exists() and not path.is_dir():
        raise UsageError("Not a folder", str(path), "choose another with --db PATH")


def typed(path: Path) -> str:
    """` --db PATH` as one would have to type it; nothing for the default."""
    import shlex

    return "" if path == Path(DEFAULT) else f" --db {shlex.quote(str(path))}"
