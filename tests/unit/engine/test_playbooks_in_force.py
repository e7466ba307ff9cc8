"""Which set of playbooks counts among replicas whose files differ for a while (S22)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remediator.actions import ACTIONS
from remediator.conditions import CONDITIONS
from remediator.engine.playbook_watch import PlaybookWatch
from remediator.metrics import Metrics
from remediator.playbooks.library import Library
from remediator.store import meta, replicas
from remediator.store.database import Store, Tx
from remediator.store.replicas import Card
from tests.support import incidents as rows
from tests.support import runs as made
from tests.support.clock import ManualClock
from tests.support.service import RESTART

OTHER = RESTART.replace("cooldown: 15m", "cooldown: 16m")


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(Store, "shared", True)
    async with rows.opened(tmp_path) as opened:
        yield opened


@dataclass
class Replica:
    name: str
    store: Store
    clock: ManualClock
    file: Path
    watch: PlaybookWatch

    async def beat(self) -> None:
        now, has = self.clock.now(), self.watch.set_hash
        card = Card(id=self.name, name=self.name, mode="live", node=None, set_hash=has, knows=())
        async with self.store.begin(Tx.HEARTBEAT) as tx:
            await replicas.beat(tx, card, now=now, lease_until=now + made.LEASE)

    async def start(self) -> None:
        await self.beat()
        await self.watch.load()

    async def edit(self, text: str) -> None:
        self.file.write_text(text)
        await self.watch.load()

    async def in_force(self) -> bool:
        async with self.store.read() as connection:
            return bool(await meta.get(connection, meta.ACTIVE_SET) == self.watch.set_hash)


def replica(store: Store, clock: ManualClock, directory: Path, name: str, text: str = RESTART) -> Replica:
    folder = directory / name
    folder.mkdir()
    (folder / "p.yaml").write_text(text)
    library = Library(
        folder,
        action_params={action.name: action.params for action in ACTIONS},
        condition_params={condition.name: condition.params for condition in CONDITIONS},
        vars_overrides={},
    )
    watch = PlaybookWatch(
        library=library, store=store, clock=clock, metrics=Metrics(), replica=name, on_changed=lambda: None
    )
    return Replica(name, store, clock, folder / "p.yaml", watch)


async def test_a_start_does_not_put_its_files_in_the_place_of_those_that_a_living_replica_has(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    one, late = replica(store, clock, tmp_path, "one"), replica(store, clock, tmp_path, "late", OTHER)
    await one.start()
    await late.start()
    assert (await one.in_force(), await late.in_force(), late.watch.differs) == (True, False, True)
    await late.watch.load()  # SIGHUP: the same files
    assert await one.in_force()


async def test_files_that_change_are_in_force_at_once_and_who_still_has_the_old_ones_does_not_bring_them_back(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    one, two = replica(store, clock, tmp_path, "one"), replica(store, clock, tmp_path, "two")
    await one.start()
    await two.start()
    assert await one.in_force() and await two.in_force()
    await two.edit(OTHER)
    assert await two.in_force()
    await one.watch._follow()
    assert (await two.in_force(), one.watch.differs) == (True, True)
    await one.edit(OTHER)
    assert (await one.in_force(), one.watch.differs) == (True, False)


async def test_when_nobody_who_lives_has_those_in_force_any_more_another_set_takes_their_place(
    store: Store, clock: ManualClock, tmp_path: Path
) -> None:
    one, late = replica(store, clock, tmp_path, "one"), replica(store, clock, tmp_path, "late", OTHER)
    await one.start()
    await late.start()
    await clock.advance(made.LEASE.total_seconds() - 1)
    await late.beat()
    await late.watch._follow()
    assert await one.in_force()
    await clock.advance(1)
    await late.watch._follow()
    assert (await late.in_force(), late.watch.differs) == (True, False)
    await one.beat()  # back, with the files that it had
    await one.watch._follow()
    assert (await late.in_force(), one.watch.differs) == (True, True)
