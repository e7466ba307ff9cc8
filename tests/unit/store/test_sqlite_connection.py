"""Statements run on the loop; what takes long or waits for another process does not stop it."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remediator.store import sqlite_connection
from remediator.store.sqlite_connection import MANY_ROWS, SqliteConnection

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[SqliteConnection]:
    opened = await sqlite_connection.connect(tmp_path / "s.sqlite", ("journal_mode=WAL",))
    await opened.cursor().execute("CREATE TABLE things (id INTEGER PRIMARY KEY, at TEXT)")
    try:
        yield opened
    finally:
        await opened.close()


def where_it_runs(connection: SqliteConnection) -> list[int]:
    """Threads in which the function ``here()`` of SQL was called."""
    threads: list[int] = []
    connection._connection.create_function("here", 0, lambda: threads.append(threading.get_ident()))
    return threads


async def rows(connection: SqliteConnection, statement: str) -> list[tuple[object, ...]]:
    cursor = connection.cursor()
    await cursor.execute(statement)
    return await cursor.fetchall()


async def test_a_small_question_runs_on_the_loop(connection: SqliteConnection) -> None:
    threads = where_it_runs(connection)
    await rows(connection, "SELECT here()")
    assert threads == [threading.get_ident()]


async def test_a_long_question_is_broken_off_and_answered_whole_by_the_thread(connection: SqliteConnection) -> None:
    threads = where_it_runs(connection)
    found = await rows(connection, f"SELECT here(), (SELECT count(*) FROM ({NUMBERS} SELECT i FROM n))")
    assert [row[1] for row in found] == [300_000]
    assert threads[-1] != threading.get_ident()


async def test_a_long_list_comes_once_and_whole(connection: SqliteConnection) -> None:
    await rows(connection, f"INSERT INTO things (id) {NUMBERS} SELECT i - 1 FROM n WHERE i <= 20000")
    assert [row[0] for row in await rows(connection, "SELECT id FROM things ORDER BY id")] == list(range(20_000))


async def test_a_write_is_never_broken_off(connection: SqliteConnection) -> None:
    await rows(connection, "BEGIN IMMEDIATE")
    await rows(connection, "INSERT INTO things (at) VALUES ('before')")
    await rows(connection, "INSERT INTO things (at) SELECT here FROM (SELECT 'x' AS here)")
    cursor = connection.cursor()
    await cursor.executemany("INSERT INTO things (at) VALUES (?)", [("x",)] * 30_000)
    await rows(connection, "UPDATE things SET at = 'y'")
    await connection.commit()
    assert await rows(connection, "SELECT at, count(*) FROM things GROUP BY at") == [("y", 30_002)]


async def test_what_says_that_it_writes_many_rows_runs_in_the_thread(connection: SqliteConnection) -> None:
    await rows(connection, "INSERT INTO things (at) VALUES ('x')")
    threads = where_it_runs(connection)
    await rows(connection, f"UPDATE {MANY_ROWS} things SET at = here()")
    assert threads != [threading.get_ident()]
    assert len(threads) == 1


async def test_the_loop_goes_on_while_another_process_holds_the_file(
    connection: SqliteConnection, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    beginning = asyncio.ensure_future(rows(connection, "BEGIN IMMEDIATE"))
    await asyncio.sleep(0.05)
    assert not beginning.done(), "it waits, and the loop has gone on"
    other.execute("COMMIT")
    other.close()
    await beginning
    await connection.rollback()


async def test_a_rollback_waits_for_what_a_cancelled_caller_left_in_the_thread(connection: SqliteConnection) -> None:
    await rows(connection, "BEGIN IMMEDIATE")
    begun, free = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        free.wait(10)

    left = asyncio.ensure_future(connection.hop(slow))
    await asyncio.to_thread(begun.wait, 10)
    left.cancel()
    rolling = asyncio.ensure_future(connection.rollback())
    await asyncio.sleep(0)
    assert not rolling.done()
    free.set()
    await rolling
    assert not connection._connection.in_transaction
