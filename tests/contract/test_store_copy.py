"""``remediator store copy``: everything or nothing, the same on both sides, and the service goes on where it stood."""

import asyncio
import fcntl
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from typer.testing import CliRunner

from remediator.cli.program import app
from remediator.errors import ConfigError, StoreUnavailableError
from remediator.ids import new_id
from remediator.sandbox.world import World
from remediator.store import copying
from remediator.store.database import Tx, open_store
from remediator.store.reading import open_for_reading
from remediator.store.schema import deliveries, metadata
from tests.support import incidents as rows
from tests.support.clock import T0
from tests.support.service import RESTART, firing, running
from tests.support.whole_store import broken_rules

ASKED = RESTART.replace("autonomy: act", "autonomy: approve")
STRANGE = "naïve \U0001f4a5 \\u0000 'quoted' \t"


async def filled(directory: Path, alerts: int = 3) -> str:
    """A store with a row of many kinds; returns its URL."""
    async with rows.opened(directory) as store, store.begin(Tx.OPERATE) as tx:
        incident = await rows.join(tx, title=STRANGE)
        for number in range(alerts):
            delivery = {"id": new_id("dlv"), "source": "prod", "received_at": T0, "receiver": STRANGE, "group_key": "g"}
            body = bytes(range(256)) * 40
            await tx.execute(insert(deliveries).values(**delivery, truncated=0, alerts=1, body=body))
            labels = {"alertname": "A", "odd": "\ud800 \x00", "n": str(number)}
            await rows.fire(tx, incident, labels=labels, delivery_id=delivery["id"], decide_again_at=T0)
    return f"sqlite:///{directory}/remediator.sqlite"


async def rows_of(url: str) -> dict[str, Any]:
    async with open_for_reading(url) as connection:
        return {
            name: (await connection.execute(select(table).order_by(*table.primary_key))).all()
            for name, table in metadata.tables.items()
        }


async def test_every_row_is_the_same_afterwards(tmp_path: Path, database_url: str) -> None:
    source = await filled(tmp_path, alerts=1_100)
    copied = await copying.copy(source, database_url)
    counts = {one.table: one.rows for one in copied}
    assert counts["episodes"] == counts["deliveries"] == 1_100
    before, after = await rows_of(source), await rows_of(database_url)
    assert after == before
    assert await broken_rules(database_url) == []


async def test_a_run_that_waits_and_an_open_incident_go_on(tmp_path: Path, database_url: str) -> None:
    """A person says yes on the new store to what was asked on the old one; it is done once."""
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.sicken("shop", "checkout", "crash-until-restart")
        async with running(tmp_path, ASKED, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def asks() -> Any:
                return await service.runs(states=("approval",))

            [run] = await service.until(asks)
            await service.until(world.pagerduty.paging, what="somebody is asked")
        done = await asyncio.to_thread(
            CliRunner().invoke, app, ["store", "copy", f"sqlite:///{tmp_path}/remediator.sqlite", database_url]
        )
        assert done.exit_code == 0, done.output
        assert "runs" in done.stdout and "never again with the file" in done.stdout
        async with running(tmp_path, ASKED, world=world, store__url=database_url) as service:
            _, shown = await service.api("GET", f"runs/{run.id}")
            plan = shown["approval"]["plan_hash"]
            status, said = await service.api("POST", f"runs/{run.id}/approve", plan=plan, reason="agreed")
            assert status == 200, said
            [ended] = await service.ended()
            assert (ended.id, ended.outcome) == (run.id, "verified")
            await service.alert(firing(namespace="shop", deployment="checkout", ends_at=T0 + timedelta(days=9_999)))
            await service.until(lambda: not world.pagerduty.open(), what="the page is resolved")
        assert len(world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")) == 1


async def test_a_file_in_use_is_refused(tmp_path: Path, database_url: str) -> None:
    source = await filled(tmp_path)
    with (tmp_path / "remediator.sqlite.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another remediator process uses this SQLite file"):
            await copying.copy(source, database_url)
    with pytest.raises(ConfigError, match="there is no store here"):
        await copying.copy(f"sqlite:///{tmp_path}/other.sqlite", database_url)
    assert not (tmp_path / "other.sqlite.lock").exists()


async def test_a_database_that_was_used_is_refused(tmp_path: Path, database_url: str) -> None:
    source = await filled(tmp_path)
    await copying.copy(source, database_url)
    with pytest.raises(ConfigError, match=r"it is not empty: table \w+ has \d+ rows \(make a new database") as error:
        await copying.copy(source, database_url)
    assert database_url.partition("://")[2].partition("@")[0].partition(":")[2] not in str(error.value)


async def test_broken_off_it_leaves_nothing(tmp_path: Path, database_url: str) -> None:
    """The last table holds what PostgreSQL refuses; what was copied before is gone again, and a second try begins anew."""
    source = await filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / "remediator.sqlite")) as database, database:
        database.execute("UPDATE episodes SET annotations = 'a' || char(0) || 'b' WHERE rowid = 1")
    with pytest.raises(
        StoreUnavailableError, match=r"table episodes, among the 3 rows from epi_.*PostgreSQL refuses it"
    ):
        await copying.copy(source, database_url)
    store = await open_store(database_url)
    try:
        async with store.read() as connection:
            assert await connection.scalar(select(func.count()).select_from(deliveries)) == 0
    finally:
        await store.close()
    with closing(sqlite3.connect(tmp_path / "remediator.sqlite")) as database, database:
        database.execute("UPDATE episodes SET annotations = '{}' WHERE rowid = 1")
    assert sum(one.rows for one in await copying.copy(source, database_url)) > 6


async def test_a_difference_is_found_and_nothing_is_kept(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trigger on the other side changes what is written."""
    source = await filled(tmp_path)
    store = await open_store(database_url)
    async with store.begin(Tx.OPERATE) as tx:
        await tx.execute(
            text(
                "CREATE FUNCTION other() RETURNS trigger AS $$ BEGIN NEW.repeats = 7; RETURN NEW; END $$ LANGUAGE plpgsql"
            )
        )
        await tx.execute(text("CREATE TRIGGER other BEFORE INSERT ON episodes FOR EACH ROW EXECUTE FUNCTION other()"))
    await store.close()
    with pytest.raises(StoreUnavailableError, match="table episodes came out differently: 3 rows"):
        await copying.copy(source, database_url)
    assert (await rows_of(database_url))["episodes"] == []
