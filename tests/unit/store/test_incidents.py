"""Incidents: their keys, their story, and who joins whom. What they lead to is in ``engine/test_escalator``."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.store import incidents
from remediator.store.database import Store, Tx
from tests.support import incidents as rows
from tests.support.clock import T0

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


def test_keys_tell_modes_targets_causes_and_hours_apart() -> None:
    keys = [
        incidents.incident_key("live", target=rows.CHECKOUT),
        incidents.incident_key("dry-run", target=rows.CHECKOUT),
        incidents.incident_key("live", source="prod", group_key="{}:{a}"),
        incidents.incident_key("live", source="prod", group_key="{}:{b}"),
        incidents.incident_key("live", source="staging", group_key="{}:{a}"),
        incidents.dead_letter_key("live", "prod", T0),
        incidents.dead_letter_key("live", "prod", T0 + timedelta(hours=1)),
        incidents.dead_letter_key("live", "staging", T0),
    ]
    assert len(set(keys)) == len(keys)
    assert incidents.dead_letter_key("live", "prod", T0) == incidents.dead_letter_key("live", "prod", T0 + 59 * MINUTE)


def test_a_group_key_of_any_length_and_content_fits() -> None:
    one = incidents.incident_key("live", source="prod", group_key="x" * 100_000 + "a\x00\ud800")
    other = incidents.incident_key("live", source="prod", group_key="x" * 100_000 + "b\x00\ud800")
    assert len(one) == len(other) == 512 and one != other
    assert "\x00" not in incidents.incident_key("live", source="prod", group_key="\x00")


@pytest.mark.parametrize(
    ("one", "other", "highest"),
    [
        ("low", "critical", "critical"),
        ("unknown", "high", "high"),
        ("unknown", "medium", "unknown"),
        ("none", "low", "low"),
    ],
)
def test_the_highest_severity_stays(one: str, other: str, highest: str) -> None:
    assert incidents.higher(one, other) == incidents.higher(other, one) == highest


async def test_the_story_has_everything_in_its_order(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        closed = await rows.fire(tx, incident_id, at=T0)
        firing = await rows.fire(tx, incident_id, at=T0 + MINUTE)
        await rows.close(tx, closed, T0 + 2 * MINUTE)
        await rows.answer(tx, incident_id, firing, "deny", kind="wait")
        await rows.answer(tx, incident_id, firing, "run")
        run_id = await rows.admit(tx, incident_id, firing)
        await rows.step(tx, run_id)
        await rows.ask_approval(tx, run_id)
        for number in range(50):
            await incidents.add_event(tx, incident_id, run_id, T0, "step_applied", f"step {number}", None)
    async with store.read() as connection:
        story = await incidents.story(connection, incident_id)
        none = await incidents.story(connection, "inc_none")
    assert none is None
    assert story is not None
    assert (story.alerts, story.firing) == (2, 1)
    assert [episode.id for episode in story.episodes] == [firing, closed]
    assert [decision["verdict"] for decision in story.decisions] == ["run"]
    assert [run.id for run in story.runs] == [run_id]
    assert [step.action for step in story.steps[run_id]] == ["kubernetes.rollout_restart"]
    assert story.approvals[run_id]["plan_hash"] == "0123456789abcdef"
    assert [event["text"] for event in story.timeline[1:]] == [f"step {number}" for number in range(50)]
    assert story.timeline[0]["event"] == incidents.OPENED


async def test_a_long_story_keeps_its_newest_events(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        for number in range(5):
            await incidents.add_event(tx, incident_id, None, T0, "note", str(number), None)
    async with store.read() as connection:
        story = await incidents.story(connection, incident_id, events=2)
    assert story is not None
    assert [event["text"] for event in story.timeline] == ["3", "4"]


async def test_what_is_due_is_asked_by_mode_and_time(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        live = await rows.join(tx, mode="live")
        await rows.join(tx, mode="dry-run")
        late = await rows.join(tx, target=None)
        await incidents.postpone(tx, late, T0 + MINUTE)
    async with store.read() as connection:
        assert await incidents.due(connection, T0, 10, mode="live") == [live]
        assert await incidents.due(connection, T0 + MINUTE, 10, mode="live") == [live, late]
        assert await incidents.next_due_at(connection, mode="live") == T0
        assert [row.id for row in await incidents.listing(connection, target=rows.CHECKOUT)] != []
        assert await incidents.listing(connection, states=["closed"]) == []
