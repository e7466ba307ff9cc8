"""Schema changes: forward from every schema there ever was, once however many start together, and kind to the release before."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from remediator.errors import ConfigError
from remediator.store import meta, migrate, migrations
from remediator.store.database import Tx, open_store
from remediator.store.schema import metadata
from tests.support.shared_database import fresh

CONFIG = Config()
CONFIG.set_main_option("script_location", str(Path(migrations.__file__).parent))
SCRIPTS = list(reversed(list(ScriptDirectory.from_config(CONFIG).walk_revisions())))
REVISIONS = [script.revision for script in SCRIPTS]


async def done_to(url: str, work: Callable[[Connection], Any]) -> Any:
    """What somebody else does to a store, in one transaction."""
    if url.startswith("sqlite"):
        engine = create_engine(url)
        try:
            with engine.begin() as connection:
                return work(connection)
        finally:
            engine.dispose()
    aengine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))
    try:
        async with aengine.begin() as aconnection:
            return await aconnection.run_sync(work)
    finally:
        await aengine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.live])])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.sqlite"
    else:
        async with fresh(request.getfixturevalue("database_server"), migrated=False) as url:
            yield url


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_store_of_every_earlier_schema_is_brought_up(empty_url: str, revision: str) -> None:
    def make(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(text("INSERT INTO meta (key, value) VALUES ('kept', '1')"))

    def differences(connection: Connection) -> list[Any]:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        changes = [one for each in found for one in (each if isinstance(each, list) else [each])]
        return [change for change in changes if change[0] != "modify_comment"]

    await done_to(empty_url, make)
    store = await open_store(empty_url)
    async with store.read() as connection:
        assert await meta.get(connection, "kept") == 1
    await store.close()
    assert await done_to(empty_url, differences) == []
    assert (
        await done_to(empty_url, lambda c: c.scalar(text("SELECT version_num FROM alembic_version"))) == REVISIONS[-1]
    )


def test_no_migration_lets_go_on_what_an_earlier_one_had_stopped() -> None:
    """The newest one's word counts for all before it."""
    usable_from = [migrate.usable_from(script.module) for script in SCRIPTS]
    assert usable_from == sorted(usable_from)
    assert all(one <= revision for one, revision in zip(usable_from, REVISIONS, strict=True))
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert migrate.newest() == REVISIONS[-1]


def set_to_a_newer_schema(usable_from: str | None) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("DELETE FROM meta WHERE key = 'schema_usable_from'"))
        if usable_from is not None:
            connection.execute(text("INSERT INTO meta VALUES ('schema_usable_from', :it)"), {"it": usable_from})
        connection.execute(text("CREATE TABLE of_the_newer_release (id TEXT)"))

    return work


async def test_during_an_update_the_older_release_goes_on_with_a_schema_that_says_so(empty_url: str) -> None:
    await (await open_store(empty_url)).close()
    await done_to(empty_url, set_to_a_newer_schema(f'"{migrate.newest()}"'))
    store = await open_store(empty_url)
    async with store.begin(Tx.MARK) as tx:
        await meta.put(tx, "x", 1)
    await store.close()
    assert await done_to(empty_url, lambda c: c.scalar(text("SELECT version_num FROM alembic_version"))) == "9999"


@pytest.mark.parametrize("usable_from", ['"9999"', '"later"', "1", None])
async def test_a_store_of_a_newer_release_is_refused_and_left_as_it_is(empty_url: str, usable_from: str | None) -> None:
    await (await open_store(empty_url)).close()
    await done_to(empty_url, set_to_a_newer_schema(usable_from))
    with pytest.raises(ConfigError, match="a newer remediator has used this store"):
        await open_store(empty_url)
    assert await done_to(empty_url, lambda c: c.scalar(text("SELECT version_num FROM alembic_version"))) == "9999"


async def test_replicas_that_start_together_migrate_once(database_server: str) -> None:
    async with fresh(database_server, migrated=False) as url:
        stores = await asyncio.gather(*(open_store(url) for _ in range(4)))
        for number, store in enumerate(stores):
            async with store.begin(Tx.MARK) as tx:
                await meta.put(tx, f"of {number}", number)
        async with stores[0].read() as connection:
            assert await meta.get_many(connection, [f"of {n}" for n in range(4)]) == {f"of {n}": n for n in range(4)}
        for store in stores:
            await store.close()


async def test_a_schema_that_the_older_release_cannot_use_waits_until_none_of_it_lives(
    database_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "usable_from", lambda migration: migration.revision)

    def make(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, REVISIONS[-2])

    async with fresh(database_server, migrated=False) as url:
        await done_to(url, make)
        connection = await asyncpg.connect(url)
        lease = "extract(epoch FROM clock_timestamp() + interval '30 s') * 1000000"
        await connection.execute(
            f"INSERT INTO replicas VALUES ('own_1', 'pod-1', 'live', NULL, 0, 0, {lease}, NULL, '[]')"
        )
        with pytest.raises(ConfigError, match="the release of pod-1, still alive"):
            await open_store(url)
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == REVISIONS[-2]
        await connection.execute("UPDATE replicas SET lease_until = 0")
        await (await open_store(url)).close()
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == REVISIONS[-1]
        await connection.close()


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(database_server: str) -> None:
    async with fresh(database_server, migrated=False) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE runs (id TEXT)")  # in the way of the first migration's last tables
        with pytest.raises(Exception, match="already exists"):
            await open_store(url)
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert [row["tablename"] for row in tables] == ["runs"]
        await connection.execute("DROP TABLE runs")
        await connection.close()
        await (await open_store(url)).close()
