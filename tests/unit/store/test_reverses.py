"""S39: the run that puts back what another made for a time, while it waits, when it is due, and when a person is needed."""

from datetime import timedelta

from remediator.runs import undo
from remediator.runs.cursor import Cursor, Outcome, Phase, Question
from remediator.store import claims, incidents, paging, reverses, runs, stopped
from remediator.store.database import Connection, Store, Tx
from remediator.store.runs import RunRow
from tests.support import runs as made
from tests.support.clock import T0

DAY = timedelta(days=1)


async def scheduled(store: Store, of: tuple[str, str]) -> tuple[RunRow, str]:
    """A run that made something for a day and has ended, and its reverse."""
    run_id = await made.admit(store, of)
    [run] = await made.claim(store)
    await made.begin(store, run)
    async with store.begin(Tx.END_STEP) as tx:
        reverse_id = await schedule(tx, run)
        assert await schedule(tx, run) == reverse_id, "a step has one reverse, however often it is said"
    await made.end(store, run, Cursor(Phase.ENDED, since=T0, outcome=Outcome.VERIFIED, note="holds"))
    return await made.get(store, run_id), reverse_id


async def schedule(tx: Connection, run: RunRow) -> str:
    cursor = undo.reverse(run.id, 0, 0, T0 + DAY)
    return await reverses.schedule_reverse(tx, run, cursor, due_at=T0 + DAY, deadline_at=T0 + 2 * DAY, now=T0)


async def test_until_it_is_due_it_is_in_nobodys_way(store: Store) -> None:
    of = await made.episode(store)
    _, reverse_id = await scheduled(store, of)

    assert (await made.get(store, reverse_id)).due_at == T0 + DAY
    assert await made.claim(store, at=T0 + DAY - timedelta(seconds=1)) == []
    async with store.read() as connection:
        assert await runs.pending_of(connection, episode_id=of[1], mode="live") is None
        assert await claims.stale_ready(connection, mode="live", admitted_before=T0 + DAY) == []
        incident = await incidents.incident(connection, of[0])
        assert incident is not None
        told = await paging.incident_facts(connection, incident, T0)
    assert reverse_id not in {run.id for run in told.runs}, "it neither holds an incident open nor speaks for it"
    assert await made.admit(store, of, at=T0 + timedelta(hours=1)) != reverse_id, "the next run may have the target"


async def test_when_due_it_is_claimed_with_its_target_and_again_after_a_restart(store: Store) -> None:
    _, reverse_id = await scheduled(store, await made.episode(store))

    [run] = await made.claim(store, at=T0 + DAY)
    assert (run.id, run.state, Cursor.from_json(run.cursor).direction) == (reverse_id, "running", "undo")
    async with store.begin(Tx.RECOVER) as tx:
        assert await claims.recover(tx, now=T0 + DAY) == [reverse_id]
    back = await made.get(store, reverse_id)
    assert (back.state, back.due_at) == ("scheduled", T0 + DAY)
    assert [one.id for one in await made.claim(store, owner="two", at=T0 + DAY)] == [reverse_id]


async def test_put_off_it_waits_as_before(store: Store) -> None:
    """Under a pause, or while the world cannot be read."""
    _, reverse_id = await scheduled(store, await made.episode(store))
    [run] = await made.claim(store, at=T0 + DAY)
    cursor = Cursor.from_json(run.cursor)
    await made.park(store, run, cursor, wake_at=T0 + DAY + timedelta(minutes=1))
    assert (await made.get(store, reverse_id)).state == "scheduled"


async def test_it_waits_for_whoever_has_the_target(store: Store) -> None:
    of = await made.episode(store)
    _, reverse_id = await scheduled(store, of)
    other = await made.admit(store, of, at=T0 + DAY)
    claimed = await made.claim(store, at=T0 + DAY)
    assert [run.id for run in claimed] == [other]
    assert (await made.get(store, reverse_id)).state == "scheduled"


async def test_cancelled_it_ends_without_the_target_and_is_no_word_against_the_playbook(store: Store) -> None:
    of = await made.episode(store)
    run, reverse_id = await scheduled(store, of)
    await made.admit(store, of, at=T0)
    async with store.begin(Tx.OPERATE) as tx:
        assert await runs.ask_cancel(tx, reverse_id, by="ada (it shall stay)", now=T0)
    claimed = {one.id: one for one in await made.claim(store, at=T0)}
    cancelled = Cursor(Phase.ENDED, since=T0, outcome=Outcome.CANCELLED, note="cancelled by ada", reverses=run.id)
    await made.end(store, claimed[reverse_id], cancelled)
    async with store.read() as connection:
        said = await stopped.said_no(
            connection, mode="live", playbook=run.playbook, revision=run.revision, target=run.target
        )
    assert said is None


async def test_a_change_of_mode_leaves_it_for_when_its_mode_returns(store: Store) -> None:
    """S21: it is not under way, and forgetting it would make a change for a time a change for ever."""
    _, reverse_id = await scheduled(store, await made.episode(store))
    async with store.begin(Tx.OPERATE) as tx:
        await stopped.cancel_mode(tx, mode="live", why="the store's mode was changed", now=T0)
    assert (await made.get(store, reverse_id)).state == "scheduled"


class TestCall:
    """A person is asked under an open incident."""

    async def asked(self, store: Store, reverse_id: str, incident_id: str) -> str:
        async with store.begin(Tx.ADVANCE_RUN) as tx:
            return await incidents.take_up(tx, incident_id, reverse_id, why="it is not put back", now=T0 + DAY)

    async def test_its_own_is_opened_again_when_it_is_over(self, store: Store) -> None:
        of = await made.episode(store)
        _, reverse_id = await scheduled(store, of)
        async with store.begin(Tx.JUDGE_INCIDENT) as tx:
            await incidents.close(tx, of[0], now=T0, why="over")
        assert await self.asked(store, reverse_id, of[0]) == of[0]
        [run] = await made.claim(store, at=T0 + DAY)
        asks = Cursor(
            Phase.PERSON, since=T0 + DAY, direction="undo", reverses="run_x", question=Question.UNDO_FAILED, note="no"
        )
        await made.park(store, run, asks, wake_at=None, state="needs_person")
        async with store.read() as connection:
            incident = await incidents.incident(connection, of[0])
            assert incident is not None
            assert (incident.state, incident.recurrences) == ("open", 1)
            told = await paging.incident_facts(connection, incident, T0 + DAY)
        assert [(one.id, one.state) for one in told.runs] == [(reverse_id, "needs_person")]

    async def test_it_moves_to_the_one_that_is_open_by_now(self, store: Store) -> None:
        of = await made.episode(store)
        _, reverse_id = await scheduled(store, of)
        async with store.begin(Tx.JUDGE_INCIDENT) as tx:
            await incidents.close(tx, of[0], now=T0 - timedelta(days=2), why="over")
        newer, _ = await made.episode(store)
        assert newer != of[0]
        assert await self.asked(store, reverse_id, of[0]) == newer
        assert (await made.get(store, reverse_id)).incident_id == newer
