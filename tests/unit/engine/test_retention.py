"""What is over for long enough goes in small bites and leaves a summary; what anything still needs stays, whatever its age."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, update

from remediator.engine.retention import ROWS_A_TRANSACTION, Retention
from remediator.errors import StoreUnavailableError
from remediator.ids import first_id_at, new_id
from remediator.metrics import Metrics
from remediator.playbooks.model import Playbook
from remediator.runs.undo import reverse
from remediator.settings import Settings
from remediator.store import incidents, ledger, locks, outbox, retention
from remediator.store.database import Connection, Store, Tx, open_store
from remediator.store.schema import dead_letters, deliveries, episodes, metadata
from remediator.store.schema import incidents as incident_table
from remediator.store.schema import runs as run_table
from remediator.targets import Target
from tests.support import incidents as rows
from tests.support.clock import T0, ManualClock
from tests.support.past import fill
from tests.support.playbooks import playbook
from tests.support.whole_store import broken_rules
from tests.unit.store.test_query_plans import whole_tables

DAY = timedelta(days=1)
LONG_AGO = T0 - 100 * DAY
LATELY = T0 - 10 * DAY
HISTORY = (
    "approvals",
    "dead_letters",
    "decisions",
    "deliveries",
    "episodes",
    "journal",
    "ledger",
    "outbox",
    "runs",
    "timeline",
)


@dataclass
class Case:
    """A store, and what removes from it."""

    store: Store
    clock: ManualClock
    metrics: Metrics = field(default_factory=Metrics)
    settings: Settings = field(default_factory=Settings)
    playbooks: list[Playbook] = field(default_factory=list)

    @property
    def retention(self) -> Retention:
        return Retention(
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            playbooks=lambda: self.playbooks,
            metrics=self.metrics,
        )

    async def round(self) -> int:
        """One, with its pauses."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.retention.round())
            while not task.done():
                await self.clock.advance(1)
                await asyncio.sleep(0)
        return task.result()

    async def counts(self) -> dict[str, int]:
        async with self.store.read() as connection:
            return {
                name: await connection.scalar(select(func.count()).select_from(metadata.tables[name])) or 0
                for name in HISTORY
            }

    async def incident(self, incident_id: str) -> incidents.IncidentRow:
        async with self.store.read() as connection:
            found = await incidents.incident(connection, incident_id)
        assert found is not None
        return found

    async def do(self, change: Any) -> None:
        async with self.store.begin(Tx.OPERATE) as tx:
            await tx.execute(change)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.live])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    on_postgresql = request.param == "postgresql"
    return str(request.getfixturevalue("database_url")) if on_postgresql else f"sqlite:///{tmp_path}/remediator.sqlite"


@pytest.fixture
async def case(url: str, clock: ManualClock) -> AsyncIterator[Case]:
    opened = await open_store(url)
    try:
        yield Case(opened, clock)
    finally:
        await opened.close()


@dataclass
class Past:
    incident: str
    alert: str
    run: str
    delivery: str


async def past(tx: Connection, at: Any = LONG_AGO, target: str = rows.CHECKOUT, alerts: int = 1) -> Past:
    """A whole incident that was remedied and closed at this time, with everything that belongs to one."""
    delivery = await _delivery(tx, at)
    incident = await rows.join(tx, target=target, at=at)
    alert = ""
    for _ in range(alerts):
        alert = await rows.fire(tx, incident, at=at, delivery_id=delivery)
        await rows.answer(tx, incident, alert, "approve", at=at)
        await rows.close(tx, alert, at)
    over: dict[str, Any] = {"outcome": "verified", "reason": "its conditions held", "changed_at": at, "ended_at": at}
    run = await rows.admit(tx, incident, alert, "ended", at=at, target=target, wake_at=None, **over)
    await ledger.reserve(
        tx, run_id=run, mode="live", playbook="restart-it", target=Target.parse(target).counted, now=at
    )
    await ledger.mark_changed(tx, run, at)
    await ledger.close(tx, run, outcome="verified", changed=True)
    await rows.step(tx, run, at=at)
    await rows.ask_approval(tx, run, at=at)
    await rows.settle_approval(tx, run, "approved", at)
    await incidents.add_event(tx, incident, run, at, "run_ended", "restart-it ended verified", None)
    await _message(tx, incident, at)
    letter = {"id": new_id("dead"), "source": "prod", "received_at": at, "raw": b"{}", "error": "no labels"}
    await tx.execute(insert(dead_letters).values(**letter, incident_id=incident))
    await incidents.close(tx, incident, now=at, why="its alerts are closed and no run is active")
    return Past(incident, alert, run, delivery)


async def _delivery(tx: Connection, at: Any, **columns: Any) -> str:
    delivery_id = first_id_at("dlv", at)[:-12] + new_id("dlv")[-12:]
    values = {"source": "prod", "received_at": at, "receiver": "r", "group_key": "g", "truncated": 0, "alerts": 1}
    await tx.execute(insert(deliveries).values(id=delivery_id, **values, body=b"x", **columns))
    return delivery_id


async def _message(tx: Connection, incident: str | None, at: Any, *, settled: bool = True) -> None:
    key = {"mode": "live", "channel": "pagerduty", "action": "trigger", "dedup_key": f"{incident}/L1"}
    await outbox.add(tx, incident_id=incident, **key, cause=new_id("cause"), message={}, now=at)
    if settled:
        await tx.execute(update(metadata.tables["outbox"]).values(state="sent", next_at=None, settled_at=at))


async def test_an_old_incident_leaves_its_row_and_a_summary(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        old = await past(tx)
    removed = await case.round()
    assert await case.counts() == dict.fromkeys(HISTORY, 0)
    kept = await case.incident(old.incident)
    assert (kept.target, kept.state, kept.closed_at) == (rows.CHECKOUT, "closed", LONG_AGO)
    assert kept.summary == {
        "alerts": 1,
        "alertnames": ["HighErrorRate"],
        "first_alert_at": LONG_AGO.isoformat(),
        "last_closed_at": LONG_AGO.isoformat(),
        "pages": 1,
        "paged_at": LONG_AGO.isoformat(),
        "runs": [
            {
                "id": old.run,
                "playbook": "restart-it",
                "target": rows.CHECKOUT,
                "outcome": "verified",
                "reason": "its conditions held",
                "created_at": LONG_AGO.isoformat(),
                "changed_at": LONG_AGO.isoformat(),
                "ended_at": LONG_AGO.isoformat(),
            }
        ],
    }
    assert case.metrics.history_removed._value.get() == removed > 10
    assert await case.round() == 0


async def test_a_round_goes_through_all_of_them_whatever_some_keep(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediator.engine.retention._INCIDENTS_AT_ONCE", 2)
    async with case.store.begin(Tx.OPERATE) as tx:
        olds = [await past(tx, LONG_AGO, f"kubernetes/prod/shop/deployment/w{number}") for number in range(7)]
        await _message(tx, olds[3].incident, LONG_AGO, settled=False)
    await case.round()
    assert [(await case.incident(old.incident)).summary is not None for old in olds] == [True] * 3 + [False] + [
        True
    ] * 3


async def test_what_ended_lately_stays_as_it_is(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        recent = await past(tx, LATELY)
    before = await case.counts()
    assert await case.round() == 0
    assert await case.counts() == before
    assert (await case.incident(recent.incident)).summary is None
    case.clock.step(85 * DAY)
    assert await case.round() > 0
    assert await case.counts() == dict.fromkeys(HISTORY, 0)


Spare = Callable[[Connection, Past], Any]


async def _alert_open(tx: Connection, old: Past) -> None:
    await tx.execute(update(episodes).values(state="open", closed_at=None, decide_again_at=T0))


async def _elsewhere(tx: Connection, **columns: Any) -> str:
    """An alert that fires until today, in another incident."""
    other = await rows.join(tx, target="kubernetes/prod/shop/deployment/cart")
    return await rows.fire(tx, other, at=LONG_AGO, decide_again_at=T0, **columns)


async def _alert_decided_here_and_moved(tx: Connection, old: Past) -> None:
    await rows.answer(tx, old.incident, await _elsewhere(tx), "deny", playbook="another", kind="wait")


async def _run_here_for_an_alert_that_moved(tx: Connection, old: Past) -> None:
    """The number of its runs is part of the next one's id: it must not begin anew."""
    await tx.execute(update(run_table).values(episode_id=await _elsewhere(tx)))


async def _second_alert_closed_lately(tx: Connection, old: Past) -> None:
    await rows.close(tx, await rows.fire(tx, old.incident, at=LONG_AGO), LATELY)


async def _incident_open_again(tx: Connection, old: Past) -> None:
    await tx.execute(update(incident_table).values(state="open", closed_at=None, look_again_at=T0))


async def _run_under_way(tx: Connection, old: Past) -> None:
    await rows.admit(tx, old.incident, old.alert, "scheduled", cursor=reverse(old.run, 0, 0, T0).to_json(), wake_at=T0)


async def _reverse_elsewhere(tx: Connection, old: Past) -> None:
    """What the old run made for a time is put back by a run under another incident, which reads the old one's journal."""
    other = await rows.join(tx, target="kubernetes/prod/shop/deployment/cart")
    alert = await rows.fire(tx, other, decide_again_at=T0)
    await rows.admit(tx, other, alert, "scheduled", cursor=reverse(old.run, 0, 0, T0).to_json(), wake_at=T0)


async def _unsent(tx: Connection, old: Past) -> None:
    await _message(tx, old.incident, LONG_AGO, settled=False)


async def _counted_later(tx: Connection, old: Past) -> None:
    """Its change was put back lately: that is when the target changed last."""
    await ledger.mark_changed(tx, old.run, LATELY)


async def _decided_elsewhere(tx: Connection, old: Past) -> None:
    """The incident in which its alert stood at first is still open, for other alerts."""
    first = await rows.join(tx, target=None)
    await rows.fire(tx, first, decide_again_at=T0)
    await rows.answer(tx, first, old.alert, "deny", playbook="another", kind="wait")


async def _alert_closed_lately(tx: Connection, old: Past) -> None:
    await tx.execute(update(episodes).values(closed_at=LATELY))


async def _run_ended_lately(tx: Connection, old: Past) -> None:
    await tx.execute(update(run_table).values(ended_at=LATELY))


@pytest.mark.parametrize(
    "spare",
    [
        _alert_open,
        _alert_decided_here_and_moved,
        _run_here_for_an_alert_that_moved,
        _second_alert_closed_lately,
        _incident_open_again,
        _run_under_way,
        _reverse_elsewhere,
        _unsent,
        _counted_later,
        _decided_elsewhere,
        _alert_closed_lately,
        _run_ended_lately,
    ],
)
async def test_whatever_its_age_it_stays_while_something_needs_it(case: Case, spare: Spare, url: str) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        old = await past(tx)
        await spare(tx, old)
    before = await case.counts()
    await case.round()
    after = await case.counts()
    assert after == before
    assert (await case.incident(old.incident)).summary is None
    assert await broken_rules(url) == []


async def test_an_incident_that_opens_again_in_the_middle_keeps_what_is_left(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        old = await past(tx, alerts=20)
        assert await retention.fold(tx, old.incident, before=T0 - 90 * DAY, now=T0, limit=5) == 5
    await case.do(update(incident_table).values(state="open", look_again_at=T0))
    before = await case.counts()
    async with case.store.begin(Tx.OPERATE) as tx:
        assert await retention.fold(tx, old.incident, before=T0 - 90 * DAY, now=T0, limit=5) == 0
    assert await case.round() == 0
    assert await case.counts() == before


async def test_between_any_two_transactions_the_store_is_good(case: Case, url: str) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        old = await past(tx, alerts=2)
    gone = 1
    while gone:
        async with case.store.begin(Tx.RETAIN) as tx:
            gone = await retention.fold(tx, old.incident, before=T0 - 90 * DAY, now=T0, limit=1)
        assert await broken_rules(url) == []


async def test_no_transaction_removes_more_than_a_few_rows(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        old = await past(tx, alerts=450)
    sizes = []
    while True:
        async with case.store.begin(Tx.RETAIN) as tx:
            gone = await retention.fold(tx, old.incident, before=T0 - 90 * DAY, now=T0, limit=ROWS_A_TRANSACTION)
        sizes.append(gone)
        if not gone:
            break
    assert max(sizes) == ROWS_A_TRANSACTION and sum(sizes) > 900
    assert (await case.counts())["episodes"] == 0
    assert Tx.RETAIN.priority > Tx.INTAKE.priority


async def test_bodies_go_when_no_alert_points_at_them_and_nothing_is_owed(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        kept = {await _delivery(tx, LONG_AGO, fetched_at=None) for _ in range(2)}
        await tx.execute(update(deliveries).values(truncated=3))  # still owed
        pointed_at = await _delivery(tx, LONG_AGO)
        incident = await rows.join(tx)
        await rows.fire(tx, incident, delivery_id=pointed_at, decide_again_at=T0)
        recent = await _delivery(tx, LATELY)
        for _ in range(2 * ROWS_A_TRANSACTION):
            await _delivery(tx, LONG_AGO)
    assert await case.round() == 2 * ROWS_A_TRANSACTION
    async with case.store.read() as connection:
        assert set((await connection.execute(select(deliveries.c.id))).scalars()) == kept | {pointed_at, recent}


async def test_what_belongs_to_no_incident_goes_too(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        late = await rows.fire(tx, await rows.join(tx, target=None), at=LONG_AGO)
        await rows.close(tx, late, LONG_AGO)
        await tx.execute(update(episodes).values(incident_id=None))
        await _message(tx, None, LONG_AGO)
        await rows.fire(tx, await rows.join(tx), at=LONG_AGO, decide_again_at=T0)
        await tx.execute(update(episodes).where(episodes.c.state == "open").values(incident_id=None))
    assert await case.round() == 2
    assert (await case.counts())["episodes"] == 1


async def test_limits_that_look_far_back_keep_what_they_count(case: Case) -> None:
    """A budget of a year counts runs that are older than the retention (S9)."""
    case.playbooks.append(playbook("yearly", guards={"budget": {"runs": 3, "per": "365d"}}))
    async with case.store.begin(Tx.OPERATE) as tx:
        await past(tx)
    assert await case.round() == 0
    case.playbooks.clear()
    assert await case.round() > 0


async def test_the_loop_goes_on_when_the_store_is_back(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = iter([True])
    real = retention.over

    async def over(*given: Any, **named: Any) -> Any:
        if next(fails, False):
            raise StoreUnavailableError("disk full")
        return await real(*given, **named)

    monkeypatch.setattr(retention, "over", over)
    async with case.store.begin(Tx.OPERATE) as tx:
        await past(tx)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(case.retention.run())
        await case.clock.until_sleeping()
        assert (await case.counts())["runs"] == 1
        while (await case.counts())["episodes"]:
            await case.clock.advance(60)
            await asyncio.sleep(0)
        task.cancel()


async def test_a_round_reads_no_whole_table_of_sqlite(tmp_path: Path) -> None:
    """Its questions and its deletes go by indexes, however much there is."""
    async with rows.opened(tmp_path) as store, store.begin(Tx.OPERATE) as tx:
        await past(tx)
        await past(tx, LATELY, "kubernetes/prod/shop/deployment/cart")
        for statement, parameters in await _statements_of_a_round(tx):
            for row in (await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all():
                whole = row.detail.startswith("SCAN ") and " USING " not in row.detail
                assert not whole or row.detail == "SCAN CONSTANT ROW", f"{row.detail}: {statement}"


async def test_a_round_reads_no_whole_table_of_postgresql(database_url: str) -> None:
    """Its planner weighs: so it is given a history, and asked what it would do."""
    await fill(database_url, rows=5_000)
    store = await open_store(database_url)
    try:
        async with store.begin(Tx.OPERATE) as tx:
            await past(tx)
            for statement, parameters in await _statements_of_a_round(tx):
                explain = f"EXPLAIN (FORMAT JSON) {statement}"
                [[[plan]]] = (await tx.exec_driver_sql(explain, parameters)).all()
                read = [one for one in whole_tables(plan["Plan"]) if not one.startswith("ModifyTable")]
                assert read == [], statement
    finally:
        await store.close()


async def _statements_of_a_round(tx: Connection) -> list[tuple[str, Any]]:
    asked: list[tuple[str, Any]] = []
    listened = tx.sync_connection
    assert listened is not None

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    event.listen(listened, "before_cursor_execute", note)
    for one in await retention.over(tx, before=T0 - 90 * DAY, after=None, limit=10):
        while await retention.fold(tx, one.incident_id, before=T0 - 90 * DAY, now=T0, limit=3):
            pass
    await retention.remove_loose(tx, before=T0 - 90 * DAY, limit=10)
    await retention.remove_deliveries(tx, before=T0 - 90 * DAY, after="", limit=10)
    await outbox.count_unsent(tx)
    event.remove(listened, "before_cursor_execute", note)
    assert len(asked) > 30
    return asked


def test_every_reference_has_an_index_by_which_a_delete_finds_who_still_points_here() -> None:
    for table in metadata.tables.values():
        whole = [index for index in table.indexes if index.dialect_options["sqlite"]["where"] is None]
        first = {next(iter(index.columns)).name for index in whole} | {next(iter(table.primary_key)).name}
        for column in table.columns:
            assert not column.foreign_keys or column.name in first, f"{table.name}.{column.name}"


async def test_old_rows_that_cannot_go_end_nothing_and_go_later(case: Case) -> None:
    async with case.store.begin(Tx.OPERATE) as tx:
        old = await past(tx)
        await locks.take(tx, run_id=old.run, mode="live", target=Target.parse(rows.CHECKOUT), now=LONG_AGO)
    removing = asyncio.create_task(case.retention.run())
    for _ in range(50):
        await case.clock.advance(1)
    assert not removing.done()
    assert (await case.counts())["runs"] == 1
    async with case.store.begin(Tx.OPERATE) as tx:
        await locks.release(tx, old.run)
    async with asyncio.timeout(60):
        while (await case.counts())["runs"]:
            await case.clock.advance(60)
    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)
