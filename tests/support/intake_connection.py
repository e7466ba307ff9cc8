"""The SQLite connection that intake writes through, to make it refuse."""

import sqlite3

from remediator.store.database import Store
from remediator.store.sqlite import SqliteDatabase


def of(store: Store) -> sqlite3.Connection:
    """Not for use while a transaction is under way."""
    assert isinstance(store._database, SqliteDatabase)
    return store._database.lean._open()
