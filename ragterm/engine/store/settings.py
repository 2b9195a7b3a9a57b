"""Settings that belong to one collection, as JSON values by name."""

from __future__ import annotations

import json
from typing import Any

from ragterm.engine.store.connection import Database


class SettingsTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str, default: Any = None) -> Any:
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def set(self, name: str, value: Any) -> None:
        with self._database.atomic() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def all(self) -> dict[str, Any]:
        with self._database.reading() as connection:
            return {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM settings")}
