"""A replica has no say in a store that became another mode's, nor by playbooks or a time that are not in force (S21, S22, S28)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remediator.engine.fitness import Fitness
from remediator.store import meta
from remediator.store.database import Store, Tx
from tests.support import incidents as rows


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        async with opened.begin(Tx.OPERATE) as tx:
            await meta.put(tx, meta.MODE, "live")
            await meta.put(tx, meta.ACTIVE_SET, "new")
        yield opened


@pytest.mark.parametrize(
    ("mode", "has", "in_mode", "in_all"),
    [
        ("live", "new", None, None),
        ("live", "old", None, "the playbooks in force are new, this replica has old"),
        ("live", None, None, "the playbooks in force are new, this replica has None"),
        (
            "dry-run",
            "new",
            "the store's mode is live, this replica's dry-run",
            "the store's mode is live, this replica's dry-run",
        ),
    ],
)
async def test_who_may_decide_and_who_may_only_send(
    store: Store, mode: str, has: str | None, in_mode: str | None, in_all: str | None
) -> None:
    fitness = Fitness(mode=mode, set_hash=lambda: has, clock_steps=lambda: 0)
    async with store.read() as connection:
        assert await fitness.in_mode(connection) == in_mode
        assert await fitness.in_all(connection) == in_all


async def test_nor_by_a_time_that_the_store_has_left(store: Store) -> None:
    fitness = Fitness(mode="live", set_hash=lambda: "new", clock_steps=lambda: 1)
    async with store.read() as connection:
        assert await fitness.in_mode(connection) == await fitness.in_all(connection)
        assert await fitness.in_mode(connection) is not None
