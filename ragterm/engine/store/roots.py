"""The files and folders that a collection was made from, as a person named them: what following it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ragterm.engine.store.connection import Database
from ragterm.engine.store.values import now, path_in, path_out


class RootTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[str]:
        """Absolute paths, by name; some may be gone from disk."""
        with self._database.reading() as connection:
            return [path_out(path) for (path,) in connection.execute("SELECT path FROM roots ORDER BY path")]

    def add(self, paths: Iterable[str]) -> None:
        known = set(self.all())
        missing = [path for path in paths if path not in known]
        if not missing:
            return
        with self._database.atomic() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO roots VALUES (?, ?)", [(path_in(path), now()) for path in missing]
            )

    def remove(self, paths: Sequence[str]) -> int:
        with self._database.atomic() as connection:
            return sum(
                connection.execute("DELETE FROM roots WHERE path = ?", (path_in(path),)).rowcount for path in paths
            )

    # What a person took out of the collection, while its file stays in a folder that is followed.

    def left_out(self) -> set[str]:
        """Document ids."""
        with self._database.reading() as connection:
            return {id_ for (id_,) in connection.execute("SELECT document_id FROM left_out")}

    def leave_out(self, ids: Iterable[str]) -> None:
        with self._database.atomic() as connection:
            connection.executemany("INSERT OR IGNORE INTO left_out VALUES (?)", [(id_,) for id_ in ids])

    def take_in(self, ids: Iterable[str]) -> None:
        wanted = self.left_out().intersection(ids)
        if wanted:
            with self._database.atomic() as connection:
                connection.executemany("DELETE FROM left_out WHERE document_id = ?", [(id_,) for id_ in wanted])
