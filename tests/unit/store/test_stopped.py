"""Runs that wait for what may never come: a target that is busy, a lease that is over, a mode that is gone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from remediator.store import approvals, claims, incidents, runs, stopped
from remediator.store.claims import LeftOut
from remediator.store.database import Store, Tx
from remediator.store.schema import incidents as incident_table
from tests.support import incidents as rows
from tests.support.clock import T0

LATER = T0 + timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


async def test_a_cancel_after_the_yes_does_not_wait_for_a_busy_target(store: Store) -> None:
    async with store.begin(Tx.OPERATE) as tx:
        incident = await rows.join(tx)
        episode = await rows.fire(tx, incident)
        await rows.admit(tx, incident, episode, "needs_person")
        asked = await rows.admit(tx, incident, episode, "approval")
        await rows.ask_approval(tx, asked)
        await approvals.settle(tx, asked, said="approved", by="ann", reason="seen", now=T0)

        async def claim() -> list[tuple[str, str]]:
            found = await claims.claim_due(tx, mode="live", owner="o", now=T0, lease_until=LATER, limit=9)
            return [(run.id, run.state) for run in found]

        assert await claim() == []
        await runs.ask_cancel(tx, asked, by="ann", now=T0)
        assert await claim() == [(asked, "approval")]


async def test_a_run_left_by_its_owner_is_due_when_the_lease_ends_but_not_while_it_is_in_hand(store: Store) -> None:
    async with store.begin(Tx.OPERATE) as tx:
        incident = await rows.join(tx)
        episode = await rows.fire(tx, incident)
        run_id = await rows.admit(tx, incident, episode, "running", owner="o", lease_until=LATER, wake_at=T0)
        assert await claims.next_due_at(tx, "live") == LATER
        assert await claims.next_due_at(tx, "live", left_out=LeftOut(runs=(run_id,))) is None
        after, until = LATER + timedelta(seconds=1), LATER + timedelta(minutes=1)

        async def claim(*without: str) -> list[str]:
            found = await claims.claim_due(
                tx, mode="live", owner="o", now=after, lease_until=until, limit=9, left_out=LeftOut(runs=without)
            )
            return [run.id for run in found]

        assert await claim(run_id) == []
        assert await claim() == [run_id]


async def test_when_the_mode_changes_the_incident_of_a_cancelled_run_is_judged_when_its_mode_returns(
    store: Store,
) -> None:
    async with store.begin(Tx.OPERATE) as tx:
        incident = await rows.join(tx)
        episode = await rows.fire(tx, incident)
        await rows.close(tx, episode, T0)
        await rows.admit(tx, incident, episode, "waiting")
        await tx.execute(update(incident_table).values(look_again_at=None))
        assert await stopped.cancel_mode(tx, mode="live", why="the mode changed", now=LATER) == 1
        assert await incidents.due(tx, LATER, 9, mode="live") == [incident]
