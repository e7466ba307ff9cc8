"""A PostgreSQL that cannot be used says why and what to do, before anything is done, and never with the password."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import ValidationError

from remediator.errors import ConfigError, RemediatorError, StoreUnavailableError
from remediator.settings import StoreSettings
from remediator.store.database import Tx, open_store
from remediator.store.postgresql_address import Address
from remediator.store.postgresql_connection import OLDEST_SERVER, Bounds
from tests.controlplane.processes import free_ports
from tests.support.database_server import own_server

SECRET = "hunter2"


async def told(url: str, *, password_file: Path | None = None) -> str:
    """The whole message of why it does not open. Neither it nor what it came from has a password."""
    with pytest.raises(RemediatorError) as error:
        await open_store(url, password_file=password_file)
    password = Address.parse(url).password if password_file is None else SECRET
    shown: BaseException | None = error.value
    while shown is not None:
        assert SECRET not in str(shown) and str(password) not in str(shown)
        shown = shown.__cause__
    return str(error.value)


@pytest.fixture
async def server(database_server: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_server)
    yield connection
    await connection.close()


async def test_a_wrong_password(database_url: str) -> None:
    right = Address.parse(database_url).password
    text = await told(database_url.replace(str(right), SECRET))
    assert "password authentication failed" in text and "store.password_file" in text
    assert text.startswith("postgresql://remediator@127.0.0.1:")


async def test_an_unknown_user(database_url: str) -> None:
    assert "password authentication failed" in await told(database_url.replace("remediator:", "nobody:"))


async def test_an_unknown_database(database_server: str) -> None:
    text = await told(database_server.replace("/postgres", "/nowhere"))
    assert "there is no such database (create it, with ENCODING 'UTF8')" in text


async def test_a_database_of_another_encoding(server: asyncpg.Connection, database_server: str) -> None:
    await server.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        text = await told(database_server.replace("/postgres", "/ascii"))
    finally:
        await server.execute("DROP DATABASE ascii")
    assert "its encoding is SQL_ASCII (create the database with ENCODING 'UTF8')" in text


async def test_a_user_who_may_make_no_tables(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("DROP TABLE alembic_version")
    await connection.execute(f"ALTER DATABASE {database_url.rpartition('/')[2]} SET search_path TO nothing")
    await connection.close()
    with pytest.raises((ConfigError, StoreUnavailableError)) as error:
        await open_store(database_url)
    assert "schema" in str(error.value)


async def test_a_standby() -> None:
    with own_server(settings={"wal_level": "replica"}) as broken:
        broken.restart()  # the setting is in its control file now
        broken.stop()
        (broken.data / "standby.signal").touch()
        broken.start()
        assert "is a standby and cannot be written to (the address of the primary)" in await told(broken.url())


async def test_a_server_that_is_not_there(database_url: str) -> None:
    address = Address.parse(database_url)
    [free] = free_ports(1)
    assert "no connection" in await told(database_url.replace(f":{address.port}/", f":{free}/"))


async def test_a_server_that_does_not_encrypt_when_it_must(database_url: str) -> None:
    assert "no connection" in await told(f"{database_url}?sslmode=require")


async def test_a_certificate_that_is_not_there(database_url: str, tmp_path: Path) -> None:
    text = await told(f"{database_url}?sslmode=verify-ca&sslrootcert={tmp_path}/none.crt")
    assert f"sslrootcert names a file that cannot be read: {tmp_path}/none.crt" in text


async def test_no_such_mode_of_encryption(database_url: str) -> None:
    assert "the driver refuses its options" in await told(f"{database_url}?sslmode=perhaps")


async def test_an_old_server(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediator.store.postgresql_connection.OLDEST_SERVER", 99)
    assert "is too old (99 or newer)" in await told(database_url)
    assert OLDEST_SERVER == 14


async def test_a_missing_driver(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert "PostgreSQL needs the driver asyncpg (install remediator[postgres])" in await told(database_url)


async def test_the_password_stands_best_in_a_file_and_may_change(database_url: str, tmp_path: Path) -> None:
    right = str(Address.parse(database_url).password)
    url, file = database_url.replace(f":{right}@", "@"), tmp_path / "password"
    assert f"{file} cannot be read: No such file" in await told(url, password_file=file)
    file.write_text("\n")
    assert "is empty" in await told(url, password_file=file)
    file.write_text(SECRET)
    assert "password authentication failed" in await told(url, password_file=file)
    file.write_text(f"{right}\n")
    store = await open_store(url, password_file=file)
    file.write_text(SECRET)
    with pytest.raises(StoreUnavailableError, match="password authentication failed"):
        async with store.begin(Tx.MARK):
            pass
    file.write_text(right)
    async with store.begin(Tx.MARK):
        pass
    await store.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"postgresql://ada:{SECRET}@db", "names no database"),
        (f"postgresql://:{SECRET}@db/remediator", "names no user"),
        (f"postgresql://ada:{SECRET}@/remediator", "names no host"),
        (f"postgresql://ada:{SECRET}@db:many/remediator", "is not an address"),
        (f"postgresql://ada@db/remediator?password={SECRET}", "unknown option"),
        (f"postgresql://ada@db/remediator?synchronous_commit=off&{SECRET}=1", "2 unknown option"),
        (f"postgresql://ada@db/remediator?{SECRET}", "is not an address"),
    ],
)
async def test_an_address_that_is_not_understood(url: str, why: str) -> None:
    with pytest.raises(ConfigError) as error:
        await open_store(url)
    assert why in str(error.value) and SECRET not in str(error.value)


async def test_two_passwords(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"keep one, best the file"):
        await open_store(f"postgresql://ada:{SECRET}@db/remediator", password_file=tmp_path / "password")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://ada:{SECRET}@db:5432/remediator?sslmode=require", "postgresql://db:5432/remediator"),
        (f"postgresql://ada:x/{SECRET}?@db/remediator", "postgresql://db/remediator"),
        ("postgresql://ada@[::1]/remediator", "postgresql://[::1]/remediator"),
        ("sqlite:////var/lib/remediator.sqlite", "sqlite:////var/lib/remediator.sqlite"),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert StoreSettings(url=url).shown == shown


def test_an_address_is_handed_on_without_its_password() -> None:
    address = Address.parse(f"postgresql://a%40da:{SECRET}@db:5432/re%2Fmediator?sslmode=require")
    assert address.dsn == "postgresql://a%40da@db:5432/re%2Fmediator?sslmode=require"
    assert SECRET not in repr(address)
    socket = Address.parse("postgresql://ada@/remediator?host=/run/postgresql")
    assert socket.dsn == "postgresql://ada@/remediator?host=%2Frun%2Fpostgresql"


def test_a_frozen_writer_costs_less_than_a_third_of_a_lease_and_a_busy_one_is_not_cut_off() -> None:
    assert [round(Bounds.under(lease_s).idle, 1) for lease_s in (1.0, 8.0, 9.0, 30.0, 300.0)] == [
        2.5,
        2.5,
        2.7,
        3.0,
        3.0,
    ]


@pytest.mark.parametrize("url", ["mysql://ada:hunter2@db/x", "hunter2", "postgresql+asyncpg://ada:hunter2@db/x"])
def test_settings_refuse_another_database_before_anything_is_opened(url: str) -> None:
    with pytest.raises(ValidationError, match="url must begin with sqlite:/// or postgresql://"):
        StoreSettings(url=url)
    with pytest.raises(ValidationError, match="password_file is for postgresql:// only"):
        StoreSettings(url="sqlite:///x", password_file=Path("y"))
