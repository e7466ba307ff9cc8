"""One PostgreSQL server for all workers of a test run, and a fresh database, migrated already, for every test that asks.

``REMEDIATOR_TEST_POSTGRES`` (the URL of any database of a server, whose user may create databases) lends one instead.
"""

import asyncio
import json
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from remediator.store.database import open_store
from tests.controlplane import shared
from tests.controlplane.processes import StartError
from tests.support.database_server import DatabaseServer, binaries

DIRECTORY = "TEST_DATABASE_OF_REMEDIATOR"
"""Environment variable: where the processes of this test run find its server."""
LENT = "REMEDIATOR_TEST_POSTGRES"
_TEMPLATE = "remediator_template"


def server_url() -> str:
    """The server of this test run, started if nobody has yet. Raises StartError, in every worker the same."""
    return shared.started(Path(os.environ[DIRECTORY]), "tests.support.shared_database")


@asynccontextmanager
async def fresh(url: str, *, migrated: bool = True) -> AsyncIterator[str]:
    """The URL of a database of its own on this server. Whoever is still connected at the end is thrown out."""
    name = f"remediator_test_{secrets.token_hex(6)}"
    # As files: a third of the work. The server's default is for big ones; 14 knows only this way, and not the word.
    await _do(
        url, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE if migrated else 'template0'}", since_15=" STRATEGY file_copy"
    )
    try:
        yield _named(url, name)
    finally:
        await _drop(url, name)


async def _drop(url: str, name: str) -> None:
    """An ordinary user cannot throw out the server's own cleaner, which leaves by itself."""
    for _ in range(100):
        try:
            await _do(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        except asyncpg.InsufficientPrivilegeError:
            await asyncio.sleep(0.1)
    raise AssertionError(f"{name} cannot be dropped")


async def _serve(directory: Path) -> None:
    """Until nobody keeps the test bed alive any more."""
    shared.hold_running(directory)
    if (lent := os.environ.get(LENT)) is not None:
        await _offer(lent, directory)
        await _drop(lent, _TEMPLATE)
        return
    if (folder := binaries()) is None:
        raise StartError("there is no PostgreSQL on this machine")
    server = DatabaseServer(folder)
    try:
        server.start()
        await _offer(server.url(), directory)
    finally:
        server.remove()


async def _offer(url: str, directory: Path) -> None:
    await _drop(url, _TEMPLATE)
    await _do(url, f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0 ENCODING 'UTF8'")
    await (await open_store(_named(url, _TEMPLATE))).close()
    told = directory / "ready.json.new"
    told.write_text(json.dumps({"url": url}))
    told.rename(directory / "ready.json")
    await shared.without_owner(directory)


async def _do(url: str, statement: str, *, since_15: str = "") -> None:
    connection = await asyncpg.connect(url, timeout=10, command_timeout=30)
    try:
        await connection.execute(statement + (since_15 if connection.get_server_version().major >= 15 else ""))
    finally:
        await connection.close()


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
    shutil.rmtree(sys.argv[1], ignore_errors=True)  # its owner may have been killed
